"""Streams against whole answers, and what a request may ask of the mix."""

import asyncio
from typing import Any

import pytest
from pydantic import ValidationError

from apollo_ray.serve import api
from apollo_ray.serve.alphas import Alphas
from apollo_ray.serve.answers import Answers
from apollo_ray.serve.async_engine import AsyncEngine
from apollo_ray.serve.engine import Engine
from apollo_ray.serve.settings import EndpointSettings

ENDPOINT = EndpointSettings(base="b", expert="e", anti_expert="a", max_length=200, slots=4, max_waiting=4)
Body = api.CompletionRequest | api.ChatRequest


def answers_of(models: Any, tokenizer: Any, settings: EndpointSettings = ENDPOINT) -> Answers:
    engine = AsyncEngine(Engine(models, len(tokenizer), slots=4, max_length=settings.max_length))
    return Answers(settings, tokenizer, engine, frozenset({tokenizer.eos_token_id}))


def both(models: Any, tokenizer: Any, body: Body) -> tuple[list[dict[str, Any]], list[list[dict[str, Any]]]]:
    """(whole choices, each choice's chunks)."""

    async def main() -> Any:
        answers = answers_of(models, tokenizer)
        chat = isinstance(body, api.ChatRequest)
        made = [answers.for_chat(body) if chat else answers.for_completion(body) for _ in range(2)]
        form = answers.chat_choice if chat else answers.completion_choice
        whole, pieces = ([form(index, one, body) for index, one in enumerate(part)] for part in made)
        await answers.finish(made[0], body.stop)
        found = [(one.whole if chat else one.take)(answer.text) for one, answer in zip(whole, made[0], strict=True)]
        chunks: list[list[dict[str, Any]]] = [[] for _ in pieces]
        takes = [one.delta if chat else one.take for one in pieces]
        async for chunk in answers.events(made[1], body.stop, takes):
            chunks[chunk["index"]].append(chunk)
        assert answers.active == 0
        return found, chunks

    body.check_supported()
    return asyncio.run(asyncio.wait_for(main(), 60))


def joined(lists: list[Any]) -> list[Any]:
    return [entry for entries in lists for entry in entries or []]


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(
    "fields",
    [
        {"prompt": ["患者", "The fever"], "n": 2, "logprobs": 2},
        {"prompt": [[5, 6, 200], [7]], "echo": True, "logprobs": 1, "stop": ["a", "患"]},
        {"prompt": "fever", "echo": True},
        {"prompt": "मरीज", "echo": True, "logprobs": 0, "max_tokens": 0},
        {"prompt": "fever", "n": 3, "frequency_penalty": 1.0, "min_p": 0.05, "proxy": {"attribution": True}},
    ],
)
def test_a_streamed_completion_is_the_whole_one_in_pieces(
    models: Any, tokenizer: Any, fields: dict[str, Any], seed: int
) -> None:
    body = api.CompletionRequest(**{"max_tokens": 24, "seed": seed, "ignore_eos": True, "temperature": 1.2} | fields)
    whole, chunks = both(models, tokenizer, body)
    for choice, pieces in zip(whole, chunks, strict=True):
        assert "".join(piece["text"] for piece in pieces) == choice["text"]
        assert [piece["finish_reason"] for piece in pieces] == [None] * (len(pieces) - 1) + [choice["finish_reason"]]
        if body.logprobs is None:
            assert choice["logprobs"] is None
        else:
            assert {len(values) for values in choice["logprobs"].values() if values is not None} == {
                len(choice["logprobs"]["tokens"])
            }
            for name in ("tokens", "text_offset"):
                assert joined([piece["logprobs"][name] for piece in pieces]) == choice["logprobs"][name]
            streamed = joined([piece["logprobs"]["token_logprobs"] for piece in pieces])
            assert streamed == pytest.approx(choice["logprobs"]["token_logprobs"], abs=1e-4)
            if body.logprobs:
                tops = joined([piece["logprobs"]["top_logprobs"] for piece in pieces])
                assert [top and set(top) for top in tops] == [
                    top and set(top) for top in choice["logprobs"]["top_logprobs"]
                ]
        if body.proxy.attribution:
            entries = joined([piece["proxy"]["attribution"] for piece in pieces])
            expected = choice["proxy"]["attribution"]
            assert [entry["token_id"] for entry in entries] == [entry["token_id"] for entry in expected]
            assert len(entries) == 24
            assert set(entries[0]) == {"token", "token_id", "base", "expert", "anti_expert", "divergence", "entropy"}
        else:
            assert "proxy" not in choice


def test_no_half_characters_in_a_stream_of_a_real_text(models: Any, tokenizer: Any) -> None:
    """Forced token by token: each character of three bytes is cut over tokens, and so is the stop string."""
    text = "患者😷发热 मरीज é stop here"
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert len(ids) > len("stop here") + 4
    halves = [number for number in ids if "\ufffd" in tokenizer.decode([number])]
    assert halves

    async def main(stops: list[str]) -> list[dict[str, Any]]:
        answers = answers_of(models, tokenizer)
        body = api.CompletionRequest(prompt="a", max_tokens=len(ids), logprobs=0)
        [answer] = answers.for_completion(body)

        async def forced(request: Any) -> Any:
            for number in ids:
                request.output.append(number)
                request.output_scores.append((-1.0, []))
                request.finish = "length" if len(request.output) == len(ids) else None
                yield len(request.output)

        answers._engine.stream = forced  # type: ignore[method-assign]
        choice = answers.completion_choice(0, answer, body.model_copy(update={"logprobs": None}))
        return [chunk async for chunk in answers.events([answer], stops, [choice.take])]

    for stops, expected in (([], text), (["p here"], text[:-6]), (["发热 म"], "患者😷"), (["热"], "患者😷发")):
        chunks = asyncio.run(main(stops))
        assert "".join(chunk["text"] for chunk in chunks) == expected
        assert not any("\ufffd" in chunk["text"] for chunk in chunks)
        assert chunks[-1]["finish_reason"] == ("stop" if stops else "length")


def test_a_streamed_chat_has_its_logprobs(models: Any, tokenizer: Any) -> None:
    messages = [{"role": "user", "content": "发热怎么办?"}]
    body = api.ChatRequest(
        messages=messages, n=2, seed=4, max_tokens=16, logprobs=True, top_logprobs=2, ignore_eos=True
    )
    whole, chunks = both(models, tokenizer, body)
    for choice, pieces in zip(whole, chunks, strict=True):
        assert "".join(piece["delta"].get("content", "") for piece in pieces) == choice["message"]["content"]
        entries = joined([piece["logprobs"]["content"] for piece in pieces])
        assert [entry["token"] for entry in entries] == [entry["token"] for entry in choice["logprobs"]["content"]]
        assert len(entries) == 16


def test_closing_a_stream_ends_all_its_answers(models: Any, tokenizer: Any) -> None:
    async def main() -> None:
        answers = answers_of(models, tokenizer)
        body = api.CompletionRequest(prompt="a", n=3, max_tokens=150, ignore_eos=True)
        made = answers.for_completion(body)
        chunks = answers.events(made, [], [str] * 3)  # type: ignore[list-item]
        await anext(chunks)
        assert answers.active == 3
        await chunks.aclose()
        assert answers.active == 0

    asyncio.run(asyncio.wait_for(main(), 30))


def test_stop_token_ids_end_an_answer_without_their_text(models: Any, tokenizer: Any) -> None:
    fields: dict[str, Any] = {"prompt": "fever", "max_tokens": 30, "seed": 5, "ignore_eos": True}
    free = both(models, tokenizer, api.CompletionRequest(**fields, proxy={"attribution": True}))[0][0]
    tokens = [entry["token_id"] for entry in free["proxy"]["attribution"]]
    [whole], [chunks] = both(models, tokenizer, api.CompletionRequest(**fields, logprobs=0, stop_token_ids=[tokens[8]]))
    end = tokens.index(tokens[8])
    assert whole["finish_reason"] == chunks[-1]["finish_reason"] == "stop"
    assert len(whole["logprobs"]["tokens"]) == end + 1
    assert free["text"].startswith(whole["text"].rstrip("\ufffd"))


def test_alpha_of_a_request_is_that_of_a_name(models: Any, tokenizer: Any) -> None:
    def ask(**fields: Any) -> dict[str, Any]:
        return both(models, tokenizer, api.CompletionRequest(prompt="fever", max_tokens=12, temperature=0, **fields))[
            0
        ][0]

    assert ask(proxy={"alpha": 0.5}) == ask(model="ensemble@0.5")
    assert ask(proxy={"alpha": 0}, logprobs=3) == ask(model="base", logprobs=3)  # exactly, floats too
    assert ask(proxy={"alpha": 0})["text"] != ask()["text"]


def test_alpha_is_taken_when_a_request_is_admitted(models: Any, tokenizer: Any) -> None:
    async def main() -> None:
        answers = answers_of(models, tokenizer)
        body = api.CompletionRequest(prompt="a")
        [before] = answers.for_completion(body)
        answers.alphas = Alphas(0.25)
        [after] = answers.for_completion(body)
        assert (before.request.weights, after.request.weights) == ((1.0, 1.0, -1.0), (1.0, 0.25, -0.25))

    asyncio.run(main())


@pytest.mark.parametrize(
    ("fields", "status", "param"),
    [
        ({"logit_bias": {"999999": 1}}, 400, "logit_bias"),
        ({"stop_token_ids": [999_999]}, 400, "stop_token_ids"),
        ({"model": "base", "proxy": {"alpha": 1}}, 400, "proxy.alpha"),
        ({"model": "ensemble@1", "proxy": {"alpha": 1}}, 400, "proxy.alpha"),
        ({"prompt": "x" * 10_000_000}, 400, "prompt"),
    ],
)
def test_what_cannot_be_is_refused_by_name(
    models: Any, tokenizer: Any, fields: dict[str, Any], status: int, param: str
) -> None:
    async def main() -> None:
        answers_of(models, tokenizer).for_completion(api.CompletionRequest(**{"prompt": "a"} | fields))

    with pytest.raises(api.ApiError) as refused:
        asyncio.run(main())
    assert (refused.value.status, refused.value.param) == (status, param)


def test_a_deployment_of_one_model_has_neither_alpha_nor_attribution(models: Any, tokenizer: Any) -> None:
    async def main(**proxy: Any) -> None:
        answers = answers_of({"base": models["base"]}, tokenizer, EndpointSettings(base="b", max_length=200))
        answers.for_completion(api.CompletionRequest(prompt="a", proxy=proxy))

    for proxy in ({"alpha": 1}, {"attribution": True}):
        with pytest.raises(api.ApiError, match=r"expert") as refused:
            asyncio.run(main(**proxy))
        assert refused.value.param == "proxy." + next(iter(proxy))


def test_a_full_replica_says_when_to_come_back(models: Any, tokenizer: Any) -> None:
    async def main() -> None:
        answers = answers_of(models, tokenizer)
        body = api.CompletionRequest(prompt="a", n=8, max_tokens=150, ignore_eos=True)  # slots and room to wait
        chunks = answers.events(answers.for_completion(body), [], [str] * 8)  # type: ignore[list-item]
        await anext(chunks)
        with pytest.raises(api.ApiError, match="8 answers are running or waiting, and 8 may") as refused:
            answers.for_completion(api.CompletionRequest(prompt="a"))
        assert (refused.value.status, refused.value.retry_after) == (503, 2.0)
        await chunks.aclose()
        assert answers.for_completion(api.CompletionRequest(prompt="a"))

    asyncio.run(asyncio.wait_for(main(), 30))


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"frequency_penalty": 2.5}, "frequency_penalty"),
        ({"presence_penalty": float("nan")}, "presence_penalty"),
        ({"repetition_penalty": 0}, "repetition_penalty"),
        ({"repetition_penalty": 5e-324}, "repetition_penalty"),
        ({"min_p": 1.5}, "min_p"),
        ({"logit_bias": {"5": 101}}, "logit_bias"),
        ({"logit_bias": {"five": 1}}, "logit_bias"),
        ({"logit_bias": {"5": float("nan")}}, "logit_bias"),
        ({"stream_options": {"include_usag": True}}, "stream_options"),
        ({"proxy": {"alpha": 1000}}, "proxy.alpha"),
        ({"proxy": {"alfa": 1}}, "proxy.alfa"),
        ({"proxy": {"alpha": float("nan")}}, "proxy.alpha"),
    ],
)
def test_bad_values_are_refused_by_name(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(ValidationError) as error:
        api.CompletionRequest(prompt="a", **fields)
    assert api.explain(error.value.errors()).param == param
