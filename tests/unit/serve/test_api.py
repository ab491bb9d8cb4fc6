import asyncio
import copy
from contextlib import aclosing
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from apollo_ray.serve import api
from apollo_ray.serve.answers import Answers
from apollo_ray.serve.async_engine import AsyncEngine
from apollo_ray.serve.choices import completion_logprobs
from apollo_ray.serve.engine import Engine, Score
from apollo_ray.serve.settings import EndpointSettings
from apollo_ray.serve.text import TextStream
from apollo_ray.tokens import apollo_turns, encode_chat, encode_prompt, text_offsets, token_text

ENDPOINT = EndpointSettings(base="b", expert="e", anti_expert="a", max_length=200)


@pytest.fixture(scope="session")
def decode(tokenizer: Any) -> Any:
    return lambda ids: tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)


def _ask(models: Any, tokenizer: Any, *bodies: api.CompletionRequest | api.ChatRequest) -> list[dict[str, Any]]:
    async def main() -> list[dict[str, Any]]:
        engine = AsyncEngine(Engine(models, len(tokenizer), slots=4, max_length=ENDPOINT.max_length))
        answers = Answers(ENDPOINT, tokenizer, engine, frozenset({tokenizer.eos_token_id}))
        choices = []
        for body in bodies:
            chat = isinstance(body, api.ChatRequest)
            made = answers.for_chat(body) if chat else answers.for_completion(body)
            await answers.finish(made, body.stop)
            for index, answer in enumerate(made):
                if chat:
                    choices.append(answers.chat_choice(index, answer, body).whole(answer.text))
                else:
                    choices.append(answers.completion_choice(index, answer, body).take(answer.text))
        return choices

    return asyncio.run(asyncio.wait_for(main(), 60))


@settings(max_examples=150, deadline=None)
@given(ids=st.lists(st.integers(0, 319), max_size=40))
def test_deltas_join_to_the_whole_text(decode: Any, ids: list[int]) -> None:
    stream = TextStream(decode)
    deltas = [stream.push(token) for token in ids]
    assert "".join(deltas) + stream.finish() == decode(ids)


@settings(max_examples=100, deadline=None)
@given(text=st.text(alphabet="患者é ab😷म", max_size=30))
def test_deltas_of_a_real_text_hold_no_half_characters(tokenizer: Any, decode: Any, text: str) -> None:
    stream = TextStream(decode)
    deltas = [stream.push(token) for token in tokenizer(text, add_special_tokens=False)["input_ids"]]
    assert not any("\ufffd" in delta for delta in deltas)
    assert "".join(deltas) == text
    assert stream.finish() == ""


def _cut(text: str, stops: list[str]) -> str:
    """Character by character: what is there when the first stop string is complete, without it."""
    for end in range(len(text) + 1):
        starts = [end - len(stop) for stop in stops if stop and text[:end].endswith(stop)]
        if starts:
            return text[: min(starts)]
    return text


@settings(max_examples=300, deadline=None)
@given(
    text=st.text(alphabet="abc\n", max_size=20),
    stops=st.lists(st.text(alphabet="abc\n", max_size=4), max_size=3),
    data=st.data(),
)
def test_stop_strings_end_the_text_wherever_tokens_end(text: str, stops: list[str], data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    tokens = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    stream = TextStream(lambda ids: "".join(tokens[number] for number in ids), stops)
    sent = ""
    for number in range(len(tokens)):
        sent += stream.push(number)
        assert _cut(text, stops).startswith(sent)
    assert sent + stream.finish() == _cut(text, stops)
    assert stream.stopped is any(stop in text for stop in stops if stop)


def test_a_space_that_a_tokenizer_drops_in_front_is_kept_after_a_prompt() -> None:
    words = ["▁The", "▁fever", "▁rose"]

    def decode(ids: list[int]) -> str:
        return "".join(words[number] for number in ids).replace("▁", " ").removeprefix(" ")

    stream = TextStream(decode, before=[0])
    assert [stream.push(1), stream.push(2), stream.finish()] == [" fever", " rose", ""]


@settings(max_examples=150, deadline=None)
@given(ids=st.lists(st.integers(0, 319), max_size=30), start=st.integers(0, 5))
def test_offsets_are_lengths_of_the_decoded_prefix(decode: Any, ids: list[int], start: int) -> None:
    expected = [start + len(decode(ids[:at]).rstrip("\ufffd")) for at in range(len(ids))]
    assert text_offsets(decode, ids, start) == expected


def test_offsets_of_a_long_text_are_cheap(tokenizer: Any, decode: Any) -> None:
    decoded = 0

    def counted(ids: list[int]) -> str:
        nonlocal decoded
        decoded += len(ids)
        return decode(ids)

    ids = tokenizer("患者发热😷 fièvre मरीज " * 60)["input_ids"]
    text_offsets(counted, ids)
    assert len(ids) > 1_000
    assert decoded < 12 * len(ids)


def test_offsets_find_the_continuation(models: Any, tokenizer: Any) -> None:
    for context, continuation in [("患者", "😷发热三天"), ("The fever", " rose 😷"), ("मरीज को", " बुखार है")]:
        body = api.CompletionRequest(prompt=context + continuation, max_tokens=0, echo=True, logprobs=1)
        [choice] = _ask(models, tokenizer, body)
        found = choice["logprobs"]
        own = [at for at, offset in enumerate(found["text_offset"]) if offset >= len(context)]
        ids = tokenizer(context + continuation)["input_ids"]
        assert (
            ids == tokenizer(context)["input_ids"] + tokenizer(continuation)["input_ids"]
        )  # no token across the border
        assert tokenizer.decode([ids[at] for at in own]) == continuation
        assert choice["text"] == context + continuation


def test_echo_has_an_entry_a_token_and_exact_greedy(models: Any, tokenizer: Any) -> None:
    ids = tokenizer("El paciente tiene 患者 fiebre")["input_ids"]
    for most in (0, 1, 3):
        body = api.CompletionRequest(prompt=[ids, ids[:4]], max_tokens=most, echo=True, logprobs=1, ignore_eos=True)
        body.temperature = 0.0
        for choice, prompt in zip(_ask(models, tokenizer, body), (ids, ids[:4]), strict=True):
            found = choice["logprobs"]
            assert {len(values) for values in found.values()} == {len(prompt) + most}
            assert found["token_logprobs"][0] is found["top_logprobs"][0] is None
            for logprob, top in list(zip(found["token_logprobs"], found["top_logprobs"], strict=True))[len(prompt) :]:
                assert logprob == max(top.values())  # greedy, so exactly the same float
            for token, logprob, top in list(
                zip(found["tokens"], found["token_logprobs"], found["top_logprobs"], strict=True)
            )[1:]:
                assert top[token] == logprob
                assert len(top) == (1 if logprob == max(top.values()) else 2)


def test_a_generated_end_token_stays_in_the_logprobs(models: Any, tokenizer: Any) -> None:
    class Ending(torch.nn.Module):
        device, dtype = models["base"].device, torch.float32

        def forward(self, **inputs: Any) -> Any:
            out = models["base"](**inputs)
            out.logits[..., tokenizer.eos_token_id] = 1e4
            return out

    body = api.CompletionRequest(prompt="fever", max_tokens=5, echo=True, logprobs=1, temperature=0, model="base")
    [choice] = _ask({role: Ending() if role == "base" else model for role, model in models.items()}, tokenizer, body)
    prompt = len(tokenizer("fever")["input_ids"])
    assert choice["finish_reason"] == "stop"
    assert choice["text"] == "fever"
    assert len(choice["logprobs"]["tokens"]) == prompt + 1
    assert choice["logprobs"]["tokens"][-1] == tokenizer.eos_token


def test_a_stop_string_ends_text_and_tokens(models: Any, tokenizer: Any) -> None:
    def body(**fields: Any) -> api.CompletionRequest:
        return api.CompletionRequest(prompt="fever", max_tokens=40, logprobs=1, seed=3, ignore_eos=True, **fields)

    [free] = _ask(models, tokenizer, body())
    stop = free["text"][10:13]
    [again, stopped] = _ask(models, tokenizer, body(), body(stop=stop))
    assert again["text"] == free["text"]
    assert stopped["text"] == free["text"][: free["text"].index(stop)]
    assert stopped["finish_reason"] == "stop"
    assert free["finish_reason"] == "length"
    assert 0 < len(stopped["logprobs"]["tokens"]) < 40
    assert stopped["logprobs"]["token_logprobs"] == pytest.approx(
        free["logprobs"]["token_logprobs"][: len(stopped["logprobs"]["tokens"])], abs=1e-4
    )


def test_pieces_of_a_stream_join_to_the_answer(models: Any, tokenizer: Any) -> None:
    body = api.CompletionRequest(prompt="fever", max_tokens=30, seed=5, ignore_eos=True, stream=True)

    async def main() -> str:
        engine = AsyncEngine(Engine(models, len(tokenizer), slots=4, max_length=200))
        answers = Answers(ENDPOINT, tokenizer, engine, frozenset())
        [answer] = answers.for_completion(body)
        async with aclosing(answers.pieces(answer, [])) as pieces:
            return "".join([piece async for piece in pieces])

    [whole] = _ask(models, tokenizer, body.model_copy(update={"stream": False}))
    assert asyncio.run(main()) == whole["text"] != ""


def test_chat_choices(models: Any, tokenizer: Any) -> None:
    messages = [{"role": "user", "content": [{"type": "text", "text": "¿Qué "}, {"type": "text", "text": "hago?"}]}]
    body = api.ChatRequest(messages=messages, n=2, seed=1, max_completion_tokens=6, logprobs=True, top_logprobs=2)
    first, second = _ask(models, tokenizer, body)
    assert first["message"]["content"] != second["message"]["content"]
    assert (first["index"], second["index"]) == (0, 1)
    assert 0 < len(first["logprobs"]["content"]) <= 6
    assert [len(entry["top_logprobs"]) for entry in first["logprobs"]["content"]] == [2] * len(
        first["logprobs"]["content"]
    )


def test_unknown_models_and_long_prompts(models: Any, tokenizer: Any) -> None:
    with pytest.raises(api.ApiError, match="does not exist") as unknown:
        _ask(models, tokenizer, api.CompletionRequest(prompt="a", model="gpt-4"))
    assert (unknown.value.status, unknown.value.param) == (404, "model")
    with pytest.raises(api.ApiError, match="maximum context length of 200") as long:
        _ask(models, tokenizer, api.CompletionRequest(prompt=[5] * 190, max_tokens=11))
    assert (long.value.status, long.value.code) == (400, "context_length_exceeded")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("min_tokens", 3),
        ("guided_json", {"type": "object"}),
        ("skip_special_tokens", False),
        ("suffix", "x"),
        ("best_of", 3),
        ("response_format", {"type": "json_object"}),
        ("tools", [{"type": "function"}]),
    ],
)
def test_what_would_change_the_answer_is_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(api.ApiError, match=f"'{field}' is not supported") as refused:
        api.CompletionRequest(prompt="a", **{field: value}).check_supported()
    assert (refused.value.status, refused.value.param) == (400, field)


def test_harmless_and_neutral_fields_are_accepted() -> None:
    api.CompletionRequest(
        prompt="a", suffix="", logit_bias=None, best_of=1, user="me", brand_new=None, tools=[], detokenize=True
    ).check_supported()


def test_unknown_fields_are_refused_with_a_hint() -> None:
    for field, hint in (("temprature", "did you mean 'temperature'"), ("brand_new", "is unknown")):
        with pytest.raises(api.ApiError, match=hint) as refused:
            api.ChatRequest(messages=[{"role": "user", "content": "a"}], **{field: 1}).check_supported()
        assert (refused.value.status, refused.value.param, refused.value.code) == (400, field, "unknown_parameter")


def test_prompts_in_all_four_shapes() -> None:
    shapes = ["a", ["a", "b"], [1, 2], [[1, 2], [3]]]
    assert [api.CompletionRequest(prompt=shape).prompts for shape in shapes] == [
        ["a"],
        ["a", "b"],
        [[1, 2]],
        [[1, 2], [3]],
    ]
    for wrong in ([], ["a"] * 129):
        with pytest.raises(api.ApiError, match="prompt"):
            api.CompletionRequest(prompt=wrong).check_supported()
    with pytest.raises(api.ApiError, match="needs echo"):
        api.CompletionRequest(prompt="a", max_tokens=0).check_supported()


@pytest.mark.parametrize("fields", [{"temperature": -1}, {"top_p": 0}, {"max_tokens": -1}, {"n": 0}, {"prompt": 5}])
def test_refused_bodies_are_named_without_their_text(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as error:
        api.CompletionRequest(**{"prompt": "Frau Muster", **fields})
    refusal = api.explain(error.value.errors())
    assert refusal.status == 400
    assert refusal.param == next(iter(fields))
    assert "Muster" not in refusal.message


def test_logprob_keys_stay_different(tokenizer: Any) -> None:
    decode = tokenizer.decode
    halves = [number for number in range(len(tokenizer)) if "\ufffd" in decode([number])][:3]
    assert len({token_text(decode, number) for number in halves}) == 3
    score = Score(-3.0, [(halves[0], -1.0), (halves[1], -2.0)])
    [top] = completion_logprobs([halves[2]], [score], [0], 2, decode)["top_logprobs"]
    assert sorted(top.values()) == [-3.0, -2.0, -1.0]


def test_chat_prompts_are_the_turns_of_training(tokenizer: Any) -> None:
    def encode(text: str) -> list[int]:
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "发热怎么办?"},
        {"role": "assistant", "content": "多喝水。"},
        {"role": "user", "content": "还有呢?"},
    ]
    expected = [
        *encode("User:Be brief.\n发热怎么办?\nAssistant:"),
        *encode("多喝水。"),
        tokenizer.eos_token_id,
        *encode("\n"),
        *encode("User:还有呢?\nAssistant:"),
    ]
    assert encode_chat(tokenizer, messages) == expected
    for wrong, message in (
        (messages[:3], "last message must be the user's"),
        ([messages[1], messages[1]], "after 1 turns must be 'assistant'"),
        ([messages[0]], "last message"),
    ):
        with pytest.raises(ValueError, match=message):
            list(apollo_turns(wrong))


def test_a_tokenizers_own_template_is_used(tokenizer: Any) -> None:
    own = copy.deepcopy(tokenizer)
    own.chat_template = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>"
    assert own.decode(encode_chat(own, [{"role": "user", "content": "Hola"}])) == "<user>Hola<assistant>"
    own.chat_template = "{{ raise_exception('no') }}"
    with pytest.raises(ValueError, match="refuses"):
        encode_chat(own, [{"role": "user", "content": "Hola"}])


def test_what_a_tokenizer_adds_in_front_is_known() -> None:
    class Adds:
        def __init__(self, before: list[int], after: list[int]) -> None:
            self.before, self.after = before, after

        def __call__(self, text: str, add_special_tokens: bool = True) -> dict[str, list[int]]:
            ids = [ord(letter) for letter in text]
            return {"input_ids": [*self.before, *ids, *self.after] if add_special_tokens else ids}

    assert encode_prompt(Adds([1], []), "a") == ([1, 97], 1)
    assert encode_prompt(Adds([], []), "a") == ([97], 0)
    assert encode_prompt(Adds([], [2]), "a") == ([97], 0)
