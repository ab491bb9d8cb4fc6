"""One distribution from several models with one vocabulary: what serving and evaluating an ensemble share.

logits = base + alpha * (expert - anti_expert)        proxy tuning, Liu et al., arXiv 2401.08565
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from apollo_ray.errors import UserError

Weights = tuple[float, float, float]
"""Of base, expert and anti-expert."""

SINGLE: dict[str, Weights] = {"base": (1.0, 0.0, 0.0), "expert": (0.0, 1.0, 0.0), "anti_expert": (0.0, 0.0, 1.0)}

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


def combine(base: Tensor, expert: Tensor | None, anti: Tensor | None, weights: Tensor) -> Tensor:
    """float32 logits of each row's own mix; logits are [rows, ..., vocabulary], weights float32 [rows, 3].

    The difference of the small models is taken first, so where they agree, and at alpha 0, the base comes out bit by
    bit.
    """
    w0, w1, w2 = weights.view(-1, *([1] * (base.dim() - 1)), 3).unbind(-1)
    if expert is None or anti is None:
        return w0 * base.float()
    return w0 * base.float() + (w1 * expert.float() + w2 * anti.float())
