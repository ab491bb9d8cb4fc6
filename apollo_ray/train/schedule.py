"""Learning rate: linear warm-up, then cosine to a share of the peak."""

import math


def learning_rate_factor(step: int, steps: int, warmup: float, final: float) -> float:
    """Share of the peak at a 0-based optimizer step.

    The published code planned 1.35 times the steps that it ran and so ended at 16.6 % of the peak; `final` 0.166 gives
    its end point, 0 the intended one.
    """
    rising = math.ceil(steps * warmup)
    if step < rising:
        return (step + 1) / rising
    progress = (step - rising) / max(1, steps - rising)
    return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
