"""What is asked of an engine, and what comes of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from apollo_ray.ensemble import SINGLE, Weights
from apollo_ray.serve.sampling import Shaping, Source, source
from apollo_ray.serve.settings import ROLES
from apollo_ray.serve.speculative import can_draft


class Score(NamedTuple):
    """Of one token: natural logarithms of probabilities under the request's mix, before temperature and filters."""

    logprob: float
    top: list[tuple[int, float]]  # (id, logprob), likeliest first


@dataclass(eq=False)
class Request:
    """What to decode, and what came of it. The engine alone writes the fields from `output` on."""

    ids: list[int]
    max_new_tokens: int  # 0: the prompt is scored only
    weights: Weights = SINGLE["base"]
    temperature: float = 0.0
    top_k: int = 0  # 0: off
    top_p: float = 1.0
    seed: int = 0
    eos: frozenset[int] = frozenset()
    shaping: Shaping = field(default_factory=Shaping)  # bias and penalties; scores are of what was there before
    logprobs: int | None = None  # alternatives to list for each token; None: no scores
    prompt_logprobs: bool = False  # score the prompt's tokens too
    attribution: bool = False  # say of each new token what every model alone made of it; needs all three
    output: list[int] = field(default_factory=list)  # an end token included
    output_sources: list[Source] = field(default_factory=list)  # of `output`, if attribution
    output_scores: list[Score] = field(default_factory=list)  # of `output`, if logprobs
    prompt_scores: list[Score] = field(default_factory=list)  # of ids[1:], if prompt_logprobs
    finish: str | None = None  # stop (an end token), length or cancelled
    reused: int = 0  # tokens of the prompt that another request had computed
    drafted: int = 0  # drafts that were held against the combined distribution
    accepted: int = 0  # those of them that became output

    @property
    def runs(self) -> tuple[bool, ...]:
        """Which models (base, expert, anti-expert) see its tokens."""
        return tuple(bool(weight) or self.attribution for weight in self.weights)

    @property
    def drafts(self) -> bool:
        """Whether its tokens are drafts of the expert, held against the mix; what shapes the mix would refuse them."""
        return can_draft(self.weights) and not self.shaping.active

    @property
    def drafts_ahead(self) -> bool:
        """Whether a step may settle more than one. Attribution goes token by token, and changes no answer by it."""
        return self.drafts and not self.attribution


NOISE_BLOCK = 16


class Row:
    """A request in a slot. `cached` tokens of prompt and output are in the caches."""

    def __init__(self, request: Request, slot: int) -> None:
        self.request, self.slot, self.cached = request, slot, 0
        self._random = torch.Generator().manual_seed(request.seed)
        self._noise = torch.empty(0, 3)

    @property
    def in_prompt(self) -> bool:
        return self.cached < len(self.request.ids)

    @property
    def room(self) -> int:
        """Tokens that may still be generated."""
        return self.request.max_new_tokens - len(self.request.output)

    def pending(self, most: int) -> list[int]:
        """What the next forward is fed: at most `most` tokens of the prompt, or the last token of the answer."""
        if self.in_prompt:
            return self.request.ids[self.cached : self.cached + most]
        return self.request.output[-1:]

    def noise(self, position: int) -> Tensor:
        """float32 [3], uniform in [0, 1), that belongs to this position of the answer and to no other."""
        while len(self._noise) <= position:
            self._noise = torch.cat([self._noise, torch.rand(NOISE_BLOCK, 3, generator=self._random)])
        return self._noise[position]


def score(logits: Tensor, targets: list[int], alternatives: int) -> list[Score]:
    """Scores of `targets` under logits [targets, width]. Floats of a row come from one tensor, so equal is equal."""
    logprobs = logits.log_softmax(-1)
    chosen = logprobs.gather(-1, torch.tensor(targets, device=logits.device)[:, None])[:, 0].tolist()
    top = logprobs.topk(min(alternatives, logprobs.shape[-1]), dim=-1)
    listed = [list(zip(*pair, strict=True)) for pair in zip(top.indices.tolist(), top.values.tolist(), strict=True)]
    return [Score(logprob, pairs) for logprob, pairs in zip(chosen, listed, strict=True)]


def attribute(rows: Sequence[Row], mixed: Tensor, logits: Mapping[str, Tensor]) -> None:
    """Where the one token came from that a row with attribution gained; logits are [rows, positions, width]."""
    for index, row in enumerate(rows):
        request = row.request
        if request.attribution:
            alone = [logits[role][index, 0] for role in ROLES]
            request.output_sources.append(source(mixed[index, 0], alone, request.output[-1]))
