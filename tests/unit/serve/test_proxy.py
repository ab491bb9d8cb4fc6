import copy
import json
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer
from transformers import (
    Qwen2Config,
    Qwen3Config,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from apollo_ray.config import INPUT, marked, parse
from apollo_ray.ensemble import combine, shared_vocabulary
from apollo_ray.errors import UserError
from apollo_ray.serve.cache import check_cacheable
from apollo_ray.serve.proxy import draw, parse_model_name, warp
from apollo_ray.serve.settings import StageSettings
from apollo_ray.tokenizer.bpe import train_bpe

NAMES = ("base", "expert", "anti_expert")


def _reload(tokenizer: Any) -> Any:
    return copy.deepcopy(tokenizer)


def test_the_narrowest_of_tokenizers_and_heads_is_shared(tokenizer: Any) -> None:
    size = len(tokenizer)
    assert shared_vocabulary([tokenizer] * 3, [size + 96, size, size + 64], NAMES) == size
    longer = _reload(tokenizer)
    longer.add_tokens(["<tool>"])
    assert shared_vocabulary([tokenizer, longer, tokenizer], [size + 96] * 3, NAMES) == size


def test_an_id_with_another_token_is_named(tokenizer: Any) -> None:
    base, expert = _reload(tokenizer), _reload(tokenizer)
    base.add_tokens(["<a>"])
    expert.add_tokens(["<b>"])
    size = len(base)
    with pytest.raises(UserError, match=f"^expert: id {size - 1} is '<b>', and in base it is '<a>'"):
        shared_vocabulary([base, expert, base], [size] * 3, NAMES)


def test_the_first_different_id_is_named(tokenizer: Any) -> None:
    other = train_bpe(["abcabc xyzxyz"] * 4, 300)
    table, others = ({number: token for token, number in t.get_vocab().items()} for t in (tokenizer, other))
    first = next(number for number in range(len(other)) if table[number] != others[number])
    with pytest.raises(UserError, match=f"^anti_expert: id {first} is"):
        shared_vocabulary([tokenizer, tokenizer, other], [400] * 3, NAMES)


def test_a_token_without_a_row_is_named(tokenizer: Any) -> None:
    size = len(tokenizer)
    with pytest.raises(UserError, match=f"^expert: token .* has id {size - 1}, .* {size - 4} rows"):
        shared_vocabulary([tokenizer] * 3, [size, size - 4, size], NAMES)


@pytest.mark.parametrize(
    ("part", "value", "rule"),
    [
        ("normalizer", {"type": "NFKC"}, "normaliser"),
        (
            "pre_tokenizer",
            {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
            "pre-",
        ),
        ("merges", 1, "model"),
    ],
)
def test_other_rules_with_the_same_ids_are_named(tokenizer: Any, part: str, value: Any, rule: str) -> None:
    other = _reload(tokenizer)
    raw = json.loads(tokenizer.backend_tokenizer.to_str())
    if part == "merges":
        raw["model"]["merges"] = raw["model"]["merges"][:-value]
    else:
        raw[part] = value
    other._tokenizer = Tokenizer.from_str(json.dumps(raw))
    with pytest.raises(UserError, match=f"^expert: the tokenizer's {rule}"):
        shared_vocabulary([tokenizer, other, tokenizer], [400] * 3, NAMES)


def test_probes_catch_what_the_rules_do_not_show(tokenizer: Any) -> None:
    class Shouting:
        backend_tokenizer, eos_token_id = tokenizer.backend_tokenizer, tokenizer.eos_token_id
        get_vocab = tokenizer.get_vocab

        def __call__(self, text: str, add_special_tokens: bool) -> Any:
            return tokenizer(text.upper(), add_special_tokens=add_special_tokens)

    with pytest.raises(UserError, match=r"^expert: 'The patient .* encodes otherwise than in base, from token 0 on"):
        shared_vocabulary([tokenizer, Shouting(), tokenizer], [400] * 3, NAMES)


def test_the_mix_is_exact() -> None:
    base, expert, anti = torch.randn(3, 2, 5, 64).mul(30).unbind(0)
    rows = torch.tensor([[1.0, 0.0, 0.0], [1.0, 2.5, -2.5]])
    mixed = combine(base, expert, anti, rows)
    assert torch.equal(mixed[0], base[0])
    torch.testing.assert_close(mixed[1], base[1] + 2.5 * (expert[1] - anti[1]), rtol=1e-4, atol=1e-4)
    assert torch.equal(combine(base, expert, expert, torch.tensor([[1.0, 3.3, -3.3]] * 2)), base)
    assert torch.equal(combine(base, expert, anti, torch.tensor([[1.0, 0.0, -0.0]] * 2)), base)
    assert torch.equal(combine(base, expert, anti, torch.tensor([[0.0, 1.0, 0.0]] * 2)), expert)
    assert torch.equal(combine(base, expert, anti, torch.tensor([[0.0, 0.0, 1.0]] * 2)), anti)
    assert combine(base.bfloat16(), None, None, rows).dtype == torch.float32


@pytest.mark.parametrize(
    ("temperature", "top_k", "top_p"), [(1.0, 0, 1.0), (0.7, 5, 1.0), (1.6, 0, 0.8), (1.3, 9, 0.6)]
)
def test_warp_is_what_transformers_does(temperature: float, top_k: int, top_p: float) -> None:
    logits = torch.randn(6, 50, generator=torch.Generator().manual_seed(1)) * 3
    expected = TemperatureLogitsWarper(temperature)(None, logits.clone())
    expected = TopKLogitsWarper(top_k)(None, expected) if top_k else expected
    expected = TopPLogitsWarper(top_p)(None, expected) if top_p < 1 else expected
    # A row with other parameters shares the batch.
    got = warp(
        torch.cat([logits, logits[:1]]),
        torch.tensor([temperature] * 6 + [0.0]),
        torch.tensor([top_k] * 6 + [3]),
        torch.tensor([top_p] * 6 + [0.5]),
    )
    torch.testing.assert_close(got[:6], expected.softmax(-1), rtol=1e-5, atol=1e-7)
    assert got[6].tolist() == torch.nn.functional.one_hot(logits[0].argmax(), 50).tolist()


def test_draw_follows_the_probabilities_and_never_takes_the_impossible() -> None:
    probabilities = torch.tensor([0.0, 0.25, 0.0, 0.75, 0.0])
    uniforms = torch.linspace(0, 1, 10_001)[:-1]
    uniforms[-1] = 1 - 2**-24  # the largest float32 below 1
    counts = torch.bincount(draw(probabilities.expand(10_000, -1), uniforms), minlength=5)
    assert counts.tolist() == [0, 2_500, 0, 7_500, 0]


def test_model_names() -> None:
    assert parse_model_name("ensemble", 0.7, "ensemble", True) == (1.0, 0.7, -0.7)
    assert parse_model_name("ensemble@0.5", 0.7, "ensemble", True) == (1.0, 0.5, -0.5)
    assert parse_model_name("apollo@-1", 0.7, "apollo", True) == (1.0, -1.0, 1.0)
    assert parse_model_name("anti_expert", 0.7, "ensemble", True) == (0.0, 0.0, 1.0)
    assert parse_model_name("ensemble", 0.7, "ensemble", False) == (1.0, 0.0, 0.0)
    for wrong in ("gpt-4", "ensemble@", "ensemble@x", "ensemble@nan", "ensemble@1e9", "base@1", ""):
        with pytest.raises(UserError, match="model '"):
            parse_model_name(wrong, 0.7, "ensemble", True)
    with pytest.raises(UserError, match=r"there are: ensemble, base$"):
        parse_model_name("expert", 0.7, "ensemble", False)


def test_models_that_the_cache_cannot_hold_are_named() -> None:
    check_cacheable(Qwen2Config(), "base", 1024)
    sliding = Qwen3Config(num_hidden_layers=2, layer_types=["full_attention", "sliding_attention"])
    with pytest.raises(UserError, match=r"^expert: layer 1 of qwen3 is 'sliding_attention'"):
        check_cacheable(sliding, "expert", 1024)
    with pytest.raises(UserError, match="max_length 4096 is past the 2048 positions"):
        check_cacheable(Qwen2Config(max_position_embeddings=2048), "base", 4096)
    dynamic = Qwen2Config(rope_parameters={"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e4})
    with pytest.raises(UserError, match="'dynamic' depends on the batch"):
        check_cacheable(dynamic, "base", 1024)


def test_settings() -> None:
    three = parse(StageSettings, {"base": "b", "expert": "e", "anti_expert": "a"}, "steps.x")
    assert [value for _, value in marked(three, INPUT)] == ["b", "e", "a"]
    assert parse(StageSettings, {"base": "b"}, "steps.x").models == {"base": "b"}
    for wrong in (
        {"expert": "e"},
        {"model_name": "base"},
        {"alpha": float("nan")},
        {"port": 70_000},
        {"replicas": 0},
        {"replicas": 2, "max_replicas": 1},
    ):
        with pytest.raises(UserError, match="steps"):
            parse(StageSettings, {"base": "b", **wrong}, "steps.x")
