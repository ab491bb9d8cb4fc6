"""Bias, penalties, min-p and attribution against plain float64 references."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from apollo_ray.ensemble import SINGLE, Weights
from apollo_ray.errors import UserError
from apollo_ray.serve.engine import Engine, Request
from apollo_ray.serve.sampling import Shaping, shape, shape_rows

WIDTH = 12
ENSEMBLE: Weights = (1.0, 1.3, -1.3)
IDS = st.lists(st.integers(0, WIDTH - 1), max_size=8)


def plain(
    logits: list[float], shaping: Shaping, prompt: list[int], output: list[int], temperature: float
) -> list[float]:
    """Token by token in float64, as the fields are documented by those who named them."""
    found = list(logits)
    for token, added in shaping.bias.items():
        found[token] += added
    for token in range(len(found)):
        if token in prompt or token in output:
            found[token] = found[token] / shaping.repetition if found[token] > 0 else found[token] * shaping.repetition
        found[token] -= output.count(token) * shaping.frequency + (token in output) * shaping.presence
    if shaping.min_p:
        highest = max(found)
        kept = [math.exp((one - highest) / temperature) >= shaping.min_p for one in found]
        found = [one if keep else -math.inf for one, keep in zip(found, kept, strict=True)]
    return found


@settings(max_examples=200, deadline=None)
@given(
    logits=st.lists(st.floats(-20, 20, width=32), min_size=WIDTH, max_size=WIDTH),
    bias=st.dictionaries(st.integers(0, WIDTH - 1), st.floats(-100, 100), max_size=4),
    penalties=st.tuples(st.floats(0.1, 3), st.floats(-2, 2), st.floats(-2, 2)),
    prompt=IDS,
    output=IDS,
)
def test_shaping_equals_the_plain_formula(
    logits: list[float], bias: dict[int, float], penalties: Any, prompt: list[int], output: list[int]
) -> None:
    shaping = Shaping(bias, *penalties)
    tensor = torch.tensor(logits)
    found = shape(tensor, shaping, prompt, output, 1.0)
    assert found.tolist() == pytest.approx(plain(logits, shaping, prompt, output, 1.0), abs=1e-3, rel=1e-5)
    assert tensor.tolist() == logits  # scores are of what was there before


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.0])
@pytest.mark.parametrize("min_p", [0.01, 0.2, 1.0])
def test_min_p_compares_probabilities_after_temperature(temperature: float, min_p: float) -> None:
    logits = torch.linspace(-3, 2, WIDTH).tolist()
    shaping = Shaping(min_p=min_p)
    found = shape(torch.tensor(logits), shaping, [], [], temperature)
    assert found.tolist() == pytest.approx(plain(logits, shaping, [], [], temperature))
    assert shape(torch.tensor(logits), shaping, [], [], 0.0).argmax() == WIDTH - 1


def test_rows_without_shaping_are_untouched() -> None:
    logits = torch.randn(2, WIDTH)
    calm = (Shaping(), [1], [2], 1.0)
    assert shape_rows(logits, [calm, calm]) is logits
    mixed = shape_rows(logits, [calm, (Shaping({3: 5.0}), [], [], 1.0)])
    assert torch.equal(mixed[0], logits[0])
    assert mixed[1, 3] == logits[1, 3] + 5


def finish(engine: Engine, *requests: Request) -> None:
    for request in requests:
        engine.add(request)
    while not engine.idle:
        engine.step()


@torch.inference_mode()
def own_logits(models: Any, ids: list[int], width: int) -> list[torch.Tensor]:
    """float64 logits [len(ids), width] of each model alone."""
    return [model(input_ids=torch.tensor([ids])).logits[0, :, :width].double() for model in models.values()]


def test_greedy_answers_with_penalties_equal_a_plain_loop_on_the_mix(models: Any, tokenizer: Any) -> None:
    width, prompt = len(tokenizer), [5, 9, 40, 9]
    shaping = Shaping({7: 3.0, 40: -100.0}, repetition=1.4, frequency=0.7, presence=0.5)
    request = Request(prompt, 14, ENSEMBLE, shaping=shaping, logprobs=2)
    neighbour = Request(prompt, 14, ENSEMBLE, logprobs=2)
    finish(Engine(models, width, slots=2, max_length=64), request, neighbour)
    output: list[int] = []
    for score in request.output_scores:
        base, expert, anti = (one[-1] for one in own_logits(models, prompt + output, width))
        mix = base + 1.3 * (expert - anti)
        shaped = plain(mix.tolist(), shaping, prompt, output, 0.0)
        output.append(shaped.index(max(shaped)))
        assert score.logprob == pytest.approx(float(mix.log_softmax(-1)[output[-1]]), abs=1e-3)
    assert request.output == output
    assert neighbour.output != output


def test_a_bias_of_100_forces_and_forbids(models: Any, tokenizer: Any) -> None:
    forced = Request([5, 6], 4, ENSEMBLE, temperature=1.0, seed=1, shaping=Shaping({33: 100.0}))
    free = Request([5, 6], 1, ENSEMBLE)
    finish(Engine(models, len(tokenizer), slots=2, max_length=16), forced, free)
    other = Request([5, 6], 1, ENSEMBLE, shaping=Shaping({free.output[0]: -100.0}))
    finish(Engine(models, len(tokenizer), slots=2, max_length=16), other)
    assert forced.output == [33] * 4
    assert other.output != free.output


@pytest.mark.parametrize("weights", [ENSEMBLE, SINGLE["base"], (1.0, 0.0, 0.0)])
def test_attribution_is_each_models_own_log_softmax(models: Any, tokenizer: Any, weights: Weights) -> None:
    width = len(tokenizer)
    requests = [
        Request([3 + seed] * (2 + 9 * seed), 6, weights, temperature=0.9, seed=seed, attribution=True, logprobs=0)
        for seed in range(3)
    ]
    quiet = Request([4, 8], 6, weights)
    finish(Engine(models, width, slots=4, max_length=64, prefill_tokens=8), *requests, quiet)
    assert quiet.output_sources == []
    for request in requests:
        base, expert, anti = own_logits(models, request.ids + request.output, width)
        mix = (weights[0] * base + weights[1] * expert + weights[2] * anti).log_softmax(-1)
        assert len(request.output_sources) == len(request.output) == 6
        for at, (token, found, score) in enumerate(
            zip(request.output, request.output_sources, request.output_scores, strict=True), len(request.ids) - 1
        ):
            alone = [float(one[at].log_softmax(-1)[token]) for one in (base, expert, anti)]
            assert list(found[:3]) == pytest.approx(alone, abs=1e-3)
            divergence = float((mix[at].exp() * (mix[at] - base[at].log_softmax(-1))).sum())
            assert found.divergence == pytest.approx(divergence, abs=1e-3)
            assert found.entropy == pytest.approx(float(-(mix[at].exp() * mix[at]).sum()), abs=1e-3)
            if weights[1] == 0:
                assert found.divergence == 0
                assert found.base == pytest.approx(score.logprob, abs=1e-5)


def test_attribution_changes_no_answer(models: Any, tokenizer: Any) -> None:
    asked = [Request([5, 6, 7], 8, SINGLE["base"], logprobs=3, attribution=flag) for flag in (False, True)]
    for request in asked:
        finish(Engine(models, len(tokenizer), slots=1, max_length=32), request)
    assert asked[0].output == asked[1].output
    assert asked[0].output_scores == asked[1].output_scores


def test_attribution_needs_all_three(models: Any, tokenizer: Any) -> None:
    engine = Engine({"base": models["base"]}, len(tokenizer), slots=1, max_length=32)
    with pytest.raises(UserError, match="needs a deployment with expert"):
        engine.check(Request([1], 1, attribution=True))
