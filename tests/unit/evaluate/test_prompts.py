import pytest

from apollo_ray.evaluate import prompts
from apollo_ray.records import LANGUAGES


def item(lang):
    options = {"letters": ["A", "B", "E"], "options": ["one", "two", "three"], "answer": "E"}
    return {"lang": lang, "context": None, "question": "Q?"} | options


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_prompt_has_its_parts_in_order_and_no_space_at_its_end(lang):
    prompt = prompts.choice_prompt(item(lang))
    words = prompts.WORDINGS[lang]
    assert prompt.startswith(f"User:{words.instruction}\n")
    assert prompt.endswith(f"\nA. one\nB. two\nE. three\n{words.answer}\nAssistant:")
    assert f"{words.question}Q?\n{words.options}\n" in prompt
    assert not prompt[-1].isspace()


def test_each_language_is_asked_in_its_own_words():
    assert len({prompts.choice_prompt(item(lang)) for lang in LANGUAGES}) == len(LANGUAGES)
    scripts = {"zh": "题", "hi": "प्रश्न", "ar": "السؤال", "es": "Pregunta", "fr": "médicale", "en": "Question"}
    for lang, word in scripts.items():
        assert word in prompts.choice_prompt(item(lang))


def test_other_languages_are_asked_in_english():
    assert prompts.choice_prompt(item("sw")) == prompts.choice_prompt(item("en"))


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_shot_is_the_prompt_with_its_answer(lang):
    prompt = prompts.choice_prompt(item(lang))
    assert prompts.choice_prompt(item(lang), [item(lang)] * 2) == f"{prompt} E\n{prompt} E\n{prompt}"


def test_a_context_stands_before_the_question():
    prompt = prompts.choice_prompt(item("fr") | {"context": "Une étude."})
    assert "lettre.\nContexte : Une étude.\nQuestion : Q?\n" in prompt


def test_a_continuation_is_a_space_and_the_letter():
    assert prompts.choice_continuations(item("zh")) == [" A", " B", " E"]


def test_a_text_prompt_is_the_template_of_training():
    assert prompts.text_prompt("Why?") == "User:Why?\nAssistant:"


def test_options_and_letters_must_match():
    with pytest.raises(ValueError, match="zip"):
        prompts.choice_prompt(item("en") | {"options": ["one"]})
