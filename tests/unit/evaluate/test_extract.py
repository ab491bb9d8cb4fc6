import importlib.util
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apollo_ray.evaluate.extract import extract_letter
from apollo_ray.records import LANGUAGES

LETTERS = ("A", "B", "C", "D")


@pytest.mark.parametrize(
    ("text", "lang", "letter"),
    [
        ("B", "en", "B"),
        (" B\n", "en", "B"),
        ("B.", "en", "B"),
        ("(B)", "en", "B"),
        ("(b) arteries", "en", "B"),
        ("B)", "en", "B"),
        ("Ｂ", "zh", "B"),
        ("（B）", "zh", "B"),
        ("B.胰腺", "zh", "B"),
        ("**B**", "en", "B"),
        ("B. Arteries", "en", "B"),
        ("B. No treatment", "en", "B"),
        ("B. C. difficile", "en", "B"),
        ("A. B cells", "en", "A"),
        ("B\nVeins carry blood back.", "en", "B"),
        ("The answer is B", "en", "B"),
        ("The answer is **B**.", "en", "B"),
        ("The answer is B, not C", "en", "B"),
        ("The correct answer is option (D)", "en", "D"),
        ("Clearly option (a) is incorrect; the answer is (b).", "en", "B"),
        ("正确答案是B", "zh", "B"),
        ("答案：C。", "zh", "C"),
        ("选B", "zh", "B"),
        ("La respuesta correcta es (C)", "es", "C"),
        ("La respuesta es la C.", "es", "C"),
        ("La bonne réponse est D", "fr", "D"),
        ("Réponse : B", "fr", "B"),
        ("सही उत्तर B है", "hi", "B"),
        ("सही उत्तर है B", "hi", "B"),
        ("الإجابة الصحيحة هي (A)", "ar", "A"),
        ("The answer is C", "fr", "C"),  # models fall back to English
        ("The answer is B", "sw", "B"),
    ],
)
def test_a_stated_letter_is_read(text, lang, letter):
    assert extract_letter(text, LETTERS, lang) == letter


@pytest.mark.parametrize("lang", ["en", "zh", "hi", "es", "fr", "ar", "sw"])
@pytest.mark.parametrize(
    "text",
    [
        "",
        "As an AI I do not know",
        "I cannot answer",
        "A or B",
        "A, B",
        "(A) and (B)",
        "A. B. C. D.",
        "A: B",
        "A patient has fever",
        "D-dimer",
        "E. coli",
        "C. difficile",
        "(A) is incorrect",
        "Option (a) is incorrect",
        "The answer is not B",
        "The wrong answer is B",
        "I doubt the answer is B",
        "The answer is B?",
        "The answer is A or B",
        "A. The answer is B",
        "A. veins\nB. arteries",
        "The answer is B cells",
        "The answer is vitamin D",
        "The answer is a mystery",
        "The answer is E",
    ],
)
def test_what_states_no_letter_or_several_is_not_guessed(text, lang):
    assert extract_letter(text, LETTERS, lang) is None


@pytest.mark.parametrize(
    ("text", "lang"),
    [
        ("Desafortunadamente no puedo", "es"),
        ("A menudo", "es"),
        ("A o B", "es"),
        ("La respuesta incorrecta es C", "es"),
        ("A mon avis", "fr"),
        ("D'accord", "fr"),
        ("La réponse n'est pas B", "fr"),
        ("La mauvaise réponse est D", "fr"),
        ("La réponse est B ou C", "fr"),
        ("答案是A或B", "zh"),
        ("答案不是B", "zh"),
        ("错误答案是B", "zh"),
        ("不选B", "zh"),
        ("答案是B型肝炎", "zh"),
        ("（A）不正确", "zh"),
        ("A या B", "hi"),
        ("सही उत्तर B नहीं है", "hi"),
        ("सही उत्तर B है या C", "hi"),
        ("गलत उत्तर B है", "hi"),
        ("विकल्प A गलत है", "hi"),
        ("A أو B", "ar"),
        ("(A) خاطئة", "ar"),
        ("الإجابة ليست A", "ar"),
    ],
)
def test_denied_and_paired_letters_are_not_read(text, lang):
    assert extract_letter(text, LETTERS, lang) is None


@given(st.text(), st.sampled_from(["en", "zh", "hi", "es", "fr", "ar"]))
def test_a_letter_that_is_read_stands_in_the_text(text, lang):
    letter = extract_letter(text, LETTERS, lang)
    assert letter is None or letter in LETTERS


@given(st.sampled_from(LETTERS), st.sampled_from(["{}", "{}.", "({})", "{})", "（{}）", "The answer is {}."]))
def test_no_letter_is_favoured(letter, form):
    assert extract_letter(form.format(letter), LETTERS, "en") == letter


@pytest.fixture(scope="module")
def labelled():
    path = Path(__file__).parents[3] / "benchmarks" / "extraction.py"
    spec = importlib.util.spec_from_file_location("benchmark_extraction", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_labelled_answers_are_read_right(labelled):
    sums = Counter()
    for lang in LANGUAGES:
        counts = sum((labelled.tally(labelled.strict, split, lang) for split in labelled.SPLITS), Counter())
        assert counts["wrong"] == 0
        assert counts["right"] >= 0.98 * counts.total()
        sums += counts
    assert sums.total() >= 1000
    assert sums["right"] >= 0.99 * sums.total()


@pytest.mark.parametrize(
    ("text", "lang", "letter"),
    [
        ("The answer is A. No, the answer is B", "en", "B"),
        ("The answer is A. The answer is B", "en", None),
        ("The answer is A. Actually, the answer is B or C", "en", None),
        ("Out of these, C is correct.", "en", "C"),
        ("I see that option C is correct.", "en", "C"),
        ("Hepatitis B is correct", "en", None),
        ("Is B correct?", "en", None),
        ("Of these, B is correct?", "en", None),
        ("Neither B nor C is correct", "en", None),
        ("Of these, C is not correct", "en", None),
        ("B和C正确", "zh", None),
        ("维生素C正确", "zh", None),
        ("الجواب الصحيح", "ar", None),
        ("विटामिन C सही है", "hi", None),
        ("ب", "ar", "B"),
        ("ب", "en", None),
        ("क्या", "hi", None),
        ("घ", "hi", "D"),
    ],
)
def test_corrections_and_scripts(text, lang, letter):
    assert extract_letter(text, LETTERS, lang) == letter


def test_the_text_of_one_option_is_its_letter():
    options = ("Artery", "Vein", "vein.", "Lymph")
    assert extract_letter(" artery. ", LETTERS, "en", options) == "A"
    assert extract_letter("Vein", LETTERS, "en", options) is None  # two options say so
    assert extract_letter("An artery", LETTERS, "en", options) == "A"
    assert extract_letter("No artery", LETTERS, "en", options) is None
    assert extract_letter("It carries blood away, so it is an artery.", LETTERS, "en", options) == "A"
    assert extract_letter("It carries blood, so it is not an artery.", LETTERS, "en", options) is None
    assert extract_letter("The best treatment is D. Lymph.", LETTERS, "en", options) == "D"
    assert extract_letter("The answer is A. Artery. Sorry, I was wrong.", LETTERS, "en", options) is None
    assert extract_letter("A. Artery. Sorry, I was wrong.", LETTERS, "en", options) is None
    assert extract_letter("The answer is A. Artery. The answer is D.", LETTERS, "en", options) is None
    assert extract_letter("The answer is B or D. Lymph is likely.", LETTERS, "en", options) is None
    assert extract_letter("The treatment is not D. Lymph.", LETTERS, "en", options) is None
    assert extract_letter("The most likely diagnosis is lymph.", LETTERS, "en", options) == "D"
    assert extract_letter("I would first have to see the artery.", LETTERS, "en", options) is None
    assert extract_letter("B. Artery", LETTERS, "en", options) is None
    assert extract_letter("...", LETTERS, "en", ("", "", "?", "!")) is None


@pytest.mark.parametrize(
    ("text", "lang", "letter"),
    [
        ("So $\\boxed{\\text{B}}$", "en", "B"),
        ("\\boxed{42}", "en", None),
        ("<answer>C</answer>", "en", "C"),
        ("<الجواب>A</الجواب>", "ar", "A"),
        ("<b>C</b> is a vitamin", "en", None),
        ('{"उत्तर": "B", "कारण": "x"}', "hi", "B"),
        ('{"vitamin": "C"}', "en", None),
        ("<think>Perhaps it is A. The answer is A.</think>\nThe answer is D.", "en", "D"),
        ("<think>The answer is A, or maybe", "en", None),
        ("B\n\nQuestion: What next?\nA. One\nB. Two\nAnswer: A", "en", "B"),
        ("正确答案是C。\n下一题：以下哪项？\nA. 一\n答案：A", "zh", "C"),
        ("Question: Which?\nA. One\nB. Two\n\nResponse: A. One", "en", "A"),
        ("Ⓑ a vein", "en", "B"),
        ("③ 右心房", "zh", "C"),
        ("选（甲）", "zh", "A"),
        ("The second option is right.", "en", "B"),
        ("The second option is wrong.", "en", None),
        ("La última opción es la correcta.", "es", "D"),
        ("الخيار الثالث هو الصحيح", "ar", "C"),
        ("第二个选项正确", "zh", "B"),
        ("- A: wrong ❌\n- B: right ✅\n- C: wrong ❌", "en", "B"),
        ("- A: right ✅\n- B: right ✅\n- C: wrong ❌", "en", None),
        ("That leaves only D.", "en", "D"),
        ("Il ne reste que B.", "fr", "B"),
        ("Proposition A : fausse.", "fr", None),
        ("The answer is b, because", "en", "B"),
        ("Yo marcaría la opción d, porque", "es", "D"),
        ("Respuesta: C\nMe equivoqué. Respuesta definitiva: D.", "es", "D"),
        ("Réponse : D\nErratum : la réponse à retenir est donc C.", "fr", "C"),
        ("La respuesta es la A. Perdón, me he equivocado.", "es", None),
        ("La A no es correcta. Tampoco lo es la D.", "es", None),
        ("Analicemos cada opción:\nA. Uno\nB. Dos", "es", None),
        ("D项最为合适。", "zh", "D"),
        ("इसलिए A सही है।", "hi", "A"),
        ("أرى أن الخيار C هو الأنسب.", "ar", "C"),
    ],
)
def test_forms_that_models_write(text, lang, letter):
    assert extract_letter(text, LETTERS, lang) == letter


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_box_reads_the_same_in_any_language(lang):
    assert extract_letter("$$\\boxed{B}$$", LETTERS, lang) == "B"
