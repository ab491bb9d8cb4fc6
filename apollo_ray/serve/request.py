"""What is asked of an engine, and what comes of it."""

from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from apollo_ray.serve.proxy import SINGLE, Weights


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
    logprobs: int | None = None  # alternatives to list for each token; None: no scores
    prompt_logprobs: bool = False  # score the prompt's tokens too
    output: list[int] = field(default_factory=list)  # an end token included
    output_scores: list[Score] = field(default_factory=list)  # of `output`, if logprobs
    prompt_scores: list[Score] = field(default_factory=list)  # of ids[1:], if prompt_logprobs
    finish: str | None = None  # stop (an end token), length or cancelled
    reused: int = 0  # tokens of the prompt that another request had computed
    drafted: int = 0  # drafts that were held against the combined distribution
    accepted: int = 0  # those of them that became output


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
