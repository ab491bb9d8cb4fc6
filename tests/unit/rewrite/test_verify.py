import pytest
from hypothesis import given
from hypothesis import strategies as st

from apollo_ray.records import LANGUAGES
from apollo_ray.rewrite.ledger import Reply
from apollo_ray.rewrite.segment import Passage
from apollo_ray.rewrite.settings import Verification
from apollo_ray.rewrite.verify import (
    check_answer,
    check_judgement,
    check_question,
    check_reply,
    copied_share,
    tidy,
    without_question,
)

CHECKS = Verification()
PASSAGES = {
    "en": "Adults with this fever take 500 mg of paracetamol every 6 hours. There was no rash. It lasts 3 days.",
    "zh": "成人发热时每6小时服用500毫克对乙酰氨基酚。没有皮疹。一般持续3天。",
    "hi": "वयस्कों को इस बुखार में हर 6 घंटे पर 500 मिलीग्राम पैरासिटामोल दी जाती है। कोई चकत्ते नहीं थे। यह 3 दिन रहता है।",
    "es": "Los adultos con esta fiebre toman 500 mg de paracetamol cada 6 horas. No hubo erupción. Dura 3 días.",
    "fr": "Les adultes qui ont cette fièvre prennent 500 mg de paracétamol toutes les 6 heures. Il n'y a pas d'éruption. Elle dure 3 jours.",
    "ar": "يتناول البالغون المصابون بهذه الحمى 500 ملغ من الباراسيتامول كل 6 ساعات. لم يظهر طفح. وتستمر 3 أيام.",
}
QUESTIONS = {
    "en": "How is this fever treated in adults?",
    "zh": "成人发热应当如何治疗？",
    "hi": "वयस्कों में इस बुखार का इलाज कैसे किया जाता है?",
    "es": "¿Cómo se trata esta fiebre en los adultos?",
    "fr": "Comment traite-t-on cette fièvre chez l'adulte ?",
    "ar": "كيف تعالج هذه الحمى عند البالغين؟",
}
REFERRING = {
    "en": "What does the text say about fever?",
    "zh": "根据上文，发热的病因是什么？",
    "hi": "उपरोक्त अंश में बुखार के बारे में क्या है?",
    "es": "¿Qué dice el texto sobre la fiebre?",
    "fr": "Que dit le passage sur la fièvre ?",
    "ar": "ماذا يقول النص أعلاه عن الحمى؟",
}


def passage(lang: str, text: str | None = None) -> Passage:
    return Passage("d", 0, None, (), text or PASSAGES[lang], lang, None)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_good_pair_passes_and_keeps_its_scores(lang: str) -> None:
    assert check_question(QUESTIONS[lang], passage(lang), CHECKS) is None
    verdict = check_answer(PASSAGES[lang], passage(lang), CHECKS)
    assert verdict.refusal is None
    assert verdict.scores["support"] == 1.0
    assert verdict.scores["facts"] >= 3
    assert verdict.scores["copied"] == 1.0


UNITS = {
    "en": ("mg", "g"),
    "es": ("mg", "g"),
    "fr": ("mg", "g"),
    "zh": ("毫克", "克"),
    "hi": ("मिलीग्राम", "ग्राम"),
    "ar": ("ملغ", "غرام"),
}


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("change", [("500", "5000"), ("6", "8"), ("3", "30"), None])
def test_a_changed_quantity_is_refused(lang: str, change: tuple[str, str] | None) -> None:
    old, new = change or UNITS[lang]
    verdict = check_answer(PASSAGES[lang].replace(old, new), passage(lang), CHECKS)
    assert verdict.refusal is not None
    assert verdict.refusal.reason == "not_grounded"
    assert verdict.flags
    lenient = CHECKS.model_copy(update={"min_support": 0.0})
    assert check_answer(PASSAGES[lang].replace(old, new), passage(lang), lenient).refusal is None


@pytest.mark.parametrize(
    ("lang", "old", "new"),
    [
        ("en", "There was no rash", "There was a rash"),
        ("hi", "कोई चकत्ते नहीं थे", "चकत्ते थे"),
        ("es", "No hubo erupción", "Hubo erupción"),
        ("fr", "Il n'y a pas d'éruption", "Il y a une éruption"),
        ("ar", "لم يظهر طفح", "ظهر طفح"),
    ],
)
def test_a_dropped_negation_is_refused(lang: str, old: str, new: str) -> None:
    verdict = check_answer(PASSAGES[lang].replace(old, new), passage(lang), CHECKS)
    assert verdict.refusal is not None
    assert verdict.refusal.reason == "not_grounded"


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_question_must_stand_alone_and_be_one(lang: str) -> None:
    assert check_question(REFERRING[lang], passage(lang), CHECKS).reason == "mentions_reference"
    assert check_question(QUESTIONS[lang] + " " + QUESTIONS[lang], passage(lang), CHECKS).reason == "several_questions"
    assert check_question("?", passage(lang), CHECKS).reason == "question_too_short"
    assert check_question(QUESTIONS[lang] * 30, passage(lang), CHECKS).reason == "question_too_long"
    statement = PASSAGES[lang].split("。" if lang == "zh" else "।" if lang == "hi" else ".")[-2].strip() + "."
    assert check_question(statement * 3, passage(lang), CHECKS).reason == "not_a_question"
    other = "en" if lang != "en" else "es"
    assert check_question(QUESTIONS[other], passage(lang), CHECKS).reason == "wrong_language"


@pytest.mark.parametrize("lang", LANGUAGES)
def test_an_answer_in_another_language_or_length_is_refused(lang: str) -> None:
    other = "fr" if lang != "fr" else "es"
    assert check_answer(PASSAGES[other], passage(lang), CHECKS).refusal.reason == "wrong_language"
    assert check_answer("5", passage(lang), CHECKS).refusal.reason == "answer_too_short"
    assert check_answer(PASSAGES[lang] * 200, passage(lang), CHECKS).refusal.reason == "answer_too_long"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" ** ** ", "empty"),
        ("I'm sorry, but I can't help with that.", "unwilling"),
        ("作为一个人工智能语言模型，我无法回答。", "unwilling"),
        ("Lo siento, no puedo responder a eso.", "unwilling"),
        ("Je suis désolé, je ne peux pas répondre.", "unwilling"),
        ("Fever. Reply with the answer alone.", "copied_prompt"),
        ("The patient cannot swallow tablets.", None),
    ],
)
def test_replies_that_are_none(text: str, reason: str | None) -> None:
    found = check_reply(Reply(text, "stop", "m"), "answer")
    assert (found.reason if found else None) == reason
    assert check_reply(Reply("fine and well", "length", "m"), "answer").reason == "not_finished"
    assert check_reply(Reply("fine and well", None, "m"), "answer") is None, "a server may not say why it stopped"
    assert (
        check_reply(Reply("", None, "m", error="endpoint_failed", detail="503"), "answer").reason == "endpoint_failed"
    )


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("**Question:** What is it?", "What is it?"),
        ("问题：什么是哮喘？", "什么是哮喘？"),
        ('"What is it?"', "What is it?"),
        ("« Qu'est-ce ? »", "Qu'est-ce ?"),
        ('He said "no" and "yes"', 'He said "no" and "yes"'),
        ("Answer: Rest.", "Rest."),
    ],
)
def test_what_models_put_around_an_answer_goes(raw: str, clean: str) -> None:
    assert tidy(raw) == clean


@given(st.text(max_size=300), st.text(max_size=300), st.sampled_from(LANGUAGES))
def test_any_text_is_checked_without_an_exception(answer: str, text: str, lang: str) -> None:
    verdict = check_answer(answer, passage(lang, text), CHECKS, "title\n" + text[:10])
    assert 0 <= verdict.scores["support"] <= 1
    assert 0 <= copied_share(answer, text) <= 1
    check_question(tidy(answer), passage(lang), CHECKS)


@given(st.sampled_from(LANGUAGES), st.text(max_size=200))
def test_a_text_bears_itself_out(lang: str, text: str) -> None:
    assert check_answer(text, passage(lang, text), CHECKS).scores["support"] == 1.0


@pytest.mark.parametrize(
    ("lang", "yes", "no"),
    [
        ("en", ("yes", "Yes.", "**Yes**, all of it"), ("no", "No.", "Not borne out")),
        ("zh", ("是", "是的。", "“是”"), ("否", "不是", "不支持。")),
        ("hi", ("हाँ", "हाँ।", "जी हाँ"), ("नहीं", "नहीं।", "जी नहीं")),
        ("es", ("sí", "Sí.", "si"), ("no", "No.", "No, dice otra cosa")),
        ("fr", ("oui", "Oui.", "« Oui »"), ("non", "Non.", "Non, pas du tout")),
        ("ar", ("نعم", "نعم."), ("لا", "لا.", "كلا")),
    ],
)
def test_a_judge_says_yes_or_no_in_the_language_or_in_english(
    lang: str, yes: tuple[str, ...], no: tuple[str, ...]
) -> None:
    for text in (*yes, "Yes"):
        assert check_judgement(Reply(text, "stop", "m"), lang) is None, text
    for text in (*no, "no"):
        assert check_judgement(Reply(text, "stop", "m"), lang).reason == "judged_unsupported", text
    for text in ("Perhaps", "Nothing is wrong", "Yesterday", "42"):
        assert check_judgement(Reply(text, "stop", "m"), lang).reason == "judge_unclear", text


@pytest.mark.parametrize(
    ("answer", "question", "left"),
    [
        ("How long does it last?\n\nAnswer: Three days.", "How long does it last?", "Three days."),
        ("HOW LONG DOES IT LAST? Three days.", "How long does it last?", "Three days."),
        ("बुखार कितने दिन रहता है?\n\nउत्तर: तीन दिन।", "बुखार कितने दिन रहता है?", "तीन दिन।"),
        ("Three days.", "How long does it last?", "Three days."),
        ("How long does it last?", "How long does it last?", ""),
    ],
)
def test_a_question_before_its_answer_goes(answer: str, question: str, left: str) -> None:
    assert without_question(answer, question) == left


@pytest.mark.parametrize(
    ("question", "facts"),
    [
        ("How was the fever of 39 °C treated?", None),
        ("How was the fever of 41 °C treated?", "41"),
        ("What did 500 mg of amoxicillin do against the fever?", "amoxicillin"),
        ("What is known about COVID-19 and fever?", None),
        ("How do the 7 stages of fever differ?", None),  # of the title
    ],
)
def test_a_question_may_not_bring_amounts_or_drugs_of_its_own(question: str, facts: str | None) -> None:
    text = "A fever of 39 °C was treated with rest and water for three days."
    passage = Passage("d", 0, "The 7 stages of fever", (), text, "en", "web")
    found = check_question(question, passage, Verification())
    if facts is None:
        assert found is None, found
    else:
        assert found.reason == "question_not_grounded"
        assert facts in found.detail
    assert check_question(question, passage, Verification(grounding=False)) is None


def test_a_statement_in_hindi_is_no_question() -> None:
    passage = Passage("d", 0, None, (), "कुछ", "hi", "web")
    told = "किसी वैज्ञानिक ने छह टीका उम्मीदवारों के पशु परीक्षण शुरू कर दिए हैं।"
    assert check_question(told, passage, Verification(grounding=False)).reason == "not_a_question"
    asked = "किस वैज्ञानिक ने टीका उम्मीदवारों के पशु परीक्षण शुरू किए।"
    assert check_question(asked, passage, Verification(grounding=False)) is None


def test_a_denial_in_other_words_is_a_flag_and_one_in_the_same_words_refuses() -> None:
    text = "The oral treatment with fluconazole was well tolerated by all children of the ward."
    passage = Passage("d", 0, None, (), text, "en", "web")
    doubted = check_answer("Oral treatment with fluconazole did not trouble the patients.", passage, Verification())
    assert doubted.refusal is None
    assert [flag.split()[0] for flag in doubted.flags] == ["denial"]
    reversed_ = check_answer("The oral treatment with fluconazole was not well tolerated.", passage, Verification())
    assert reversed_.refusal.reason == "not_grounded"
    assert "denial" in reversed_.refusal.detail
