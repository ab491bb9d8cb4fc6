"""The strength of a request: what it names, else by its prompt's language, else the deployment's."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from apollo_ray.errors import UserError
from apollo_ray.language import known_languages
from apollo_ray.records import LANGUAGES
from apollo_ray.serve import api
from apollo_ray.serve.alphas import Alphas, AlphasFile, read_alphas, told
from apollo_ray.serve.answers import Answer, Answers
from apollo_ray.serve.async_engine import AsyncEngine
from apollo_ray.serve.engine import Engine
from apollo_ray.serve.settings import EndpointSettings, LiveSettings, StageSettings

QUESTIONS = {
    "en": "What helps against a fever that has lasted for three days?",
    "zh": "发热三天怎么办?",
    "hi": "तीन दिन से बुखार है, क्या करना चाहिए?",
    "es": "¿Qué ayuda contra la fiebre que dura tres días?",
    "fr": "Que faire contre la fièvre qui dure depuis trois jours ?",
    "ar": "ما الذي يساعد ضد الحمى التي تستمر ثلاثة أيام؟",
}
BY_LANGUAGE = {"en": 0.0, "zh": 0.5, "hi": 0.75, "es": 0.25, "fr": -1.0, "ar": 2.0}


def _admit(models: Any, tokenizer: Any, *bodies: dict[str, Any], **settings: Any) -> list[list[Answer]]:
    """Answers to come of each body, admitted and not run."""
    made = EndpointSettings(base="b", expert="e", anti_expert="a", max_length=200, **settings)

    async def main() -> list[list[Answer]]:
        engine = AsyncEngine(Engine(models, len(tokenizer), slots=4, max_length=200))
        answers = Answers(made, tokenizer, engine, frozenset())
        return [
            answers.for_chat(api.ChatRequest(**body))
            if "messages" in body
            else answers.for_completion(api.CompletionRequest(**body))
            for body in bodies
        ]

    return asyncio.run(main())


def _alphas(answers: list[Answer]) -> list[float]:
    assert all(one.request.weights == (1.0, one.request.weights[1], -one.request.weights[1]) for one in answers)
    return [one.request.weights[1] for one in answers]


def test_each_prompt_has_the_strength_of_its_language(models: Any, tokenizer: Any) -> None:
    texts = list(QUESTIONS.values())
    ids = [tokenizer(text)["input_ids"] for text in texts]
    chats = [{"messages": [{"role": "user", "content": text}]} for text in texts]
    bodies = [{"prompt": texts}, {"prompt": ids, "n": 2}, *chats]
    as_text, as_ids, *as_chats = _admit(models, tokenizer, *bodies, alpha_by_language=BY_LANGUAGE, alpha=9)
    assert _alphas(as_text) == list(BY_LANGUAGE.values())
    assert _alphas(as_ids) == [alpha for alpha in BY_LANGUAGE.values() for _ in range(2)]
    assert [_alphas(one) for one in as_chats] == [[alpha] for alpha in BY_LANGUAGE.values()]
    assert [one.language for one in as_text] == list(BY_LANGUAGE)


def test_the_last_question_tells_the_language_of_a_chat(models: Any, tokenizer: Any) -> None:
    talk = [
        {"role": "system", "content": QUESTIONS["fr"]},
        {"role": "user", "content": QUESTIONS["es"]},
        {"role": "assistant", "content": QUESTIONS["en"]},
    ]
    bodies = [{"messages": [*talk, {"role": "user", "content": last}]} for last in (QUESTIONS["zh"], "OK")]
    turned, short = _admit(models, tokenizer, *bodies, alpha_by_language=BY_LANGUAGE)
    assert turned[0].language == "zh"
    assert short[0].language == "es"  # "OK" says nothing, what was asked before does


@pytest.mark.parametrize(
    ("body", "weights"),
    [
        ({"model": "ensemble@0.7"}, (1.0, 0.7, -0.7)),
        ({"proxy": {"alpha": 0.3}}, (1.0, 0.3, -0.3)),
        ({"model": "base"}, (1.0, 0.0, 0.0)),
        ({"model": "expert"}, (0.0, 1.0, 0.0)),
    ],
)
def test_what_a_request_names_comes_first(models: Any, tokenizer: Any, body: Any, weights: Any) -> None:
    [[answer]] = _admit(models, tokenizer, {"prompt": QUESTIONS["ar"]} | body, alpha_by_language=BY_LANGUAGE)
    assert (answer.request.weights, answer.language) == (weights, None)


@pytest.mark.parametrize("prompt", ["12 mg", "fever", "7", [0], "Was hilft gegen Fieber, das seit drei Tagen anhält?"])
def test_what_nobody_set_or_knows_gets_the_default(models: Any, tokenizer: Any, prompt: Any) -> None:
    [[answer]] = _admit(models, tokenizer, {"prompt": prompt}, alpha_by_language=BY_LANGUAGE, alpha=9)
    assert _alphas([answer]) == [9]


def test_without_strengths_by_language_no_text_is_looked_at() -> None:
    def texts() -> list[str]:
        raise AssertionError("asked for the text")

    assert Alphas(0.5).choose(texts) == (0.5, None)


def test_alphas_are_told_once_where_they_are_alike() -> None:
    assert told([(0.5, None), (0.5, None)]) == {"alpha": 0.5}
    assert told([(0.5, "hi")]) == {"alpha": 0.5, "language": "hi"}
    assert told([(0.5, "hi"), (0.0, "en"), (1.0, None)]) == {
        "by_prompt": [{"alpha": 0.5, "language": "hi"}, {"alpha": 0.0, "language": "en"}, {"alpha": 1.0}]
    }


def test_settings_know_the_languages() -> None:
    assert set(LANGUAGES) <= known_languages()
    assert not known_languages() & {"latin", "han", "none", "und"}
    for model, fields in ((LiveSettings, {}), (StageSettings, {"base": "b"})):
        made = model(**fields, alpha_by_language={"hi": 0.5})
        assert model(**made.model_dump(mode="json")) == made
        for wrong in ({"english": 1.0}, {"en": 1e9}, {"en": float("nan")}, {"en": None}):
            with pytest.raises(ValidationError, match="alpha_by_language"):
                model(**fields, alpha_by_language=wrong)


def test_a_file_of_alphas_is_read_strictly(tmp_path: Path) -> None:
    file = tmp_path / "alphas.json"
    file.write_text(json.dumps({"alpha": 0.8, "alpha_by_language": {"en": 0.25}, "notes": {"items": 60}}))
    assert read_alphas(str(file)) == AlphasFile(alpha=0.8, alpha_by_language={"en": 0.25}, notes={"items": 60})
    for text, message in (
        ('{"alpha_by_langage": {}}', "alpha_by_langage.*did you mean 'alpha_by_language'"),
        ('{"alpha_by_language": {"english": 1}}', "'english' is no language"),
        ('{"alpha": "much"}', "alpha"),
        ("[1]", "expected an object"),
        ("{", "JSON"),
    ):
        file.write_text(text)
        with pytest.raises(UserError, match=message) as refused:
            read_alphas(str(file))
        assert str(file) in str(refused.value)
    with pytest.raises(UserError, match="cannot be read"):
        read_alphas(str(tmp_path / "none.json"))
    for both in ({"alpha": 0.5}, {"alpha_by_language": {"en": 0.5}}):
        with pytest.raises(ValidationError, match="give either the file or the two"):
            StageSettings(base="b", alphas="alphas.json", **both)
