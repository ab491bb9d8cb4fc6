"""The rules of extraction one by one: what each reads, and what looks like it and states no letter."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apollo_ray.evaluate.extract import extract_letter

LETTERS = ("A", "B", "C", "D")
DRUGS = {
    "en": ("Aspirin", "Heparin", "Warfarin", "Insulin"),
    "zh": ("阿司匹林", "肝素", "华法林", "胰岛素"),
    "hi": ("एस्पिरिन", "हेपारिन", "वारफेरिन", "इंसुलिन"),
    "es": ("Aspirina", "Heparina", "Warfarina", "Insulina"),
    "fr": ("Aspirine", "Héparine", "Warfarine", "Insuline"),
    "ar": ("أسبرين", "هيبارين", "وارفارين", "أنسولين"),
}


def read(text, lang):
    return extract_letter(text, LETTERS, lang, DRUGS[lang])


@pytest.mark.parametrize(
    ("text", "lang", "letter"),
    [
        ("\\boxed{\\text{(C) Warfarin}}", "en", "C"),
        ("\\boxed{\\text{Warfarin}}", "en", "C"),
        ("It cannot be \\boxed{A}; hence \\boxed{C}.", "en", "C"),
        ("It is not \\boxed{B}", "en", None),
        ("La réponse n'est pas \\boxed{B}.", "fr", None),
        ("No es \\boxed{B}", "es", None),
        ("不是\\boxed{B}", "zh", None),
        ("\\boxed{AB}", "en", None),
        ("\\boxed{B, C}", "en", None),
        ("\\boxed{Diabetes}", "en", None),
        ("\\boxed{C. Aspirin}", "en", None),
    ],
)
def test_what_a_box_holds(text, lang, letter):
    assert read(text, lang) == letter


@pytest.mark.parametrize(
    ("text", "lang", "letter"),
    [
        ("<answer>B", "en", "B"),
        ("<answer>Aspirin</answer>", "en", "A"),
        ("<उत्तर>ख</उत्तर>", "hi", "B"),
        ("<answer>A or B</answer>", "en", None),
        ("<answer>a, b</answer>", "en", None),
        ("<answer>Because</answer>", "en", None),
        ("<answer>Aspirin or heparin</answer>", "en", None),
        ('{"correct_option": "C", "confidence": 0.9}', "en", "C"),
        ('{"正确答案": "B"}', "zh", "B"),
        ('{"الإجابة الصحيحة": "ب"}', "ar", "B"),
        ('{"wrong_answer": "B"}', "en", None),
        ('{"错误答案": "B"}', "zh", None),
        ('{"answer": "Depends"}', "en", None),
        ('{"answer": ["A", "B"]}', "en", None),
        ('{"answer": "B"}\n{"answer": "C"}', "en", None),
    ],
)
def test_what_a_tag_or_a_key_holds(text, lang, letter):
    assert read(text, lang) == letter


@pytest.mark.parametrize(
    ("text", "lang", "letter"),
    [
        ("I considered B, the answer is B.</think>\n\nThe answer is C.", "en", "C"),
        ("The answer is B.</think>I am not sure.", "en", None),
        ("答案：C\n题目2：哪个？\nA. 一\n答案：A", "zh", "C"),
        ("उत्तर: C\n\nप्रश्न 2: कौन?\nA. एक\nउत्तर: A", "hi", "C"),
        ("A. 阿司匹林\nB. 肝素\nC. 华法林\nD. 胰岛素\n答：C", "zh", "C"),
        ("A. Aspirin\nB. Heparin\nC. Warfarin\nD. Insulin\nFinal choice: C", "en", "C"),
        ("A. Aspirin\nB. Heparin\nC. Warfarin\nD. Insulin\n\nAnswer:\nC. Warfarin", "en", "C"),
        ("A. Aspirin\nB. Heparin\nC. Warfarin\nD. Insulin", "en", None),
        ("The options:\nA. Aspirin\nB. Heparin", "en", None),
        ("答案是C答案是C答案是C答案", "zh", "C"),
    ],
)
def test_what_was_thought_asked_again_or_repeated(text, lang, letter):
    assert read(text, lang) == letter


@pytest.mark.parametrize(
    ("text", "lang", "letter"),
    [
        ("Option c is correct.", "en", "C"),
        ("choix b", "fr", "B"),
        ("La opción C.", "es", "C"),
        ("La proposition C.", "fr", "C"),
        ("The choice a patient makes is correct", "en", None),
        ("La opción a seguir.", "es", None),
        ("Le choix d'un médecin", "fr", None),
        ("选丙。", "zh", "C"),
        ("甲。", "zh", "A"),
        ("选乙类传染病管理。", "zh", None),
        ("甲亢", "zh", None),
        ("①③", "zh", None),
    ],
)
def test_small_letters_and_stems(text, lang, letter):
    assert read(text, lang) == letter


def test_numbers_that_stand_in_options_are_no_letters():
    assert extract_letter("③", LETTERS, "zh", ("①②", "①③", "②③", "③")) == "D"
    assert extract_letter("选乙。", LETTERS, "zh", ("乙", "甲", "丙", "丁")) is None


@pytest.mark.parametrize(
    ("text", "lang", "letter"),
    [
        ("✅ C", "en", "C"),
        ("A. Aspirin ❌\nB. Heparin ❌\nC. Warfarin ✅\nD. Insulin ❌", "en", "C"),
        ("A. ✅\nB. ❌\nFinal answer: B", "en", "B"),
        ("✅ A ❌ B", "en", None),
        ("❌ C", "en", None),
        (
            "A. Aspirina: incorrecta.\nB. Heparina: incorrecta.\nC. Warfarina: correcta.\nD. Insulina: incorrecta.",
            "es",
            "C",
        ),
        ("A：错误。\nB：正确。\nC：错误。\nD：错误。", "zh", "B"),
        ("A: गलत\nB: सही\nC: गलत\nD: गलत", "hi", "B"),
        ("A : faux\nB : vrai\nC : faux\nD : faux", "fr", "B"),
        ("A: خطأ\nB: صحيح\nC: خطأ\nD: خطأ", "ar", "B"),
        ("A : faux\nB : vrai\nC : faux", "fr", None),  # one option is not judged
        ("A. True.\nB. False.\nC. True.\nD. False.", "en", None),
    ],
)
def test_lists_that_are_ticked_or_judged(text, lang, letter):
    assert read(text, lang) == letter


@pytest.mark.parametrize(
    ("text", "lang", "letter"),
    [
        ("By elimination, C.", "en", "C"),
        ("Par élimination : C.", "fr", "C"),
        ("Por descarte, la C.", "es", "C"),
        ("केवल C बचता है।", "hi", "C"),
        ("By elimination, A or C.", "en", None),
        ("केवल A और C बचता है", "hi", None),
        ("केवल C बचता है, पर वह भी गलत है", "hi", None),
        ("Hence, option C best explains the findings.", "en", "C"),
        ("Option C is the answer.", "en", "C"),
        ("综上所述，C是最合适的。", "zh", "C"),
        ("मेरे अनुसार C सही है।", "hi", "C"),
        ("Hepatitis B best explains this.", "en", None),
        ("C是最合适的吗？", "zh", None),
        ("C不是最合适的。", "zh", None),
        ("I'd say C.", "en", "C"),
        ("我认为是C。", "zh", "C"),
        ("I'd say a doctor should look.", "en", None),
    ],
)
def test_eliminations_and_verdicts(text, lang, letter):
    assert read(text, lang) == letter


@pytest.mark.parametrize(
    ("text", "lang", "letter"),
    [
        ("Option A, although tempting, is wrong.", "en", None),
        ("La A, aunque parece cierta, es falsa.", "es", None),
        ("L'option A, bien que tentante, est fausse.", "fr", None),
        ("Option B. It is wrong.", "en", None),
        ("A。错误。", "zh", None),
        ("The answer is B, not C, and here is why.", "en", "B"),
        ("The answer is B. The answer is not B.", "en", None),
        ("答案是C。不是C。", "zh", None),
        ("उत्तर C है। C नहीं।", "hi", None),
        ("La respuesta es la C. No es la B.", "es", "C"),
        ("Many students choose C.", "en", None),
        ("有人会选C。", "zh", None),
        ("Beaucoup d'étudiants choisissent C.", "fr", None),
        ("Some students choose B. The answer is C.", "en", "C"),
        ("If the patient were pregnant, the answer would be D.", "en", None),
        ("Si le patient était diabétique, la réponse serait D.", "fr", None),
        ("Si fuera diabético, la respuesta sería la D.", "es", None),
        ("لو كان المريض سكريًا لكانت الإجابة D", "ar", None),
        ("If I had to choose, the answer would be C.", "en", "C"),
        ("Si analizamos el caso, la respuesta es la C.", "es", "C"),
    ],
)
def test_letters_denied_supposed_or_left_to_others(text, lang, letter):
    assert read(text, lang) == letter


def test_of_true_and_false_the_verdict_is_the_answer():
    assert extract_letter("B. False", LETTERS, "en", ("True", "False")) == "B"


@pytest.mark.parametrize(
    ("text", "lang", "letter"),
    [
        ("Therefore, warfarin is the drug of choice.", "en", "C"),
        ("Le traitement est donc la warfarine.", "fr", "C"),
        ("La warfarina es la correcta.", "es", "C"),
        ("华法林是正确答案。", "zh", "C"),
        ("वारफेरिन सही उत्तर है।", "hi", "C"),
        ("وارفارين هو الصحيح", "ar", "C"),
        ("Warfarin is not the correct answer.", "en", None),
        ("Warfarin is the best known cause of bleeding.", "en", None),
        ("Is warfarin the right answer?", "en", None),
        ("Avoid warfarin.", "en", None),
        ("So one must avoid warfarin.", "en", None),
        ("So he was once given warfarin.", "en", None),
        ("Entonces hay que suspender la warfarina", "es", None),
        ("因此禁用华法林", "zh", None),
        ("患者正在服用华法林", "zh", None),
        ("Proinsulin", "en", None),
        ("Proinsulin is the correct answer.", "en", None),
        ("The answer is B. Aspirin", "en", None),
    ],
)
def test_options_told_by_their_text(text, lang, letter):
    assert read(text, lang) == letter


PROSE = {
    "en": (
        "I am sorry, I cannot help.",
        "A doctor should be seen.",
        "Vitamin C.",
        "None of the above.",
        "Surgery comes last.",
    ),
    "zh": ("对不起，我无法回答。", "请咨询医生。", "维生素C。", "以上都不是。", "第一个症状是发热。"),
    "hi": ("मुझे नहीं पता।", "डॉक्टर से मिलें।", "विटामिन C।", "इनमें से कोई नहीं।"),
    "es": ("Lo siento, no puedo.", "A ver, consulte a su médico.", "La vitamina C.", "Ninguna de ellas."),
    "fr": ("Désolé, je ne sais pas.", "D'après moi, il faut consulter.", "La vitamine C.", "Aucune de ces réponses."),
    "ar": ("لا أعرف.", "راجع الطبيب.", "فيتامين C.", "لا شيء مما سبق."),
}


@given(st.sampled_from(sorted(PROSE)), st.data())
def test_refusals_and_prose_state_no_letter(lang, data):
    sentences = data.draw(st.lists(st.sampled_from(PROSE[lang]), min_size=1, max_size=4))
    between = data.draw(st.sampled_from([" ", "\n", "\n\n", "\n- "]))
    assert read(between.join(sentences), lang) is None
