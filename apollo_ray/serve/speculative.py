"""Speculative decoding of the ensemble: the expert drafts, and the other two check several drafts in one forward.

The expert runs for every token anyway, so its drafts are free. Each position of an answer has three uniform numbers
of its own: a draft d is drawn from the expert's distribution q with the first, it is accepted with probability
min(1, p(d) / q(d)) against the combined distribution p by the second, and otherwise the token is drawn from the
residual (p - q)+ with the third. So the token follows p exactly (Leviathan et al., arXiv 2211.17192; Chen et al.,
arXiv 2302.01318), p and q both after temperature, top-k and top-p. Greedily both are one-hot: the answer is the plain
one.

Unlike there, the token after the last draft is drawn in the same way, from the expert's distribution, which is there,
and not from p. So a token is a function of what is before it and of its three numbers, however many drafts were
checked together: a seed gives the same answer with any number of drafts and with none, and the number may follow the
load from step to step.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from apollo_ray.serve.forward import Forward
from apollo_ray.serve.proxy import draw

BALANCE = 200.0
"""Tokens in one forward at which arithmetic takes as long as reading the weights: an H200 in bfloat16."""

MARGIN = 1.05
"""Drafting must promise this much more speed than none: costs are measured with noise."""

PRIOR_RATE, PRIOR_WEIGHT = 0.5, 8.0
"""What is taken for acceptance before any draft was checked, and how many drafts that counts for."""

MEMORY = 400.0
"""Drafts over which the acceptance of all requests is averaged."""

REPEATS = 3


def settle(p: Tensor, q: Tensor, drafts: Tensor, noise: Tensor, drafted: Tensor) -> tuple[Tensor, Tensor]:
    """(tokens, accepted), int64 and bool [positions], each token distributed by its row of p.

    p and q are float32 probabilities [positions, width], drafts int64 [positions], drawn from q; `noise` float32
    [positions, 2] in [0, 1) is independent of the drafts; where `drafted` (bool) is false, the token is drawn from p.
    """
    p_draft = p.gather(-1, drafts[:, None])[:, 0]
    q_draft = q.gather(-1, drafts[:, None])[:, 0]
    accepted = drafted & (noise[:, 0].to(p.device) * q_draft < p_draft)
    tokens = drafts.clone()
    refused = (~accepted).nonzero()[:, 0]
    if len(refused):
        rest = torch.where(drafted[refused, None], (p[refused] - q[refused]).clamp_min(0), p[refused])
        # Where p and q differ by rounding alone, nothing is left of the difference, and p is as good.
        rest = torch.where(rest.sum(-1, keepdim=True) > 0, rest, p[refused])
        tokens[refused] = draw(rest, noise[refused.to(noise.device), 1])
    return tokens, accepted


@dataclass(frozen=True)
class Cost:
    """Of one forward by its tokens (padding included): known at `points` (tokens, cost), straight lines between."""

    points: tuple[tuple[int, float], ...]

    def __call__(self, tokens: int) -> float:
        """Cost of `tokens`; beyond the last point it grows as the tokens do."""
        if tokens <= self.points[0][0]:
            return self.points[0][1]
        for (left, low), (right, high) in zip(self.points, self.points[1:], strict=False):
            if tokens <= right:
                return low + (high - low) * (tokens - left) / (right - left)
        most, cost = self.points[-1]
        return cost * tokens / most


Costs = Mapping[str, Cost]
"""role -> cost of its forward, in any one unit."""


def cost_of_weights(parameters: Mapping[str, int], balance: float = BALANCE) -> Costs:
    """On paper: a forward reads every weight once, and up to `balance` tokens that hides the arithmetic."""
    most = 1 << 14
    return {
        role: Cost(((1, number), (int(balance), number), (most, number * most / balance)))
        for role, number in parameters.items()
    }


@torch.inference_mode()
def measured_costs(
    forward: Forward, rows: int, width: int, most: int = 512, clock: Callable[[], float] = perf_counter
) -> Costs:
    """Seconds of each model's forward at 1, 2, 4 ... rows * width tokens (to `most`), on slots that are empty."""
    width = min(width, forward.max_length)
    most = min(most, rows * width)
    sizes = [1 << power for power in range(most.bit_length())]
    found: dict[str, list[tuple[int, float]]] = {role: [] for role in forward.models}
    for size in sizes:
        wide = next(w for w in range(1, width + 1) if w * rows >= size)
        many = -(-size // wide)
        batch = forward.batch(range(many), [0] * many, [[0] * wide] * many)
        kept = torch.arange(wide, device=forward.device)
        for role in forward.models:
            best = float("inf")
            for _ in range(REPEATS):
                start = clock()
                forward.run(role, batch, kept)[0, -1, 0].item()  # waits for the device
                best = min(best, clock() - start)
            found[role].append((many * wide, best))
    return {role: Cost(_rising(points)) for role, points in found.items()}


def _rising(points: list[tuple[int, float]]) -> tuple[tuple[int, float], ...]:
    """A larger forward is never cheaper; where it seemed so, the smaller one was disturbed."""
    best, kept = float("inf"), {}
    for tokens, cost in reversed(points):
        best = min(best, cost)
        kept[tokens] = best
    return tuple(sorted(kept.items()))


def expected(rate: float, drafts: int) -> float:
    """Tokens from one step with `drafts` drafts, each accepted with probability `rate`."""
    return drafts + 1.0 if rate >= 1 else float((1 - rate ** (drafts + 1)) / (1 - rate))


class Drafting:
    """How many drafts to check in a step: whatever promises the most tokens for their cost. At most `most`."""

    def __init__(self, most: int, costs: Costs, tokens: int = 512) -> None:
        """`tokens` bounds what one forward checks, and so the memory of its logits."""
        self.most, self.costs, self.tokens = most, costs, tokens
        self._tried = self._agreed = 0.0

    def learn(self, tried: int, agreed: int) -> None:
        """That of `tried` drafts `agreed` were accepted."""
        fade = max(0.0, 1 - tried / MEMORY)
        self._tried, self._agreed = self._tried * fade + tried, self._agreed * fade + agreed

    def rate(self, tried: int = 0, agreed: int = 0) -> float:
        """Acceptance to be expected of a request of which these drafts were checked."""
        general = (self._agreed + PRIOR_RATE * PRIOR_WEIGHT) / (self._tried + PRIOR_WEIGHT)
        return (agreed + general * PRIOR_WEIGHT) / (tried + PRIOR_WEIGHT)

    def choose(self, rates: Sequence[float], rooms: Sequence[int], others: Mapping[str, int]) -> int:
        """Drafts for this step. `rates` and `rooms` (drafts that may still be used) are of the rows that can draft;
        `others` says, for each role, how many further rows run on it without."""
        if not rates or not self.most:
            return 0
        rows = len(rates) + max(others.values(), default=0)
        best, most = 0, min(self.most, max(rooms), self.tokens // rows - 1)
        speed = bar = self.speed(0, rates, rooms, others)
        for drafts in range(1, most + 1):
            found = self.speed(drafts, rates, rooms, others)
            if found > max(speed, MARGIN * bar):
                best, speed = drafts, found
        return best

    def speed(self, drafts: int, rates: Sequence[float], rooms: Sequence[int], others: Mapping[str, int]) -> float:
        """Expected tokens for the cost of a step."""
        tokens = sum(expected(rate, min(drafts, room)) for rate, room in zip(rates, rooms, strict=True))
        tokens += max(others.values(), default=0)
        cost = sum(
            self.costs[role]((len(rates) + others.get(role, 0)) * (drafts + 1)) for role in ("base", "anti_expert")
        )
        for step in range(drafts + 1):
            rows = sum(room >= step for room in rooms) + (others.get("expert", 0) if step == 0 else 0)
            cost += self.costs["expert"](rows)
        return tokens / cost


def can_draft(weights: Sequence[Any]) -> bool:
    """Whether a mix has something to draft with and something to check."""
    return bool(weights[1]) and bool(weights[0] or weights[2])
