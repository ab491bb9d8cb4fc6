"""Proxy tuning (Liu et al., arXiv 2401.08565): one distribution from three models with one vocabulary.

    logits = base + alpha * (expert - anti_expert)

A request asks for any mix of the three by its weights (base, expert, anti-expert).
"""

import hashlib
import json
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from apollo_ray.errors import UserError
from apollo_ray.serve.settings import MAX_ALPHA

Weights = tuple[float, float, float]
"""Of base, expert and anti-expert."""

SINGLE: dict[str, Weights] = {"base": (1.0, 0.0, 0.0), "expert": (0.0, 1.0, 0.0), "anti_expert": (0.0, 0.0, 1.0)}

GREEDY_BELOW = 1e-5
"""Temperatures under this are greedy: dividing by them would overflow float32."""

PROBES = (
    "The patient was given 5 mg/kg of amoxicillin.",
    "患者出现发热、咳嗽三天。",
    "मरीज को तीन दिन से बुखार है।",
    "El niño presenta disnea y fiebre.",
    "Le patient présente une fièvre élevée.",
    "يعاني المريض من ارتفاع ضغط الدم.",
    "  \n\tβ-blocker 12½ µg 😷",
)


def shared_vocabulary(tokenizers: Sequence[Any], head_sizes: Sequence[int], names: Sequence[str]) -> int:
    """How many leading ids mean the same token in every model: the width at which logits may be added.

    `head_sizes` are the rows of each model's output layer; rows past the tokenizer's last id are padding. The first
    tokenizer encodes all text. Raises UserError with the first difference between a model and the first one.
    """
    tables = [{number: token for token, number in tokenizer.get_vocab().items()} for tokenizer in tokenizers]
    for name, table, rows in zip(names, tables, head_sizes, strict=True):
        if max(table) >= rows:
            token = table[max(table)]
            raise UserError(f"{name}: token {token!r} has id {max(table)}, and the output layer has {rows} rows only")
    width = min(*(max(table) + 1 for table in tables), *head_sizes)
    for name, table in zip(names[1:], tables[1:], strict=True):
        for number in range(width):
            if table.get(number) != tables[0].get(number):
                raise UserError(
                    f"{name}: id {number} is {table.get(number)!r}, and in {names[0]} it is {tables[0].get(number)!r}; "
                    "proxy tuning needs one vocabulary"
                )
    for name, tokenizer in zip(names[1:], tokenizers[1:], strict=True):
        _check_same_rules(tokenizers[0], tokenizer, names[0], name)
    end = tokenizers[0].eos_token_id
    if end is not None and end >= width:
        raise UserError(f"{names[0]}: the end token has id {end}, and only {width} ids are shared: no answer would end")
    return width


def _check_same_rules(first: Any, other: Any, first_name: str, name: str) -> None:
    rules, others = _rules(first, first_name), _rules(other, name)
    for rule, value in rules.items():
        if others[rule] != value:
            raise UserError(
                f"{name}: the tokenizer's {rule} differs from that of {first_name} ({others[rule]} against {value})"
            )
    for probe in PROBES:
        ids = [tokenizer(probe, add_special_tokens=False)["input_ids"] for tokenizer in (first, other)]
        if ids[0] != ids[1]:
            at = next((i for i, pair in enumerate(zip(*ids, strict=False)) if pair[0] != pair[1]), min(map(len, ids)))
            raise UserError(f"{name}: {probe!r} encodes otherwise than in {first_name}, from token {at} on")


def _rules(tokenizer: Any, name: str) -> dict[str, str]:
    """What decides how text is cut, apart from the ids, which are compared one by one."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise UserError(f"{name}: a {type(tokenizer).__name__} cannot be compared; a tokenizer.json is needed")
    parts = json.loads(backend.to_str())
    model = parts["model"]
    if isinstance(model.get("vocab"), dict):
        model = {key: value for key, value in model.items() if key != "vocab"}
    digest = hashlib.sha256(json.dumps(model, sort_keys=True).encode()).hexdigest()[:12]
    return {
        "normaliser": json.dumps(parts.get("normalizer"), sort_keys=True),
        "pre-tokenizer": json.dumps(parts.get("pre_tokenizer"), sort_keys=True),
        "model (type, merges, options)": f"{model['type']} {digest}",
    }


def parse_model_name(name: str, default_alpha: float, ensemble: str, experts: bool) -> Weights:
    """Weights of `ensemble`, `ensemble@0.5` (alpha for this request), `base`, `expert` or `anti_expert`.

    `ensemble` is the name that the deployment gave it; without `experts` it is the base alone. Raises UserError for
    any other name.
    """
    if name == ensemble:
        return (1.0, default_alpha, -default_alpha) if experts else SINGLE["base"]
    if name == "base" or (experts and name in SINGLE):
        return SINGLE[name]
    head, at, text = name.partition("@")
    if experts and head == ensemble and at:
        try:
            alpha = float(text)
        except ValueError:
            alpha = math.nan
        if not abs(alpha) <= MAX_ALPHA:
            raise UserError(
                f"model {name!r}: alpha must be a number from {-MAX_ALPHA:g} to {MAX_ALPHA:g}, not {text!r}"
            )
        return (1.0, alpha, -alpha)
    known = [ensemble, f"{ensemble}@ALPHA", *SINGLE] if experts else [ensemble, "base"]
    raise UserError(f"model {name!r} does not exist; there are: {', '.join(known)}")


def combine(base: Tensor, expert: Tensor | None, anti: Tensor | None, weights: Tensor) -> Tensor:
    """float32 logits of each row's own mix; logits are [rows, ..., vocabulary], weights float32 [rows, 3].

    The difference of the small models is taken first, so where they agree, and at alpha 0, the base comes out bit by
    bit.
    """
    w0, w1, w2 = weights.view(-1, *([1] * (base.dim() - 1)), 3).unbind(-1)
    if expert is None or anti is None:
        return w0 * base.float()
    return w0 * base.float() + (w1 * expert.float() + w2 * anti.float())


def warp(logits: Tensor, temperature: Tensor, top_k: Tensor, top_p: Tensor) -> Tensor:
    """Probabilities [rows, vocabulary] after temperature, top-k and top-p, in the order of transformers' generate.

    The parameters have a value a row and lie on the CPU (so looking at them stalls no GPU). top_k 0 and top_p 1 keep
    everything. Temperature 0 gives all mass to the likeliest token, the lowest id of equals.
    """
    greedy = temperature < GREEDY_BELOW
    device, width = logits.device, logits.shape[-1]
    scaled = logits / torch.where(greedy, 1.0, temperature).to(device)[:, None]
    if bool((top_k > 0).any()) or bool((top_p < 1).any()):
        ordered, order = scaled.sort(dim=-1, descending=True, stable=True)
        kept = torch.where(top_k > 0, top_k, width).to(device)[:, None]
        ordered = ordered.masked_fill(torch.arange(width, device=device) >= kept, -torch.inf)
        shares = ordered.softmax(-1)
        before = shares.cumsum(-1) - shares
        outside = (before >= top_p.to(device)[:, None]) & (top_p < 1).to(device)[:, None]
        outside[:, 0] = False
        scaled = torch.full_like(scaled, -torch.inf).scatter(-1, order, ordered.masked_fill(outside, -torch.inf))
    probabilities = scaled.softmax(-1)
    if bool(greedy.any()):
        likeliest = torch.nn.functional.one_hot(logits.argmax(-1), width).to(probabilities.dtype)
        probabilities = torch.where(greedy.to(device)[:, None], likeliest, probabilities)
    return probabilities


def draw(probabilities: Tensor, uniforms: Tensor) -> Tensor:
    """Token ids [rows]: the inverse of each row's distribution function at its own uniform in [0, 1).

    So a token depends on its row alone. `uniforms` must be float32: its largest value below 1 then stays below 1 in the
    float64 sums, and no token of probability 0 is drawn.
    """
    sums = probabilities.double().cumsum(-1)
    at = uniforms.to(probabilities.device).double() * sums[:, -1]
    return torch.searchsorted(sums, at[:, None], right=True)[:, 0]
