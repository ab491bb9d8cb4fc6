import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
import torch

from apollo_ray.ensemble import SINGLE, Weights, combine
from apollo_ray.errors import UserError
from apollo_ray.serve.async_engine import AsyncEngine
from apollo_ray.serve.engine import Engine, Request, Score

ENSEMBLE: Weights = (1.0, 1.3, -1.3)
MIXES = [ENSEMBLE, SINGLE["base"], SINGLE["expert"], SINGLE["anti_expert"], (1.0, -0.5, 0.5)]


@pytest.fixture
def width(tokenizer: Any) -> int:
    return len(tokenizer)


@torch.inference_mode()
def plain_logprobs(models: Mapping[str, Any], ids: list[int], weights: Weights, width: int) -> torch.Tensor:
    """Natural logs of probabilities [len(ids), width], without cache or batch."""
    logits = [model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, :, :width] for model in models.values()]
    return combine(*logits, torch.tensor([weights] * len(ids))).log_softmax(-1)


def plain_greedy(models: Mapping[str, Any], prompt: list[int], weights: Weights, width: int, most: int) -> list[int]:
    ids = list(prompt)
    for _ in range(most):
        ids.append(int(plain_logprobs(models, ids, weights, width)[-1].argmax()))
    return ids[len(prompt) :]


def prompt_of(length: int, seed: int, width: int) -> list[int]:
    return torch.randint(1, width, (length,), generator=torch.Generator().manual_seed(seed)).tolist()


def finish(engine: Engine, *requests: Request) -> None:
    for request in requests:
        engine.add(request)
    while not engine.idle:
        engine.step()


def test_rows_that_join_at_different_steps_equal_a_plain_loop(models: Any, width: int) -> None:
    engine = Engine(models, width, slots=3, max_length=96, prefill_tokens=16)
    lengths = [1, 40, 7, 16, 17, 33, 2]
    requests = [
        Request(prompt_of(length, length, width), 4 + index, MIXES[index % len(MIXES)])
        for index, length in enumerate(lengths)
    ]
    waiting = list(requests)
    while waiting or not engine.idle:
        if waiting:
            engine.add(waiting.pop(0))
        for _ in range(2):
            engine.step()
    for request in requests:
        expected = plain_greedy(models, request.ids, request.weights, width, request.max_new_tokens)
        assert request.output == expected
        assert request.finish == "length"
    assert engine.free_slots == 3


def test_a_row_that_fills_its_room_is_right(models: Any, width: int) -> None:
    engine = Engine(models, width, slots=2, max_length=24, prefill_tokens=64)
    full, other = Request(prompt_of(4, 1, width), 20, ENSEMBLE), Request(prompt_of(23, 2, width), 1, ENSEMBLE)
    finish(engine, full, other)
    assert full.output == plain_greedy(models, full.ids, ENSEMBLE, width, 20)
    assert other.output == plain_greedy(models, other.ids, ENSEMBLE, width, 1)


@pytest.mark.parametrize(
    ("weights", "roles"),
    [(ENSEMBLE, ["base", "expert", "anti_expert"]), (SINGLE["base"], ["base"]), (SINGLE["expert"], ["expert"])],
)
def test_a_step_runs_each_model_of_the_mix_once_for_all_rows(
    models: Any, width: int, weights: Weights, roles: list[str]
) -> None:
    calls = []
    hooks = [
        model.register_forward_hook(lambda *_, role=role: calls.append(role), always_call=True)
        for role, model in models.items()
    ]
    engine = Engine(models, width, slots=4, max_length=64)
    for seed in range(4):
        engine.add(Request(prompt_of(5, seed, width), 3, weights))
    engine.step()
    engine.step()
    for hook in hooks:
        hook.remove()
    assert sorted(calls) == sorted(roles * 2)


@pytest.mark.parametrize("same", ["alpha 0", "equal experts"])
def test_the_base_comes_out_bit_by_bit(models: Any, width: int, same: str) -> None:
    trio = dict(models)
    weights: Weights = (1.0, 0.0, 0.0)
    if same == "equal experts":
        trio["anti_expert"], weights = trio["expert"], (1.0, 2.7, -2.7)
    prompts = [prompt_of(length, length, width) for length in (3, 20, 9)]
    found = []
    for loaded, mix in ((trio, weights), ({"base": models["base"]}, SINGLE["base"])):
        requests = [Request(ids, 8, mix, logprobs=5, prompt_logprobs=True) for ids in prompts]
        finish(Engine(loaded, width, slots=2, max_length=64), *requests)
        found.append([(r.output, r.output_scores, r.prompt_scores) for r in requests])
    assert found[0] == found[1]


def test_a_seed_gives_the_same_tokens_whoever_shares_the_batch(models: Any, width: int) -> None:
    def ask() -> Request:
        return Request(prompt_of(6, 5, width), 12, ENSEMBLE, temperature=1.1, top_k=40, top_p=0.95, seed=11)

    def mate(seed: int) -> Request:
        return Request(prompt_of(3 + 4 * seed, seed, width), 5 + seed, MIXES[seed % 3], temperature=0.9, seed=seed)

    alone, crowded, other = ask(), ask(), ask()
    other.seed = 12
    finish(Engine(models, width, slots=1, max_length=96), alone)
    finish(Engine(models, width, slots=6, max_length=96), *[mate(n) for n in range(3)], crowded, mate(4), other)
    assert crowded.output == alone.output
    assert other.output != alone.output


def test_samples_follow_the_ensemble(models: Any, width: int) -> None:
    prompt = prompt_of(5, 9, width)
    requests = [Request(prompt, 1, ENSEMBLE, temperature=0.8, seed=seed) for seed in range(600)]
    finish(Engine(models, width, slots=64, max_length=16), *requests)
    expected = (plain_logprobs(models, prompt, ENSEMBLE, width)[-1] / 0.8).softmax(-1).double()
    counts = torch.bincount(torch.tensor([request.output[0] for request in requests]), minlength=width).double()
    likely = expected * 600 >= 5
    expected_counts = torch.cat([expected[likely], expected[~likely].sum()[None]]) * 600
    found = torch.cat([counts[likely], counts[~likely].sum()[None]])
    chi2 = float(((found - expected_counts) ** 2 / expected_counts.clamp_min(1e-9)).sum())
    degrees = int(likely.sum())
    assert degrees >= 3
    assert chi2 < degrees + 4 * (2 * degrees) ** 0.5


def test_scores_equal_the_plain_ones(models: Any, width: int) -> None:
    requests = [
        Request(prompt_of(length, length, width), most, ENSEMBLE, logprobs=3, prompt_logprobs=True)
        for length, most in ((1, 2), (45, 0), (18, 4), (30, 1))
    ]
    silent = Request(prompt_of(12, 3, width), 6)
    finish(Engine(models, width, slots=4, max_length=64, prefill_tokens=16), *requests, silent)
    assert silent.prompt_scores == silent.output_scores == []
    for request in requests:
        ids = request.ids + request.output
        reference = plain_logprobs(models, ids, ENSEMBLE, width)
        scores: list[Score] = request.prompt_scores + request.output_scores
        assert len(scores) == len(ids) - 1
        for at, score in enumerate(scores):
            assert score.logprob == pytest.approx(float(reference[at, ids[at + 1]]), abs=2e-4)
            assert [token for token, _ in score.top] == reference[at].topk(3).indices.tolist()
            greedy = ids[at + 1] == int(reference[at].argmax())
            assert (score.logprob == max(value for _, value in score.top)) is greedy
        assert len(request.output) == request.max_new_tokens
        assert request.finish == "length"


def test_an_end_token_ends_and_counts(models: Any, width: int) -> None:
    prompt = prompt_of(8, 4, width)
    reference = plain_greedy(models, prompt, ENSEMBLE, width, 10)
    end = reference[4]
    request = Request(prompt, 10, ENSEMBLE, eos=frozenset({end}))
    finish(Engine(models, width, slots=1, max_length=32), request)
    assert request.output == reference[: reference.index(end) + 1]
    assert request.finish == "stop"


def test_cancelled_requests_free_their_slots(models: Any, width: int) -> None:
    engine = Engine(models, width, slots=2, max_length=64, prefill_tokens=8)
    requests = [Request(prompt_of(20, seed, width), 20, ENSEMBLE) for seed in range(4)]
    for request in requests:
        engine.add(request)
    for _ in range(4):
        engine.step()
    engine.cancel(requests[0])  # in its prompt or answer
    engine.cancel(requests[3])  # still waiting
    assert engine.free_slots == 1
    while not engine.idle:
        engine.step()
    assert [request.finish for request in requests] == ["cancelled", "length", "length", "cancelled"]
    assert engine.free_slots == 2
    for request in requests[1:3]:  # one of them took over the slot of the first
        assert request.output == plain_greedy(models, request.ids, ENSEMBLE, width, 20)
    engine.cancel(requests[1])
    assert requests[1].finish == "length"


def test_prompts_do_not_starve_answers(models: Any, width: int) -> None:
    engine = Engine(models, width, slots=2, max_length=256, prefill_tokens=4)
    quick, long = Request(prompt_of(2, 1, width), 10), Request(prompt_of(200, 2, width), 1)
    engine.add(quick)
    engine.step()
    engine.add(long)
    for _ in range(2 * 10):
        engine.step()
    assert quick.finish == "length"
    assert long.finish is None


@pytest.mark.parametrize(
    ("ids", "most", "message"),
    [([], 1, "no tokens"), ([1, 999], 1, "token id 999"), ([-1], 1, "token id -1"), ([1] * 10, 23, "maximum context")],
)
def test_requests_that_cannot_be_are_refused(models: Any, width: int, ids: list[int], most: int, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Engine(models, width, slots=1, max_length=32).add(Request(ids, most))


def test_many_tasks_share_the_engine(models: Any, width: int) -> None:
    async def one(engine: AsyncEngine, request: Request) -> list[int]:
        return [length async for length in engine.stream(request)]

    async def main() -> list[list[int]]:
        engine = AsyncEngine(Engine(models, width, slots=2, max_length=64))
        return await asyncio.gather(*(one(engine, request) for request in requests))

    requests = [Request(prompt_of(4 + seed, seed, width), 6, ENSEMBLE) for seed in range(5)]
    for request, lengths in zip(requests, asyncio.run(main()), strict=True):
        assert lengths == sorted(lengths)
        assert lengths[-1] == 6
        assert request.output == plain_greedy(models, request.ids, ENSEMBLE, width, 6)


def test_who_stops_listening_frees_the_slot(models: Any, width: int) -> None:
    async def main() -> None:
        core = Engine(models, width, slots=1, max_length=256)
        engine = AsyncEngine(core)
        left, kept = Request([1, 2], 250), Request([3, 4], 2)
        stream = engine.stream(left)
        await anext(stream)
        await stream.aclose()
        assert [length async for length in engine.stream(kept)][-1] == 2
        assert left.finish == "cancelled"
        assert len(left.output) < 250

    asyncio.run(asyncio.wait_for(main(), 30))


def test_a_dead_engine_says_so(models: Any, width: int) -> None:
    class Broken(Engine):
        def step(self) -> list[Request]:
            raise MemoryError("out of memory")

    async def main() -> None:
        engine = AsyncEngine(Broken(models, width, slots=1, max_length=32))
        for _ in range(2):  # the one that was waiting, and the next one to ask
            with pytest.raises(RuntimeError, match="MemoryError"):
                _ = [length async for length in engine.stream(Request([1], 2))]
        with pytest.raises(RuntimeError, match="engine has died"):
            engine.raise_if_dead()

    asyncio.run(asyncio.wait_for(main(), 30))
