import pickle
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from apollo_ray.decontaminate import (
    CONSECUTIVE_64,
    MIN_CONTENT,
    QUESTION_AND_OPTIONS,
    WHOLE_QUESTION,
    Index,
    Item,
    content,
    fold,
    fold_all,
    items_of,
)

ANY_TEXT = st.text(
    st.one_of(
        st.characters(exclude_categories=()), st.sampled_from(list("aé ̈ß½①Ⅳœ患者，。がﾞأىةـَّ٣पँ़ज़्३।\0\n\u200b\ud800"))
    )
)

# A question of 64 characters or more and a shorter one that counts alone, in each language.
LONG = {
    "en": "A 61-year-old woman with atrial fibrillation takes warfarin 5 mg; which antibiotic raises her INR the most?",
    "zh": "患者男性，58岁，突发胸骨后压榨性疼痛3小时，伴大汗及恶心，心电图示Ⅱ、Ⅲ、aVF导联ST段弓背向上抬高，血压85/50 mmHg，颈静脉怒张而双肺呼吸音清，最可能合并的是哪一种情况？",
    "es": "Mujer de 34 años con fiebre, exantema malar y artralgias desde hace 6 semanas: ¿qué anticuerpo confirma la sospecha?",
    "fr": "Un homme de 72 ans traité par amiodarone présente une dyspnée d'effort croissante: quelle toxicité évoquez-vous?",
    "hi": "45 वर्ष की महिला को 3 महीने से थकान, ठंड न सहना और वज़न बढ़ने की शिकायत है; किस हार्मोन की जाँच सबसे पहले करनी चाहिए?",
    "ar": "امرأة عمرها 29 عامًا تشكو من خفقان ورعشة ونقص في الوزن منذ 4 أشهر، أيّ فحص مخبري يُجرى أوّلًا لتأكيد فرط الدرق؟",
}
SHORT = {
    "en": "Which enzyme does allopurinol block in gout?",
    "zh": "别嘌醇抑制嘌呤代谢中的哪种酶？",
    "es": "¿Qué enzima inhibe el alopurinol en la gota?",
    "fr": "Quelle enzyme l'allopurinol inhibe-t-il dans la goutte?",
    "hi": "एलोप्यूरिनॉल गठिया में किस एंज़ाइम को रोकता है?",
    "ar": "ما الإنزيم الذي يثبّطه الألوبورينول في النقرس؟",
}
CHANGED = {
    "en": (str.upper, lambda t: t.replace(" ", "\u00a0\n"), lambda t: t.replace("?", " ...").replace("-", " ")),
    "zh": (
        lambda t: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in t),
        lambda t: t.replace("，", ", ").replace("？", " ?"),
        lambda t: t.replace("血压", " 血压 ").replace("Ⅱ、Ⅲ", "II/III"),
    ),
    "es": (str.upper, lambda t: unicodedata.normalize("NFD", t), lambda t: t.replace("ñ", "n").replace("é", "e")),
    "fr": (str.upper, lambda t: unicodedata.normalize("NFD", t), lambda t: t.replace("é", "e").replace("'", "’")),
    "hi": (
        lambda t: t.replace("ज़", "ज").replace("ँ", "ं"),
        lambda t: t.translate({48 + n: d for n, d in enumerate("०१२३४५६७८९")}),
        lambda t: t.replace("ज़", "\u095b").replace("?", "।"),
    ),
    "ar": (
        lambda t: "".join(c for c in unicodedata.normalize("NFD", t) if not unicodedata.combining(c)),
        lambda t: t.replace("ة", "ه").replace("أ", "ا").replace("،", ","),
        lambda t: t.replace("ن", "نـ").translate({48 + n: d for n, d in enumerate("٠١٢٣٤٥٦٧٨٩")}),
    ),
}


def item(question: str, lang: str = "en", options: tuple[str, ...] = (), name: str = "q") -> Item:
    return Item(name, "exam", lang, question, options)


def rules(index: Index, text: str) -> list[str]:
    return [overlap.rule for overlap in index.search([text])[0]]


@given(ANY_TEXT)
def test_folding_is_idempotent_and_takes_anything(text: str) -> None:
    folded = fold(text)
    assert fold(folded) == folded
    assert not folded.startswith(" ")
    assert not folded.endswith(" ")
    assert "  " not in folded
    assert "\0" not in folded


@given(st.lists(ANY_TEXT, max_size=5))
def test_folding_many_is_folding_each(texts: list[str]) -> None:
    assert fold_all(texts) == [fold(text) for text in texts]


@given(st.text())
def test_spellings_that_unicode_calls_equivalent_fold_alike(text: str) -> None:
    forms = {fold(unicodedata.normalize(form, text)) for form in ("NFC", "NFD", "NFKC", "NFKD")}
    assert forms == {fold(text)}


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("  What’s the “PH”\tof 5 mL?  ", "what s the ph of 5 ml"),
        ("ＨｂＡ１ｃ　≥７％", "hba1c 7"),
        ("患者， 20 岁，HBsAg (+) 阳性。", "患者20岁hbsag阳性"),
        ("Œdème aigu — ÑANDÚ, Straße", "oedeme aigu nandu strasse"),
        ("مُحَمَّدٌ إلى المدرســة ١٢", "محمد الي المدرسه 12"),
        ("पाँच ज़रूरी बातें — १२३।", "पांच जरूरी बातें 123"),
        ("soft\u00adhyphen, zero\u200bwidth", "softhyphen zerowidth"),
        ("\ud800\0", ""),
    ],
)
def test_folding_known_texts(text: str, folded: str) -> None:
    assert fold(text) == folded


def longest_common(text: str, question: str) -> int:
    """Reference by dynamic programming."""
    best, before = 0, [0] * (len(question) + 1)
    for character in text:
        row = [0] * (len(question) + 1)
        for j, other in enumerate(question):
            if character == other:
                row[j + 1] = before[j] + 1
                best = max(best, row[j + 1])
        before = row
    return best


FEW = st.text("ab", min_size=0, max_size=130)
QUESTIONS = st.lists(st.one_of(FEW, st.integers(60, 68).map(lambda n: ("ab" * 40)[:n])), min_size=1, max_size=4)


@settings(max_examples=60)
@given(QUESTIONS, st.data())
def test_consecutive_64_is_what_a_plain_search_finds(questions: list[str], data: st.DataObject) -> None:
    index = Index.build([item(question, name=str(n)) for n, question in enumerate(questions)])
    texts = []
    for _ in range(3):
        question = data.draw(st.sampled_from(questions))
        start = data.draw(st.integers(0, len(question)))
        size = data.draw(st.sampled_from([62, 63, 64, 65, 66, 130]))
        texts.append(data.draw(FEW) + question[start : start + size] + data.draw(FEW))
    found = index.search(texts)
    for text, overlaps in zip(texts, found, strict=True):
        expected = {str(n): longest_common(text, question) for n, question in enumerate(questions)}
        exact = {one.item: one.length for one in overlaps if one.rule == CONSECUTIVE_64}
        assert exact == {name: length for name, length in expected.items() if length >= 64}
        assert all(one.excerpt in text for one in overlaps)
    assert found == [index.search([text])[0] for text in texts]


@pytest.mark.parametrize("length", [63, 64, 65])
@pytest.mark.parametrize("place", ["start", "middle", "end", "whole row"])
@pytest.mark.parametrize("offset", range(0, 40, 3))
def test_63_characters_are_too_few_and_64_enough_wherever_they_stand(length: int, place: str, offset: int) -> None:
    question = fold(LONG["es"] + LONG["fr"]).replace(" ", "")
    shared = question[offset : offset + length]
    before, behind = {"start": ("", "#"), "middle": ("#", "#"), "end": ("#", ""), "whole row": ("", "")}[place]
    text = before.replace("#", "7" * (90 + offset)) + shared + behind.replace("#", "8" * 77)
    assert longest_common(text, question) == length
    assert rules(Index.build([item(question)]), text) == ([CONSECUTIVE_64] if length >= 64 else [])


@pytest.mark.parametrize("lang", LONG)
def test_copies_are_found_in_every_language(lang: str) -> None:
    index = Index.build([item(LONG[lang], lang, name="long"), item(SHORT[lang], lang, name="short")])
    host = "Notes 1. " * 300
    for question, rule in ((LONG[lang], CONSECUTIVE_64), (SHORT[lang], WHOLE_QUESTION)):
        for text in (question, f"{host}\n{question}\nA. …", *(change(question) for change in CHANGED[lang])):
            overlaps = index.search([text])[0]
            assert [(one.rule, one.length, one.telling) for one in overlaps] == [(rule, len(fold(question)), True)]
            assert overlaps[0].excerpt == fold(question)[:200]
    assert not rules(index, host)
    assert not rules(index, SHORT[lang][: len(SHORT[lang]) * 2 // 3])


def test_dense_scripts_have_a_shorter_stretch() -> None:
    question = fold(LONG["zh"])
    part = question[11:35]
    assert rules(Index.build([item(LONG["zh"], "zh")]), "主诉如下" + part + "。处理") == ["consecutive_24"]
    assert rules(Index.build([item(LONG["zh"], "zh-CN")]), "主诉如下" + part + "。处理") == ["consecutive_24"]
    assert not rules(Index.build([item(LONG["zh"], "zh")]), "主诉如下" + part[:23] + "。处理")
    assert not rules(Index.build([item(LONG["zh"], "zh")], {}), "主诉如下" + part + "。处理")
    assert rules(Index.build([item(LONG["zh"], "zh")], {"zh": 18}), part[:18]) == ["consecutive_18"]


@pytest.mark.parametrize("length", [11, 65])
def test_lengths_that_would_flag_anything_or_nothing_are_refused(length: int) -> None:
    with pytest.raises(ValueError, match="zh"):
        Index.build([], {"zh": length})


STEMS = {
    "en": (
        "Which of the following statements is true?",
        ("Digoxin shortens the PR interval", "Lidocaine blocks sodium"),
    ),
    "zh": ("下列叙述中，正确的是", ("地高辛缩短房室传导", "利多卡因阻断钠通道")),
    "es": (
        "¿Cuál de las siguientes afirmaciones es correcta?",
        ("La digoxina acorta el PR", "La lidocaína bloquea el sodio"),
    ),
    "fr": (
        "Parmi les propositions suivantes, laquelle est exacte?",
        ("La digoxine raccourcit le PR", "La lidocaïne bloque le sodium"),
    ),
    "hi": ("निम्नलिखित में से कौन सा कथन सही है?", ("डिगॉक्सिन नाड़ी घटाता है", "लिडोकेन सोडियम चैनल रोकता है")),
    "ar": ("أي من العبارات التالية صحيحة؟", ("يبطئ الديجوكسين النبض", "يحصر الليدوكائين قنوات الصوديوم")),
}


@pytest.mark.parametrize("lang", STEMS)
def test_stems_count_only_with_two_of_their_options_behind_them(lang: str) -> None:
    stem, options = STEMS[lang]
    index = Index.build([item(stem, lang, (*options, "3", "5"))])
    assert content(fold(stem)) < MIN_CONTENT
    assert rules(index, f"{stem}\nA. {options[0]}\nB. {options[1]}") == [QUESTION_AND_OPTIONS]
    assert not rules(index, stem)
    assert not rules(index, f"{stem}\nA. {options[0]}\nB. 3\nC. 5")
    assert not rules(index, f"{options[0]}\n{options[1]}\n{stem}")
    assert not rules(index, stem + " 0" * 1_000 + f"{options[0]} {options[1]}")


@given(st.permutations([option for _, options in STEMS.values() for option in options]))
def test_options_alone_never_flag(options: list[str]) -> None:
    items = [item(question, lang, tuple(options)) for lang, question in (LONG | SHORT).items()]
    items += [item(stem, lang, tuple(options)) for lang, (stem, _) in STEMS.items()]
    assert not rules(Index.build(items), "\n".join(options))


def test_a_question_with_several_sets_of_options_is_a_stem() -> None:
    question = "Which drug worsens bronchial asthma attacks?"
    one, other = ("Propranolol", "Salbutamol"), ("Timolol drops", "Ipratropium")
    assert (
        rules(Index.build([item(question, options=one), item(question, options=one)]), question) == [WHOLE_QUESTION] * 2
    )
    assert rules(Index.build([item(question, options=one), item(question)]), question) == [WHOLE_QUESTION] * 2
    index = Index.build([item(question, options=one, name="1"), item(question, options=other, name="2")])
    assert not rules(index, question)
    assert [hit.item for hit in index.search([f"{question} (a) timolol drops (b) ipratropium"])[0]] == ["2"]


def test_terms_that_ask_nothing_do_not_count_alone() -> None:
    index = Index.build(
        [item("The renin angiotensin aldosterone system:", options=("raises pressure", "lowers sodium"))]
    )
    assert not rules(index, "Captopril acts on the renin–angiotensin–aldosterone system.")


def test_long_stems_are_flagged_and_marked() -> None:
    stem = "Which of the following statements concerning the patient described above is most likely to be true?"
    question = item(stem, options=("The murmur is diastolic", "The spleen is palpable"))
    assert (
        Index.build([item(stem.replace("patient", "erythema"))])
        .search([stem.replace("patient", "erythema")])[0][0]
        .telling
    )
    told = Index.build([question]).search([stem, stem + "\nThe murmur is diastolic\nThe spleen is palpable"])
    assert [[(one.rule, one.telling) for one in overlaps] for overlaps in told] == [
        [(CONSECUTIVE_64, False)],
        [(CONSECUTIVE_64, True)],
    ]


def test_stretches_that_many_questions_share_or_that_are_a_small_part_are_marked() -> None:
    vitals = "vital signs are stable and auscultation of heart and lungs reveals nothing abnormal"
    tails = [
        "melena",
        "tinnitus",
        "diplopia",
        "jaundice",
        "syncope",
        "pruritus",
        "hematuria",
        "ataxia",
        "vertigo",
        "edema",
    ]
    series = [item(f"{tail} with {other}; {vitals}") for tail in tails for other in tails[:2]]
    assert {one.telling for one in Index.build(series).search([f"# {vitals} #"])[0]} == {False}
    assert [one.telling for one in Index.build(series[:1]).search([f"# {vitals} #"])[0]] == [True]
    vignette = item(vitals + "; " + " ".join(LONG[lang] for lang in ("en", "es", "fr")))
    assert [one.telling for one in Index.build([vignette]).search([f"# {vitals} #"])[0]] == [False]
    assert [one.telling for one in Index.build([vignette]).search([vignette.question])[0]] == [True]


def test_one_overlap_an_item_by_its_strongest_rule() -> None:
    text = fold(LONG["zh"])[:30] + "\n甲乙丙\n" + LONG["zh"]
    assert rules(Index.build([item(LONG["zh"], "zh")]), text) == [CONSECUTIVE_64]


def test_pickled_index_finds_the_same() -> None:
    items = [
        item(q, lang, STEMS[lang][1], name=f"{lang}{n}")
        for lang in LONG
        for n, q in enumerate((LONG[lang], SHORT[lang]))
    ]
    index = Index.build(items)
    texts = ["", "x", *LONG.values(), *SHORT.values(), "\n".join(LONG.values())]
    found = index.search(texts)
    assert pickle.loads(pickle.dumps(index)).search(texts) == found
    assert found == [index.search([text])[0] for text in texts]
    assert len(found[-1]) == 6
    assert index.nbytes > 0


def test_large_rows_are_searched_whole() -> None:
    index = Index.build([item(LONG["en"], name="a"), item(SHORT["fr"], "fr", name="b")])
    filler = "The dose was 20 mg. " * 25_000
    found = index.search([filler + LONG["en"], "ascii", filler + "é" + SHORT["fr"] + filler])
    assert [[one.item for one in overlaps] for overlaps in found] == [["a"], [], ["b"]]


def test_a_row_that_repeats_itself_is_told_once() -> None:
    index = Index.build([item("ab" * 100), item("a" * 80)])
    found = index.search(["a" * 20_000])[0]
    assert [(one.item, one.length) for one in found] == [("q", 80)]


@given(st.lists(ANY_TEXT, max_size=4), st.lists(ANY_TEXT, max_size=4))
@example([""], ["\0", ""])
def test_any_text_can_be_indexed_and_searched(questions: list[str], texts: list[str]) -> None:
    index = Index.build(item(question, "zh", (question, "\ud800")) for question in questions)
    assert len(index.search([*texts, *questions])) == len(texts) + len(questions)


def test_coverage_tells_what_no_rule_can_see() -> None:
    items = [item(LONG["en"]), item(SHORT["en"]), item("Mast cells:"), item(*STEMS["en"][:1], "en", STEMS["en"][1])]
    items += [item(LONG["zh"], "zh"), item(SHORT["zh"], "zh")]
    assert Index.build(items).coverage() == {
        "en": {"items": 4, "consecutive_64": 1, "whole_question": 1, "undecidable": 1, "question_and_options": 1},
        "zh": {"items": 2, "consecutive_64": 1, "consecutive_24": 1, "whole_question": 1},
    }


def test_rows_become_items() -> None:
    rows = [
        {"id": 7, "question": "Why?", "options": {"A": "x y", "B": "z", "C": None}, "lang": "EN", "answer": "A"},
        {"id": "b", "question": "Quoi?", "options": ["x", "", 3, "z"], "lang": "fr"},
        {"question": "什么是休克？", "options": "(A) 低血压 (B) 高血压"},
        {"question": "Where?", "options": "A. in (the) vein; B. in C. elegans", "id": True},
    ]
    items = list(items_of(rows, "exam"))
    assert [(one.id, one.lang, one.options) for one in items[:2]] == [
        ("7", "en", ("x y", "z")),
        ("b", "fr", ("x", "z")),
    ]
    assert (items[2].lang, items[2].options) == ("zh", ("低血压", "高血压"))
    assert items[3].lang == "und"
    assert items[3].options[0] == "in (the) vein;"
    assert len({one.id for one in items}) == 4
    assert {one.benchmark for one in items} == {"exam"}


def test_junk_rows_are_passed_over() -> None:
    junk = [None, 3, "text", [], {}, {"question": None}, {"question": "  ?!"}, {"question": ["a"]}, {"options": ["a"]}]
    assert not list(items_of(junk, "exam"))
    odd = [{"question": "Why\ud800?", "options": 5, "lang": 3, "id": {}}, {"question": "Why?", "options": {"A": ["x"]}}]
    assert [one.options for one in items_of(odd, "exam")] == [(), ()]
