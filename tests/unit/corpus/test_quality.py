import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from apollo_ray.corpus import quality
from apollo_ray.corpus.clean import clean_text
from apollo_ray.corpus.thresholds import LIMITS, RULES
from apollo_ray.records import LANGUAGES


def load_junk() -> ModuleType:
    spec = importlib.util.spec_from_file_location("junk", Path(__file__).with_name("junk.py"))
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


junk = load_junk()

PROSE = {
    "en": "Iron deficiency is the most common cause of anaemia in the world. It develops when the body loses more iron than it takes up, for example in heavy menstrual bleeding or in chronic bleeding from the bowel.\n\nMost patients notice that they tire easily and become short of breath on the stairs. The skin is pale, the nails may be brittle, and some people have an urge to eat ice.\n\nTreatment replaces the iron, as tablets or, if these are not tolerated, by infusion. In men and in older women the source of the bleeding has to be found, because it can be a tumour.",
    "es": "La falta de hierro es la causa más frecuente de anemia en el mundo. Aparece cuando el organismo pierde más hierro del que absorbe, por ejemplo en las menstruaciones abundantes o en las hemorragias crónicas del intestino.\n\nLa mayoría de los pacientes notan que se cansan con facilidad y que les falta el aire al subir las escaleras. La piel está pálida, las uñas pueden romperse y algunas personas sienten deseos de comer hielo.\n\nEl tratamiento repone el hierro con comprimidos o, si no se toleran, por vía intravenosa. En los varones y en las mujeres de más edad hay que buscar el origen de la hemorragia, porque puede tratarse de un tumor.",
    "fr": "La carence en fer est la cause la plus fréquente d'anémie dans le monde. Elle apparaît lorsque l'organisme perd plus de fer qu'il n'en absorbe, par exemple en cas de règles abondantes ou de saignements chroniques de l'intestin.\n\nLa plupart des patients remarquent qu'ils se fatiguent vite et qu'ils sont essoufflés dans les escaliers. La peau est pâle, les ongles peuvent se casser et certaines personnes ont envie de manger de la glace.\n\nLe traitement apporte le fer par comprimés ou, s'ils ne sont pas supportés, par perfusion. Chez l'homme et chez la femme âgée, il faut chercher l'origine du saignement, car il peut s'agir d'une tumeur.",
    "ar": "نقص الحديد هو أكثر أسباب فقر الدم شيوعا في العالم. ويحدث عندما يفقد الجسم من الحديد أكثر مما يمتصه، كما في غزارة الطمث أو في النزيف المزمن من الأمعاء.\n\nيلاحظ معظم المرضى أنهم يتعبون بسرعة وأن نفسهم يضيق عند صعود الدرج. ويكون الجلد شاحبا وقد تصبح الأظافر هشة، ويشعر بعض الناس برغبة في أكل الثلج.\n\nيعوض العلاج الحديد بالأقراص أو بالتسريب في الوريد إذا لم يتحملها المريض. ويجب عند الرجال وعند النساء الأكبر سنا البحث عن مصدر النزيف لأنه قد يكون ورما.",
    "hi": "दुनिया में खून की कमी का सबसे आम कारण लोहे की कमी है। यह तब होती है जब शरीर से उतना लोहा निकल जाता है जितना भोजन से नहीं मिल पाता, जैसे अधिक माहवारी में या आँत से लंबे समय तक खून बहने पर।\n\nअधिकतर मरीज बताते हैं कि वे जल्दी थक जाते हैं और सीढ़ियाँ चढ़ने पर उनकी साँस फूलती है। त्वचा पीली पड़ जाती है, नाखून टूटने लगते हैं और कुछ लोगों को बर्फ खाने की इच्छा होती है।\n\nइलाज में लोहे की गोलियाँ दी जाती हैं और यदि मरीज उन्हें सह न सके तो नस से दवा दी जाती है। पुरुषों में और अधिक उम्र की महिलाओं में खून बहने का कारण ढूँढना जरूरी है, क्योंकि वह कैंसर भी हो सकता है।",
    "zh": "缺铁是世界上最常见的贫血原因。当身体失去的铁多于吸收的铁时，就会发生缺铁，例如月经过多或者肠道慢性出血。\n\n多数患者会发现自己容易疲劳，上楼梯的时候感到气短。他们的皮肤苍白，指甲变脆，有些人还会想吃冰块。\n\n治疗的方法是补铁，可以口服药片，如果不能耐受，也可以静脉输注。对于男性和年龄较大的女性，必须找到出血的部位，因为这可能是肿瘤引起的。",
}
DIALOGUE = {
    "en": "Doctor, I have had a headache for three days and it gets worse when I lie down. Should I be worried?\nA headache that is worse when you lie down should be looked at soon. Do you also have a fever, do you vomit, or do you see double? If any of these is new, please go to the emergency department today.",
    "es": "Doctora, llevo tres días con dolor de cabeza y empeora cuando me acuesto. ¿Debo preocuparme?\nUn dolor que empeora al acostarse debe valorarse pronto. ¿Tiene además fiebre, vómitos o ve doble? Si nota algo de esto por primera vez, vaya hoy mismo a urgencias.",
    "fr": "Docteur, j'ai mal à la tête depuis trois jours et c'est pire quand je me couche. Dois-je m'inquiéter ?\nUn mal de tête qui s'aggrave en position couchée doit être examiné rapidement. Avez-vous aussi de la fièvre, des vomissements, ou voyez-vous double ? Si l'un de ces signes est nouveau, allez aux urgences aujourd'hui.",
    "ar": "دكتور، عندي صداع منذ ثلاثة أيام ويزداد عندما أستلقي. هل يجب أن أقلق؟\nالصداع الذي يزداد عند الاستلقاء يحتاج إلى فحص قريب. هل عندك أيضا حمى أو قيء أو هل ترى الأشياء مزدوجة؟ إذا ظهر أي من ذلك لأول مرة فاذهب اليوم إلى الطوارئ.",
    "hi": "डॉक्टर साहब, मुझे तीन दिन से सिर दर्द है और लेटने पर बढ़ जाता है। क्या मुझे चिंता करनी चाहिए?\nजो दर्द लेटने पर बढ़े उसकी जाँच जल्दी होनी चाहिए। क्या आपको बुखार या उल्टी भी है, या चीजें दो दिखती हैं? अगर इनमें से कुछ भी नया है तो आज ही आपातकालीन विभाग में जाएँ।",
    "zh": "医生您好，我头痛三天了，躺下的时候更厉害，要紧吗？\n躺下时加重的头痛应当尽快检查。您有没有发热、呕吐，或者看东西有重影？如果这些情况是新出现的，请今天就去急诊。",
}
EXAM = {
    "en": "Which vitamin is needed for the synthesis of clotting factors II, VII, IX and X?\n(A) Vitamin A\n(B) Vitamin C\n(C) Vitamin D\n(D) Vitamin K\n(D) Vitamin K",
    "es": "¿Qué vitamina es necesaria para la síntesis de los factores de coagulación II, VII, IX y X?\n(A) La vitamina A.\n(B) La vitamina C.\n(C) La vitamina D.\n(D) La vitamina K.\n(D) La vitamina K.",
    "fr": "Quelle vitamine est nécessaire à la synthèse des facteurs de coagulation II, VII, IX et X ?\n(A) La vitamine A\n(B) La vitamine C\n(C) La vitamine D\n(D) La vitamine K\n(D) La vitamine K",
    "ar": "أي فيتامين يلزم لتصنيع عوامل التخثر الثاني والسابع والتاسع والعاشر؟\n(A) فيتامين أ\n(B) فيتامين ج\n(C) فيتامين د\n(D) فيتامين ك\n(D) فيتامين ك",
    "hi": "रक्त के थक्के बनाने वाले कारक दो, सात, नौ और दस के निर्माण के लिए कौन सा विटामिन आवश्यक है?\n(A) विटामिन ए\n(B) विटामिन सी\n(C) विटामिन डी\n(D) विटामिन के\n(D) विटामिन के",
    "zh": "合成凝血因子Ⅱ、Ⅶ、Ⅸ和Ⅹ需要哪一种维生素？\n(A) 维生素A\n(B) 维生素C\n(C) 维生素D\n(D) 维生素K\n(D) 维生素K",
}
CODE = "Write a function that returns the body mass index.\n\ndef body_mass_index(weight_kg: float, height_m: float) -> float:\n    if height_m <= 0:\n        raise ValueError(f'height {height_m} is not positive')\n    return weight_kg / height_m**2\n"
MATH = "A nurse gives 3 tablets of 250 mg a day for 10 days. How many grams is that in all?\nShe gives 3 * 250 = 750 mg a day.\nIn 10 days that is 10 * 750 = 7500 mg.\nThat is 7500 / 1000 = 7.5 grams.\nThe answer is 7.5"

CLEAN = [
    *(("web", lang, text) for lang, text in PROSE.items()),
    *(("patient", lang, text) for lang, text in DIALOGUE.items()),
    *(("exam", lang, text) for lang, text in EXAM.items()),
    ("code", "en", CODE),
    ("math", "en", MATH),
]


@pytest.mark.parametrize(
    "text", ["", "\0", "\ud800", "\U0010ffff\U000e0001", "\n" * 50, "a" * 1_000_000, "的" * 100_000]
)
def test_any_string_is_judged(text: str) -> None:
    measures = quality.measure([text])
    for lang in (*LANGUAGES, "de", None):
        for kind in ("book", "exam", "code", "anything", None):
            assert len(quality.judge(measures, [lang], [kind])) == 1
    assert quality.judge(quality.measure([]), [], []) == []


def judged(texts: list[str], lang: str, kind: str | None) -> list[quality.Refusal | None]:
    return quality.judge(quality.measure(texts), [lang] * len(texts), [kind] * len(texts))


@pytest.mark.parametrize(("kind", "lang", "text"), CLEAN)
def test_clean_text_is_kept(kind: str, lang: str, text: str) -> None:
    assert judged([text], lang, kind) == [None]
    assert judged([text], lang, None if kind == "web" else kind) == [None]


def test_short_clean_text_is_kept() -> None:
    sentences = {lang: junk.SENTENCES[lang].split("|") for lang in LANGUAGES}
    for lang, texts in sentences.items():
        for kind in ("web", "patient", "exam"):
            assert judged(texts, lang, kind) == [None] * len(texts), (lang, kind)


def test_text_in_other_languages_is_kept() -> None:
    german = "Eisenmangel ist weltweit die häufigste Ursache einer Blutarmut. Er entsteht, wenn der Körper mehr Eisen verliert, als er aufnimmt, zum Beispiel bei starker Regelblutung oder bei chronischen Blutungen aus dem Darm. Die meisten Betroffenen bemerken, dass sie rasch ermüden und auf der Treppe außer Atem geraten."
    assert judged([german], "de", "web") == [None]
    assert judged(
        ["ภาวะขาดธาตุเหล็กเป็นสาเหตุที่พบบ่อยที่สุดของโรคโลหิตจางทั่วโลก ผู้ป่วยส่วนใหญ่มักรู้สึกเหนื่อยง่ายและหายใจไม่ทันเมื่อขึ้นบันได"], "th", "web"
    ) == [None]


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("name", junk.JUNK)
def test_planted_junk_is_refused(name: str, lang: str) -> None:
    texts = junk.junk(name, lang, number=100, seed=3)
    refusals = judged(texts, lang, "web")
    assert sum(refusal is not None for refusal in refusals) >= 95, [
        text[:80] for text, refusal in zip(texts, refusals, strict=True) if not refusal
    ]


def test_code_is_refused_as_prose_and_kept_as_code() -> None:
    listing = CODE + "".join(f"\nlimits[{at}] = {{'low': {at}, 'high': {at + 1}}}  # row_{at}\n" for at in range(8))
    assert judged([listing], "en", "web") != [None]
    assert judged([CODE], "en", "code") == [None]


def test_a_refusal_says_what_broke_which_limit() -> None:
    (refusal,) = judged(["12 34 56 78 90 " * 10], "en", "web")
    assert refusal
    assert (refusal.rule, refusal.measure, refusal.value) == ("few_letters", "letters_share", 0.0)
    assert refusal.limit == LIMITS["prose"]["few_letters"]["en"]
    assert str(refusal) == f"letters_share 0 < {refusal.limit:.3g}"


def test_the_first_rule_broken_is_the_one_named() -> None:
    text = "\ufffd12 34 56 78 \ufffd" * 20
    (refusal,) = judged([text], "es", "web")
    assert refusal
    assert refusal.rule == RULES[0].name == "broken_encoding"


def test_every_group_has_a_default_for_every_rule() -> None:
    for rules in LIMITS.values():
        assert list(rules) == [rule.name for rule in RULES]
        assert all("default" in limits for limits in rules.values())


@pytest.mark.parametrize(
    ("file", "kind", "least"),
    [
        *((f"raw/ntrex_news_{lang}", "web", 0.97) for lang in LANGUAGES),
        ("raw/spaccc_es", "paper", 0.97),
        ("raw/e3c_pamj_fr", "paper", 0.97),
        ("raw/tcm_classics_zh", "book", 0.85),
        ("qa/headqa_exam_es", "exam", 0.96),
        ("qa/gsm8k_math_en", "math", 0.97),
        ("qa/humaneval_code_en", "code", 0.93),
        ("qa/toyhom_patient_zh", "patient", 0.97),
    ],
)
def test_real_text_is_kept(shared_data: Path, file: str, kind: str, least: float) -> None:
    lines = (shared_data / f"{file}.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines[:: max(1, len(lines) // 60)]]
    turns = [row.get("conversations") or [row["text"]] for row in rows]
    texts = ["\n".join(clean_text(turn[:3000], kind) for turn in one) for one in turns]
    kept = [refusal is None for refusal in judged(texts, rows[0]["lang"], kind)]
    assert np.mean(kept) >= least
