import shutil
from pathlib import Path

import pytest

from apollo_ray.errors import UserError
from apollo_ray.records import LANGUAGES
from apollo_ray.rewrite import prompts, template_engine
from apollo_ray.rewrite.dialogue import SPEAKERS
from apollo_ray.rewrite.segment import Passage
from apollo_ray.rewrite.settings import StageSettings

FOLDER = StageSettings(documents=("d",)).prompts
TEXT = "Wheezing and {braces} and {question}."


@pytest.mark.parametrize("lang", LANGUAGES)
def test_prompts_hold_the_passage_and_have_no_field_left(lang: str) -> None:
    loaded = prompts.load(FOLDER)
    passage = Passage("d", 0, "T", ("H",), TEXT, lang, None)
    question, answer, dialogue = (
        loaded.question(passage),
        loaded.answer(passage, "Why {passage}?"),
        loaded.dialogue(passage),
    )
    check = loaded.check(passage, "Why {passage}?", "Because {answer}.")
    for prompt in (question, answer, dialogue, check):
        assert prompt.count(TEXT) == 1
        assert "{subject}" not in prompt
    assert "T – H" in question
    assert "Why {passage}?" in answer
    assert check.index(TEXT) < check.index("Why {passage}?") < check.index("Because {answer}.")
    assert all(f"{name}" in dialogue for name in SPEAKERS[lang])
    assert loaded.hash_of(lang) != loaded.hash_of("en" if lang != "en" else "fr")
    assert loaded.version


def test_another_language_is_asked_in_english() -> None:
    loaded = prompts.load(FOLDER)
    passage = Passage("d", 0, "T", (), TEXT, "pt", None)
    assert loaded.question(passage) == loaded.question(Passage("d", 0, "T", (), TEXT, "en", None))


@pytest.fixture
def own(tmp_path: Path) -> Path:
    shutil.copytree(FOLDER, tmp_path / "prompts")
    return tmp_path / "prompts"


def test_a_folder_of_ones_own_is_used(own: Path) -> None:
    (own / "en" / "question.txt").write_text("Ask of {subject}: {passage}")
    (own / "VERSION").write_text("mine-1\n")
    loaded = prompts.load(str(own))
    assert loaded.version == "mine-1"
    assert loaded.question(Passage("d", 0, "T", (), "x", "en", None)) == "Ask of T: x"
    assert loaded.hash_of("en") != prompts.load(FOLDER).hash_of("en")
    assert loaded.hash_of("fr") == prompts.load(FOLDER).hash_of("fr")


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("en/question.txt", "{passage} {titel}", r"unknown field \{titel\}; allowed: \{passage\}, \{subject\}"),
        ("en/answer.txt", "{passage}", r"\{question\} is missing"),
        ("en/check.txt", "{passage} {question}", r"\{answer\} is missing"),
        ("en/summary.txt", "{passage}", r"no prompt of this name"),
        ("VERSION", " ", "VERSION"),
    ],
)
def test_a_mistake_in_a_prompt_file_is_named(own: Path, file: str, text: str, message: str) -> None:
    (own / file).write_text(text)
    with pytest.raises(UserError, match=message):
        prompts.load(str(own))


def test_a_missing_file_is_named(own: Path) -> None:
    (own / "hi" / "dialogue.txt").unlink()
    with pytest.raises(UserError, match=r"hi/ lacks dialogue\.txt"):
        prompts.load(str(own))


@pytest.mark.parametrize("lang", LANGUAGES)
def test_known_headings_are_asked_about_in_the_language(lang: str) -> None:
    for heading in template_engine.HEADINGS[lang]:
        asked = template_engine.question_for(Passage("d", 1, "XYZ", ("A", heading.capitalize()), "text", lang, None))
        assert asked is not None
        assert "XYZ" in asked
        assert asked != template_engine.SECTION[lang].format(title="XYZ", heading=heading.capitalize())
    assert template_engine.question_for(Passage("d", 0, None, (), "text", lang, None)) is None
