import itertools
from typing import Any

import pytest
import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

from apollo_ray.ensemble import SINGLE, combine
from apollo_ray.serve.engine import Engine, Request
from apollo_ray.serve.proxy import draw, warp
from apollo_ray.serve.sampling import Shaping
from apollo_ray.serve.speculative import Cost, Drafting, cost_of_weights, expected, measured_costs, settle

ALPHA = 0.8
MIX = (1.0, ALPHA, -ALPHA)
TINY, DEPTH = 6, 3
EAGER = {"base": Cost(((1, 1.0), (1000, 1.0))), "expert": Cost(((1, 1e-6),)), "anti_expert": Cost(((1, 1e-6),))}
"""Costs under which the most drafts always pay."""


def model(seed: int, layers: int, hidden: int, vocabulary: int, spread: float = 0.3) -> Qwen2ForCausalLM:
    torch.manual_seed(seed)
    return Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=vocabulary,
            hidden_size=hidden,
            intermediate_size=48,
            num_hidden_layers=layers,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=256,
            initializer_range=spread,
        )
    ).eval()


@pytest.fixture(scope="module")
def tiny() -> dict[str, Any]:
    """A vocabulary of 6, so that all outcomes of 3 tokens can be listed; the base has rows to spare."""
    torch.set_num_threads(1)
    return {"base": model(1, 2, 32, TINY + 2), "expert": model(2, 1, 16, TINY), "anti_expert": model(3, 1, 16, TINY)}


@pytest.fixture
def width(tokenizer: Any) -> int:
    return len(tokenizer)


def finish(engine: Engine, *requests: Request) -> None:
    for request in requests:
        engine.add(request)
    while not engine.idle:
        engine.step()


def prompt_of(length: int, seed: int, width: int) -> list[int]:
    return torch.randint(1, width, (length,), generator=torch.Generator().manual_seed(seed)).tolist()


@torch.inference_mode()
def joint(models: dict[str, Any], prompt: list[int], temperature: float, top_k: int, top_p: float) -> torch.Tensor:
    """Probabilities float64 [TINY ** DEPTH] of all answers of DEPTH tokens, without cache, batch or drafts."""
    answers = torch.tensor(list(itertools.product(range(TINY), repeat=DEPTH)))
    ids = torch.cat([torch.tensor([prompt]).expand(len(answers), -1), answers], 1)
    logits = [one(input_ids=ids, use_cache=False).logits[..., :TINY] for one in models.values()]
    mixed = combine(*logits, torch.tensor([MIX] * len(ids)))[:, len(prompt) - 1 : -1]
    parameters = [torch.tensor([value] * (len(ids) * DEPTH)) for value in (temperature, top_k, top_p)]
    likely = warp(mixed.reshape(-1, TINY), *parameters).view(len(ids), DEPTH, TINY)
    return likely.gather(-1, answers[..., None])[..., 0].double().prod(1)


def chi_square(counts: torch.Tensor, shares: torch.Tensor) -> float:
    """As standard deviations from its mean; rare outcomes are one."""
    expected_counts = shares * counts.sum()
    often = expected_counts >= 5
    found = torch.cat([counts[often], counts[~often].sum()[None]])
    wanted = torch.cat([expected_counts[often], expected_counts[~often].sum()[None]])
    if wanted[-1] < 1:
        found, wanted = found[:-1], wanted[:-1]
    degrees = len(wanted) - 1
    return (float(((found - wanted) ** 2 / wanted).sum()) - degrees) / (2 * degrees) ** 0.5


@pytest.mark.parametrize("drafts", [0, 3])
@pytest.mark.parametrize(
    ("temperature", "top_k", "top_p"), [(1.0, 0, 1.0), (0.7, 0, 0.9), (1.4, 4, 0.95)], ids=["plain", "top-p", "both"]
)
def test_joint_outcomes_follow_the_combined_distribution(
    tiny: dict[str, Any], drafts: int, temperature: float, top_k: int, top_p: float
) -> None:
    prompt, number = [1, 5, 3], 4000
    shares = joint(tiny, prompt, temperature, top_k, top_p)
    assert float(shares.sum()) == pytest.approx(1, abs=1e-4)
    engine = Engine(tiny, TINY, slots=100, max_length=6, drafts=drafts, costs=EAGER)
    requests = [Request(prompt, DEPTH, MIX, temperature, top_k, top_p, seed=seed) for seed in range(number)]
    finish(engine, *requests)
    codes = torch.tensor([(a * TINY + b) * TINY + c for a, b, c in (request.output for request in requests)])
    counts = torch.bincount(codes, minlength=TINY**DEPTH).double()
    assert int(counts[shares == 0].sum()) == 0
    assert abs(chi_square(counts, shares)) < 4
    if drafts:
        assert 0.2 < sum(r.accepted for r in requests) / sum(r.drafted for r in requests) < 0.95


def test_one_after_another_gives_the_same_answers_as_a_crowd(tiny: dict[str, Any]) -> None:
    found = []
    for slots, drafts in ((1, 4), (50, 4), (50, 0), (7, 2)):
        requests = [
            Request(
                prompt_of(3, seed % 4, TINY), 4 + seed % 9, MIX, 0.9 * (seed % 5 > 0), seed % 3 * 2, 0.95, seed=seed
            )
            for seed in range(50)
        ]
        finish(Engine(tiny, TINY, slots=slots, max_length=32, drafts=drafts, costs=EAGER), *requests)
        found.append([request.output for request in requests])
    assert found[0] == found[1] == found[2] == found[3]


def test_greedy_answers_are_the_plain_ones(models: Any, width: int) -> None:
    mixes = [MIX, SINGLE["base"], SINGLE["expert"], (1.0, -0.5, 0.5), (1.0, 3.0, -3.0), (0.0, 2.0, -1.0)]
    found = []
    for drafts, slots in ((0, 4), (1, 4), (3, 1), (5, 8)):
        requests = [
            Request(prompt_of(1 + 7 * n, n, width), 3 + 4 * n, mixes[n % len(mixes)], logprobs=2) for n in range(8)
        ]
        finish(Engine(models, width, slots, 96, prefill_tokens=16, drafts=drafts, costs=EAGER), *requests)
        assert [len(request.output_scores) for request in requests] == [len(request.output) for request in requests]
        found.append([request.output for request in requests])
        for request in requests:
            for token, score in zip(request.output, request.output_scores, strict=True):
                assert token == score.top[0][0]
                assert score.logprob == score.top[0][1]
    assert found[0] == found[1] == found[2] == found[3]


def test_drafts_save_forwards_of_the_base(models: Any, width: int) -> None:
    calls = {"base": 0, "anti_expert": 0}
    hooks = [
        models[role].register_forward_hook(lambda *_, role=role: calls.__setitem__(role, calls[role] + 1))
        for role in calls
    ]
    same = dict(models, expert=models["base"])  # a perfect draft where alpha is 0 but for the base's weight
    request = Request(prompt_of(5, 1, width), 41, (1e-9, 1.0, -1e-9), temperature=1.0, seed=3)
    finish(Engine(same, width, 1, 64, drafts=4, costs=EAGER), request)
    for hook in hooks:
        hook.remove()
    assert len(request.output) == 41
    assert request.accepted == request.drafted
    assert calls["anti_expert"] == 1 + 40 / 5


def test_an_end_token_among_accepted_drafts_ends(models: Any, width: int) -> None:
    plain = Request(prompt_of(8, 4, width), 20, MIX)
    finish(Engine(models, width, 1, 64), plain)
    for at in (0, 3, 7, 10):
        end = plain.output[at]
        request = Request(plain.ids, 20, MIX, eos=frozenset({end}), logprobs=0)
        finish(Engine(models, width, 1, 64, drafts=6, costs=EAGER), request)
        assert request.output == plain.output[: plain.output.index(end) + 1]
        assert len(request.output_scores) == len(request.output)
        assert request.finish == "stop"


def test_drafts_fill_the_room_and_no_more(models: Any, width: int) -> None:
    plain, drafted = (Request(prompt_of(4, 1, width), 20, MIX, temperature=0.8, seed=2) for _ in range(2))
    finish(Engine(models, width, 2, 24), plain)
    finish(Engine(models, width, 2, 24, drafts=8, costs=EAGER), drafted)
    assert drafted.output == plain.output
    assert drafted.finish == "length"


def test_a_base_alone_is_served_without_drafts(models: Any, width: int) -> None:
    request = Request(prompt_of(4, 1, width), 5, temperature=1.0, seed=1)
    engine = Engine({"base": models["base"]}, width, 1, 16, drafts=4)
    finish(engine, request)
    assert engine.drafting.most == 0
    assert (len(request.output), request.drafted) == (5, 0)


def test_settled_tokens_follow_p_whatever_q(tiny: dict[str, Any]) -> None:
    p = torch.tensor([0.5, 0.3, 0.2, 0.0])
    number = 20_000
    for q in ([0.1, 0.1, 0.3, 0.5], [0.5, 0.3, 0.2, 0.0], [0.0, 0.0, 0.0, 1.0], [1.0, 0.0, 0.0, 0.0]):
        noise = torch.rand(number, 3, generator=torch.Generator().manual_seed(5))
        many_q = torch.tensor([q]).expand(number, -1)
        tokens, accepted = settle(
            p.expand(number, -1), many_q, draw(many_q, noise[:, 0]), noise[:, 1:], torch.ones(number, dtype=torch.bool)
        )
        counts = torch.bincount(tokens, minlength=4).double()
        assert counts[3] == 0
        assert abs(chi_square(counts[:3], p[:3].double())) < 4
        overlap = float(torch.minimum(p, torch.tensor(q)).sum())
        assert float(accepted.float().mean()) == pytest.approx(overlap, abs=0.02)


def test_without_a_draft_the_token_comes_from_p() -> None:
    p, q = torch.tensor([[0.0, 1.0]] * 4), torch.tensor([[0.0, 1.0]] * 4)
    noise = torch.zeros(4, 2)
    tokens, accepted = settle(p, q, torch.zeros(4, dtype=torch.long), noise, torch.zeros(4, dtype=torch.bool))
    assert tokens.tolist() == [1] * 4
    assert not accepted.any()


def test_costs_between_and_beyond_the_points() -> None:
    cost = Cost(((1, 10.0), (4, 16.0), (8, 16.0)))
    assert [cost(tokens) for tokens in (0, 1, 2, 4, 6, 8, 16)] == [10, 10, 12, 16, 16, 16, 32]
    assert expected(0.5, 2) == 1.75
    assert expected(1.0, 3) == 4


def test_drafts_pay_alone_and_not_in_a_crowd() -> None:
    costs = cost_of_weights({"base": 72_000, "expert": 1_800, "anti_expert": 1_800}, balance=100)
    drafting = Drafting(8, costs)
    assert drafting.choose([0.7], [50], {}) >= 4
    assert drafting.choose([0.2], [50], {}) < drafting.choose([0.7], [50], {})
    assert drafting.choose([0.7] * 200, [50] * 200, {}) == 0
    assert drafting.choose([0.7], [50], {"base": 300}) == 0
    assert drafting.choose([0.7], [2], {}) == 2
    assert drafting.choose([0.7], [0], {}) == 0
    assert drafting.choose([], [], {"base": 3}) == 0
    dear = cost_of_weights({"base": 7_000, "expert": 7_000, "anti_expert": 7_000})
    assert Drafting(8, dear).choose([0.3], [50], {}) == 0
    assert Drafting(8, EAGER, tokens=64).choose([0.7] * 20, [50] * 20, {}) == 2  # 3 tokens of 20 rows


def test_the_paper_cost_of_a_step_is_the_weights_that_it_reads() -> None:
    drafting = Drafting(8, cost_of_weights({"base": 100, "expert": 5, "anti_expert": 5}))
    assert drafting.speed(0, [0.6], [9], {}) == pytest.approx(1 / 110)
    assert drafting.speed(3, [0.6], [9], {}) == pytest.approx((1 + 0.6 + 0.36 + 0.216) / (100 + 5 + 4 * 5))


def test_acceptance_is_learnt_and_forgotten() -> None:
    drafting = Drafting(4, {})
    assert drafting.rate() == 0.5
    for _ in range(100):
        drafting.learn(10, 9)
    assert drafting.rate() == pytest.approx(0.9, abs=0.02)
    assert drafting.rate(tried=80, agreed=0) < 0.15
    for _ in range(200):
        drafting.learn(10, 1)
    assert drafting.rate() == pytest.approx(0.1, abs=0.02)


def test_costs_are_measured_at_rising_sizes(models: Any, width: int) -> None:
    ticks = itertools.count()
    engine = Engine(models, width, slots=3, max_length=32)
    costs = measured_costs(engine._forward, 3, 4, 512, clock=lambda: float(next(ticks)))
    assert set(costs) == {"base", "expert", "anti_expert"}
    assert [tokens for tokens, _ in costs["base"].points] == [1, 2, 4, 9]
    assert {cost for _, cost in costs["base"].points} == {1.0}
    measured = Engine(models, width, slots=2, max_length=32, drafts=2)
    assert all(cost > 0 for _, cost in measured.drafting.costs["base"].points)
    request = Request(prompt_of(5, 5, width), 9, MIX)
    finish(measured, request)
    assert len(request.output) == 9


def test_shaped_rows_beside_drafts_are_the_plain_ones(models: Any, width: int) -> None:
    shaping = Shaping({7: 3.0}, repetition=1.4, frequency=0.7, presence=0.5, min_p=0.01)
    found = []
    for drafts, slots in ((0, 1), (4, 6)):
        requests = [
            Request(
                prompt_of(4 + n, n, width), 12, MIX, 0.9 * (n % 3 > 0), seed=n, logprobs=1,
                shaping=shaping if n % 2 else Shaping(),
            )
            for n in range(6)
        ]  # fmt: skip
        finish(Engine(models, width, slots, 64, drafts=drafts, costs=EAGER), *requests)
        found.append(requests)
    assert [request.output for request in found[0]] == [request.output for request in found[1]]
    for alone, crowd in zip(*found, strict=True):
        assert [s.logprob for s in crowd.output_scores] == pytest.approx([s.logprob for s in alone.output_scores], 1e-3)
        assert bool(crowd.drafted) != crowd.shaping.active


@pytest.mark.parametrize("drafts", [0, 4])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_attribution_beside_drafts_changes_no_answer(models: Any, width: int, drafts: int, temperature: float) -> None:
    plain, traced, neighbour = (
        Request(prompt_of(5, 2, width), 12, MIX, temperature, seed=7, logprobs=0, attribution=n == 1) for n in range(3)
    )
    finish(Engine(models, width, 1, 64), plain)
    finish(Engine(models, width, 2, 64, drafts=drafts, costs=EAGER), traced, neighbour)
    assert traced.output == neighbour.output == plain.output
    ids = torch.tensor([traced.ids + traced.output])
    with torch.inference_mode():
        alone = [one(input_ids=ids).logits[0, :, :width].log_softmax(-1) for one in models.values()]
    assert len(traced.output_sources) == len(traced.output)
    for at, (token, source) in enumerate(zip(traced.output, traced.output_sources, strict=True), len(traced.ids) - 1):
        assert list(source[:3]) == pytest.approx([float(one[at, token]) for one in alone], abs=1e-3)
