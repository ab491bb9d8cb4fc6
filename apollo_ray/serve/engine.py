"""Continuous batching: sequences join and leave between steps, and one step is one batched forward of every model.

A request's mix is fixed for its life, so a model that the mix gives no weight never sees its tokens: a request for the
base alone costs the base alone.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from apollo_ray.errors import UserError
from apollo_ray.serve.cache import SlotCache
from apollo_ray.serve.proxy import GREEDY_BELOW, SINGLE, Weights, combine, draw, warp
from apollo_ray.serve.sampling import Shaping, Source, shape_rows, source

ROLES = ("base", "expert", "anti_expert")  # in the order of Weights

PREFILL_TOKENS = 512
"""Prompt tokens (padding included) in one forward: bounds the logits that prompt logprobs need, 311 MB in float32 a
model at 152,000 ids, and the wait of the sequences that are decoding."""


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


@dataclass(eq=False)
class _Row:
    """A request in a slot. `cached` tokens of prompt and output are in the caches."""

    request: Request
    slot: int
    cached: int
    random: torch.Generator

    @property
    def in_prompt(self) -> bool:
        return self.cached < len(self.request.ids)

    def pending(self, most: int) -> list[int]:
        if self.in_prompt:
            return self.request.ids[self.cached : self.cached + most]
        return self.request.output[-1:]


class Engine:
    """Decodes requests with `models` (role -> transformers model) over the first `width` ids. For one thread."""

    def __init__(
        self, models: Mapping[str, Any], width: int, slots: int, max_length: int, prefill_tokens: int = PREFILL_TOKENS
    ) -> None:
        self._models = dict(models)
        self.width, self.max_length = width, max_length
        self._prefill_tokens = prefill_tokens
        self._caches = {role: SlotCache(slots, max_length) for role in models}
        self._device = models["base"].device
        self._dtype = models["base"].dtype
        self._waiting: deque[Request] = deque()
        self._rows: list[_Row] = []
        self._free = list(reversed(range(slots)))
        self._prompt_turn = True

    @property
    def idle(self) -> bool:
        return not self._rows and not self._waiting

    @property
    def free_slots(self) -> int:
        return len(self._free)

    def check(self, request: Request) -> None:
        """Raises UserError where the request cannot be decoded."""
        if not request.ids:
            raise UserError("the prompt has no tokens")
        if not 0 <= min(request.ids) <= max(request.ids) < self.width:
            wrong = next(number for number in request.ids if not 0 <= number < self.width)
            raise UserError(f"token id {wrong} is not in the vocabulary: 0 to {self.width - 1}")
        if request.attribution and len(self._models) < len(ROLES):
            raise UserError("attribution needs a deployment with expert and anti-expert")
        if len(request.ids) + request.max_new_tokens > self.max_length:
            raise UserError(
                f"{len(request.ids)} prompt tokens and {request.max_new_tokens} to generate are more than the maximum "
                f"context length of {self.max_length} tokens"
            )

    def add(self, request: Request) -> None:
        """Queue a request; it joins as soon as a slot is free, first come first served."""
        self.check(request)
        self._waiting.append(request)

    def cancel(self, request: Request) -> None:
        """Drop a request and free its slot; nothing happens to one that is finished."""
        if request in self._waiting:
            self._waiting.remove(request)
            request.finish = "cancelled"
        for row in self._rows:
            if row.request is request:
                self._leave(row, "cancelled")
                break

    @torch.inference_mode()
    def step(self) -> list[Request]:
        """One forward of every model; returns the requests that moved on."""
        while self._waiting and self._free:
            request = self._waiting.popleft()
            random = torch.Generator().manual_seed(request.seed)
            self._rows.append(_Row(request, self._free.pop(), 0, random))
        rows = self._choose()
        if not rows:
            return []
        fed = self._fed(rows)
        logits, kept, parts = self._forward(rows, fed)
        ready, last, alone = [], [], []
        for index, row in enumerate(rows):
            if row.request.prompt_logprobs and row.in_prompt:
                self._score_prompt(row, len(fed[index]), logits[index])
            row.cached += len(fed[index])
            if not row.in_prompt:
                ready.append(row)
                at = kept.index(len(fed[index]) - 1)
                last.append(logits[index, at])
                alone.append([part[index, at] for part in parts.values()] if row.request.attribution else [])
        generating = [index for index, row in enumerate(ready) if row.request.max_new_tokens > 0]
        if generating:
            mixed = torch.stack([last[index] for index in generating])
            self._generate([ready[index] for index in generating], mixed)
        for row, mix, models in zip(ready, last, alone, strict=True):
            if models and row.request.output:
                row.request.output_sources.append(source(mix, models, row.request.output[-1]))
        for row in ready:
            request = row.request
            if request.output and request.output[-1] in request.eos:
                self._leave(row, "stop")
            elif len(request.output) >= request.max_new_tokens:
                self._leave(row, "length")
        return [row.request for row in rows]

    def _choose(self) -> list[_Row]:
        """Prompts and running answers take turns: mixed, every answer's row would be padded to a prompt's width."""
        prompts = [row for row in self._rows if row.in_prompt]
        answers = [row for row in self._rows if not row.in_prompt]
        if answers and not (prompts and self._prompt_turn):
            self._prompt_turn = True
            return answers
        self._prompt_turn = False
        chosen: list[_Row] = []
        width = 0
        for row in prompts:
            width = max(width, len(row.pending(self._prefill_tokens)))
            if chosen and width * (len(chosen) + 1) > self._prefill_tokens:
                break
            chosen.append(row)
        return chosen

    def _fed(self, rows: list[_Row]) -> list[list[int]]:
        return [row.pending(self._prefill_tokens) for row in rows]

    def _forward(self, rows: list[_Row], fed: list[list[int]]) -> tuple[Tensor, list[int], dict[str, Tensor]]:
        """(logits [rows, kept, width] of each row's mix, which fed positions are kept, logits of each model alone)."""
        widest = max(map(len, fed))
        ids, positions, columns = [], [], []
        for row, tokens in zip(rows, fed, strict=True):
            padding = widest - len(tokens)
            at = list(range(row.cached, row.cached + len(tokens)))
            ids.append(tokens + [0] * padding)
            positions.append(at + [0] * padding)
            columns.append(at + [self.max_length] * padding)
        length = max(row.cached + len(tokens) for row, tokens in zip(rows, fed, strict=True))
        if any(row.request.prompt_logprobs and row.in_prompt for row in rows):
            kept = list(range(widest))
        else:
            kept = sorted({len(tokens) - 1 for tokens in fed})
        place = self._tensor(positions)
        seen = torch.arange(length, device=self._device) <= place[:, None, :, None]
        mask = torch.zeros(seen.shape, dtype=self._dtype, device=self._device)
        mask = mask.masked_fill(~seen, torch.finfo(self._dtype).min)
        slots, cells = self._tensor([row.slot for row in rows]), self._tensor(columns)
        tokens_in, keep = self._tensor(ids), self._tensor(kept)
        logits: dict[str, Tensor] = {}
        for role, model in self._models.items():
            weight = ROLES.index(role)
            wanted = [i for i, row in enumerate(rows) if row.request.weights[weight] or row.request.attribution]
            logits[role] = torch.zeros(len(rows), len(kept), self.width, device=self._device)
            if not wanted:
                continue
            chosen = self._tensor(wanted)
            self._caches[role].place(slots[chosen], cells[chosen], length)
            out = model(
                input_ids=tokens_in[chosen],
                attention_mask=mask[chosen],
                position_ids=place[chosen],
                past_key_values=self._caches[role],
                use_cache=True,
                logits_to_keep=keep,
            )
            logits[role][chosen] = out.logits[..., : self.width].float()
        weights = torch.tensor([row.request.weights for row in rows], dtype=torch.float32, device=self._device)
        return combine(logits["base"], logits.get("expert"), logits.get("anti_expert"), weights), kept, logits

    def _generate(self, rows: list[_Row], logits: Tensor) -> None:
        """One more token for each row from its last logits [rows, width]."""
        requests = [row.request for row in rows]
        temperature = torch.tensor([request.temperature for request in requests])
        shaped = shape_rows(logits, [(one.shaping, one.ids, one.output, one.temperature) for one in requests])
        if bool((temperature < GREEDY_BELOW).all()):
            tokens = shaped.argmax(-1)
        else:
            top_k = torch.tensor([request.top_k for request in requests])
            top_p = torch.tensor([request.top_p for request in requests])
            uniforms = torch.stack([torch.rand((), generator=row.random) for row in rows])
            tokens = draw(warp(shaped, temperature, top_k, top_p), uniforms)
        for index, (request, token) in enumerate(zip(requests, tokens.tolist(), strict=True)):
            if request.logprobs is not None:
                request.output_scores += _scores(logits[index : index + 1], [token], request.logprobs)
            request.output.append(token)

    def _score_prompt(self, row: _Row, fed: int, logits: Tensor) -> None:
        request = row.request
        targets = request.ids[row.cached + 1 : row.cached + fed + 1]
        if targets:
            request.prompt_scores += _scores(logits[: len(targets)], targets, request.logprobs or 0)

    def _leave(self, row: _Row, finish: str) -> None:
        row.request.finish = finish
        self._rows.remove(row)
        self._free.append(row.slot)

    def _tensor(self, values: list[Any]) -> Tensor:
        return torch.tensor(values, dtype=torch.long, device=self._device)


def _scores(logits: Tensor, targets: list[int], alternatives: int) -> list[Score]:
    """Scores of `targets` under logits [targets, width]. Floats of a row come from one tensor, so equal is equal."""
    logprobs = logits.log_softmax(-1)
    chosen = logprobs.gather(-1, torch.tensor(targets, device=logits.device)[:, None])[:, 0].tolist()
    top = logprobs.topk(min(alternatives, logprobs.shape[-1]), dim=-1)
    listed = [list(zip(*pair, strict=True)) for pair in zip(top.indices.tolist(), top.values.tolist(), strict=True)]
    return [Score(logprob, pairs) for logprob, pairs in zip(chosen, listed, strict=True)]
