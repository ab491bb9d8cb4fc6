"""Cross-entropy summed over supervised tokens; the caller divides by their number in the whole global batch."""

import torch
from torch.nn import functional

from apollo_ray.records import IGNORED


def summed_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Sum in nats, float32. logits [batch, length, vocabulary]; labels [batch, length], not shifted."""
    targets = functional.pad(labels, (0, 1), value=IGNORED)[:, 1:]
    supervised = targets != IGNORED
    # Selected before the cast: most tokens of a conversation carry no loss, and logits are the largest tensor there is.
    return functional.cross_entropy(logits[supervised].float(), targets[supervised], reduction="sum")


def supervised_tokens(labels: torch.Tensor) -> int:
    """Tokens that `summed_loss` sums over."""
    return int((labels[:, 1:] != IGNORED).sum())
