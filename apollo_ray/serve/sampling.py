"""What a request does to the mix's logits before a token is drawn, and where each token came from. Pure.

The order is vLLM's: bias, repetition, frequency and presence penalty, then temperature, min-p, top-k and top-p. All act
on the combined logits, never on those of one model, so alpha keeps its meaning.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor


@dataclass(frozen=True)
class Shaping:
    """Changes to a row's logits; the defaults change nothing."""

    bias: Mapping[int, float] = field(default_factory=dict)  # token id -> added to its logit
    repetition: float = 1.0  # of tokens in prompt or answer: positive logits divided by it, negative ones multiplied
    frequency: float = 0.0  # taken off for each time that the token stands in the answer
    presence: float = 0.0  # taken off once for tokens that stand in the answer
    min_p: float = 0.0  # tokens under this share of the likeliest one's probability are out

    @property
    def active(self) -> bool:
        """False where logits stay as they are."""
        return self != Shaping()


def shape(logits: Tensor, shaping: Shaping, prompt: Sequence[int], output: Sequence[int], temperature: float) -> Tensor:
    """New logits [vocabulary] from those of the mix; ids are within the vocabulary.

    min-p compares probabilities after `temperature`: p >= min_p * max(p) is a bound on the logits.
    """
    shaped = logits.clone()
    device = logits.device
    if shaping.bias:
        ids = torch.tensor(list(shaping.bias), device=device)
        shaped[ids] += torch.tensor(list(shaping.bias.values()), dtype=logits.dtype, device=device)
    if shaping.repetition != 1:
        ids = torch.tensor([*{*prompt, *output}], dtype=torch.long, device=device)
        seen = shaped[ids]
        shaped[ids] = torch.where(seen > 0, seen / shaping.repetition, seen * shaping.repetition)
    if output and (shaping.frequency or shaping.presence):
        ids, counts = torch.tensor(list(output), device=device).unique(return_counts=True)
        shaped[ids] -= shaping.frequency * counts.to(logits.dtype) + shaping.presence
    if shaping.min_p > 0:
        least = shaped.max() + temperature * math.log(shaping.min_p)
        shaped = shaped.masked_fill(shaped < least, -torch.inf)
    return shaped


def shape_rows(logits: Tensor, rows: Sequence[tuple[Shaping, Sequence[int], Sequence[int], float]]) -> Tensor:
    """`shape` for logits [rows, vocabulary]; the same tensor where no row asks for anything."""
    if not any(row[0].active for row in rows):
        return logits
    shaped = [shape(own, *row) if row[0].active else own for own, row in zip(logits, rows, strict=True)]
    return torch.stack(shaped)


class Source(NamedTuple):
    """Of one token: its natural log-probability under each model alone, and how far the mix went from the base."""

    base: float
    expert: float
    anti_expert: float
    divergence: float  # KL(mix || base) in nats over the whole distribution; 0: the base was left alone
    entropy: float  # of the mix, in nats; 0: it was sure


def source(mix: Tensor, models: Sequence[Tensor], token: int) -> Source:
    """`mix` and `models` (base, expert, anti-expert) are logits [vocabulary] of one position, before any shaping."""
    own = [logits.double().log_softmax(-1) for logits in models]
    mixed = mix.double().log_softmax(-1)
    divergence = (mixed.exp() * (mixed - own[0])).sum().clamp_min(0)
    base, expert, anti = (float(logprobs[token]) for logprobs in own)
    entropy = -(mixed.exp() * mixed).sum()
    return Source(base, expert, anti, float(divergence), float(entropy))
