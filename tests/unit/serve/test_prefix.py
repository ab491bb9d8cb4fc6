from typing import Any

import pytest
import torch

from apollo_ray.ensemble import SINGLE
from apollo_ray.serve.engine import Engine, Request
from apollo_ray.serve.prefix import common_prefix

MIX = (1.0, 1.3, -1.3)


@pytest.fixture
def width(tokenizer: Any) -> int:
    return len(tokenizer)


def prompt_of(length: int, seed: int, width: int) -> list[int]:
    return torch.randint(1, width, (length,), generator=torch.Generator().manual_seed(seed)).tolist()


def finish(engine: Engine, *requests: Request) -> None:
    for request in requests:
        engine.add(request)
    while not engine.idle:
        engine.step()


def fresh(models: Any, width: int, request: Request) -> Request:
    """The same request on an engine that has seen nothing."""
    alone = Request(
        request.ids, request.max_new_tokens, request.weights, request.temperature, seed=request.seed,
        logprobs=request.logprobs, prompt_logprobs=request.prompt_logprobs,
    )  # fmt: skip
    finish(Engine(models, width, 1, 128, reuse=False), alone)
    assert alone.reused == 0
    return alone


def test_shots_are_computed_once_whether_requests_come_together_or_apart(models: Any, width: int) -> None:
    shots = prompt_of(60, 1, width)
    requests = [Request(shots + prompt_of(5 + n, 50 + n, width), 6, MIX, 0.8 * (n % 2), seed=n) for n in range(6)]
    engine = Engine(models, width, slots=3, max_length=128, prefill_tokens=64)
    finish(engine, *requests[:4])
    finish(engine, *requests[4:])
    assert [request.reused >= 60 for request in requests] == [False] + [True] * 5
    for request in requests:
        assert request.output == fresh(models, width, request).output


@pytest.mark.parametrize("drafts", [0, 3])
def test_a_prompt_that_goes_on_from_an_answer_reuses_both(models: Any, width: int, drafts: int) -> None:
    engine = Engine(models, width, slots=2, max_length=128, drafts=drafts)
    first = Request(prompt_of(20, 3, width), 12, MIX)
    finish(engine, first)
    second = Request([*first.ids, *first.output, *prompt_of(4, 4, width)], 8, MIX)
    finish(engine, second)
    assert second.reused == 31  # the last token of the answer was never fed
    assert second.output == fresh(models, width, second).output


def test_scores_of_a_reused_prefix_are_those_of_its_first_reader(models: Any, width: int) -> None:
    shots = prompt_of(40, 1, width)
    engine = Engine(models, width, slots=2, max_length=128)
    options = [Request(shots + prompt_of(3, n, width), 0, MIX, logprobs=1, prompt_logprobs=True) for n in range(7, 10)]
    for request in options:
        finish(engine, request)
    assert [request.reused for request in options] == [0, 39, 39]
    for request in options:
        expected = fresh(models, width, request).prompt_scores
        assert len(request.prompt_scores) == len(request.ids) - 1
        for found, wanted in zip(request.prompt_scores, expected, strict=True):
            assert found.logprob == pytest.approx(wanted.logprob, abs=2e-4)
            assert found.top[0][0] == wanted.top[0][0]


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ({"weights": SINGLE["base"]}, {"weights": MIX}),  # the experts never saw the prompt
        ({"weights": SINGLE["base"]}, {"weights": SINGLE["base"], "attribution": True}),  # nor here
        ({"weights": MIX}, {"weights": MIX, "prompt_logprobs": True}),  # nobody scored it
        ({"weights": MIX, "prompt_logprobs": True}, {"weights": SINGLE["base"], "prompt_logprobs": True}),
        ({"weights": MIX, "prompt_logprobs": True}, {"weights": MIX, "prompt_logprobs": True, "logprobs": 2}),
    ],
)
def test_nothing_is_reused_that_is_not_there(models: Any, width: int, first: Any, then: Any) -> None:
    engine = Engine(models, width, slots=2, max_length=128)
    before, after = Request(prompt_of(40, 1, width), 3, **first), Request(prompt_of(40, 1, width), 3, **then)
    finish(engine, before)
    finish(engine, after)
    assert after.reused == 0
    alone = fresh(models, width, after)
    assert after.output == alone.output
    assert len(after.prompt_scores) == len(alone.prompt_scores)


def test_a_repeated_prompt_computes_its_last_token(models: Any, width: int) -> None:
    engine = Engine(models, width, slots=1, max_length=128)
    twice = [Request(prompt_of(40, 1, width), 5, MIX, 1.0, seed=4) for _ in range(2)]
    for request in twice:
        finish(engine, request)
    assert [request.reused for request in twice] == [0, 39]
    assert twice[0].output == twice[1].output


def test_a_cancelled_request_leaves_what_it_computed(models: Any, width: int) -> None:
    engine = Engine(models, width, slots=1, max_length=128, prefill_tokens=20)
    cancelled = Request(prompt_of(70, 1, width), 5, MIX)
    engine.add(cancelled)
    engine.step()
    engine.step()
    engine.cancel(cancelled)
    assert engine.free_slots == 1
    again = Request(cancelled.ids, 5, MIX)
    finish(engine, again)
    assert again.reused == 40
    assert again.output == fresh(models, width, again).output


def test_a_forward_never_holds_more_tokens_than_the_budget(models: Any, width: int) -> None:
    sizes = []
    hook = models["base"].register_forward_pre_hook(
        lambda _, __, kwargs: sizes.append(kwargs["input_ids"].numel()), with_kwargs=True
    )
    requests = [Request(prompt_of(length, length, width), 2, MIX) for length in (1, 100, 7, 33, 64, 90, 5)]
    finish(Engine(models, width, slots=7, max_length=128, prefill_tokens=32), *requests)
    hook.remove()
    assert max(sizes) == 32


def test_common_prefixes() -> None:
    assert common_prefix([1, 2, 3], [1, 2, 4]) == 2
    assert common_prefix([], [1]) == 0
    assert common_prefix([1, 2], [1, 2, 3]) == 2
    assert common_prefix([5], [6]) == 0
    long = list(range(1000))
    for at in (0, 1, 499, 998, 999):
        assert common_prefix(long, [*long[:at], -1, *long[at + 1 :]]) == at
