"""Learning rate: linear warm-up, then cosine."""

import math
from typing import Literal

PLANNED = 0.35
"""The published code plans for (epochs + 0.35) / epochs of the steps that it runs (Apollo, src/sft/train_*.py: 226), so
that after one epoch its rate stands at 16.6 % of the peak."""


def learning_rate_factor(
    step: int,
    steps: float,
    warmup: float,
    final: float,
    schedule: Literal["cosine", "published"] = "cosine",
    epochs: int = 1,
) -> float:
    """Share of the peak at a 0-based optimizer step. `final`: the share that "cosine" ends at."""
    if schedule == "published":
        steps, final = steps * (epochs + PLANNED) / epochs, 0.0
    rising = math.ceil(steps * warmup)
    if step < rising:
        return (step + 1) / rising
    progress = (step - rising) / max(1, steps - rising)
    return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
