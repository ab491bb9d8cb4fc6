"""Continuous batching: sequences join and leave between steps, and one step is one batched forward of every model.

A request's mix is fixed for its life, so a model that the mix gives no weight never sees its tokens: a request for the
base alone costs the base alone. In a step of answers the expert may draft several tokens, which the other models then
check in their one forward (apollo_ray.serve.speculative). Attribution runs all three models, a token at a time.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from apollo_ray.ensemble import combine
from apollo_ray.errors import UserError
from apollo_ray.serve.forward import Forward
from apollo_ray.serve.prefix import Slots
from apollo_ray.serve.proxy import GREEDY_BELOW, draw, warp
from apollo_ray.serve.request import Request, Row, Score, attribute, score
from apollo_ray.serve.sampling import shape_rows
from apollo_ray.serve.settings import ROLES
from apollo_ray.serve.speculative import Costs, Drafting, measured_costs, settle

__all__ = ["PREFILL_TOKENS", "ROLES", "Engine", "Request", "Score"]

PREFILL_TOKENS = 512
"""Prompt tokens (padding included) in one forward: bounds the logits that prompt logprobs need, 311 MB in float32 a
model at 152,000 ids, and the wait of the sequences that are decoding."""


class Engine:
    """Decodes requests with `models` (role -> transformers model) over the first `width` ids. For one thread.

    `drafts` is the most that are checked in a step, 0 for none; `costs` of the models' forwards say how many pay and
    are measured if not given. `reuse` takes prefixes of prompts from other requests.
    """

    def __init__(
        self,
        models: Mapping[str, Any],
        width: int,
        slots: int,
        max_length: int,
        prefill_tokens: int = PREFILL_TOKENS,
        drafts: int = 0,
        costs: Costs | None = None,
        reuse: bool = True,
    ) -> None:
        self.width, self.max_length = width, max_length
        self._prefill_tokens = prefill_tokens
        self._forward = Forward(models, width, slots, max_length)
        self._slots = Slots(self._forward, reuse)
        self._waiting: deque[Request] = deque()
        self._rows: list[Row] = []
        self._prompt_turn = True
        drafts = drafts if set(ROLES) <= set(models) else 0
        if costs is None:
            costs = measured_costs(self._forward, slots, drafts + 1, prefill_tokens) if drafts else {}
        self.drafting = Drafting(drafts, costs, prefill_tokens)

    @property
    def idle(self) -> bool:
        return not self._rows and not self._waiting

    @property
    def free_slots(self) -> int:
        return len(self._slots)

    def check(self, request: Request) -> None:
        """Raises UserError where the request cannot be decoded."""
        if not request.ids:
            raise UserError("the prompt has no tokens")
        if not 0 <= min(request.ids) <= max(request.ids) < self.width:
            wrong = next(number for number in request.ids if not 0 <= number < self.width)
            raise UserError(f"token id {wrong} is not in the vocabulary: 0 to {self.width - 1}")
        if request.attribution and not set(ROLES) <= set(self._forward.models):
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
        """One forward of base and anti-expert, and one or more of the expert; returns the requests that moved on."""
        while self._waiting and len(self._slots):
            self._rows.append(self._slots.take(self._waiting.popleft()))
        rows = self._choose()
        if not rows:
            return []
        if rows[0].in_prompt:
            self._read(rows)
        else:
            self._answer(rows)
        for row in rows:
            request = row.request
            if row.in_prompt:
                continue
            if request.output and request.output[-1] in request.eos:
                self._leave(row, "stop")
            elif row.room <= 0:
                self._leave(row, "length")
        return [row.request for row in rows]

    def _choose(self) -> list[Row]:
        """Prompts and running answers take turns: mixed, every answer's row would be padded to a prompt's width."""
        prompts = [row for row in self._rows if row.in_prompt]
        answers = [row for row in self._rows if not row.in_prompt]
        if answers and not (prompts and self._prompt_turn):
            self._prompt_turn = True
            return answers
        self._prompt_turn = False
        chosen: list[Row] = []
        width = 0
        for row in prompts:
            self._slots.extend(row)
            width = max(width, len(row.pending(self._prefill_tokens)))
            if chosen and width * (len(chosen) + 1) > self._prefill_tokens:
                break
            chosen.append(row)
        return chosen

    def _read(self, rows: list[Row]) -> None:
        """A chunk of each row's prompt, and the first token of those whose prompt ends with it."""
        fed = [row.pending(self._prefill_tokens) for row in rows]
        if any(row.request.prompt_logprobs for row in rows):
            kept = list(range(max(map(len, fed))))
        else:
            kept = sorted({len(tokens) - 1 for tokens in fed})
        logits = {role: self._logits(role, rows, fed, kept) for role in self._forward.models}
        mixed = self._combined(rows, logits)
        for index, row in enumerate(rows):
            start, row.cached = row.cached, row.cached + len(fed[index])
            if row.request.prompt_logprobs:
                targets = row.request.ids[start + 1 : row.cached + 1]
                if targets:
                    row.request.prompt_scores += score(mixed[index, : len(targets)], targets, row.request.logprobs or 0)
        ready = [index for index, row in enumerate(rows) if not row.in_prompt and row.room > 0]
        if not ready:
            return
        last = torch.tensor([[index, kept.index(len(fed[index]) - 1)] for index in ready])
        at = last.to(mixed.device).unbind(-1)
        chosen = [rows[index] for index in ready]
        expert = logits["expert"][at] if "expert" in logits else None
        drafts, q = self._drafts(chosen, expert, 0)
        self._settle(chosen, mixed[at][:, None], [[draft] for draft in drafts], None if q is None else q[:, None])
        if any(row.request.attribution for row in chosen):
            attribute(chosen, mixed[at][:, None], {role: part[at][:, None] for role, part in logits.items()})

    def _answer(self, rows: list[Row]) -> None:
        """The next token of each row, and more where drafts are accepted."""
        fed = [row.pending(1) for row in rows]
        able = [index for index, row in enumerate(rows) if row.request.drafts_ahead]
        others = {
            role: sum(row.request.runs[place] for index, row in enumerate(rows) if index not in able)
            for place, role in enumerate(ROLES)
        }
        rates = [self.drafting.rate(rows[index].request.drafted, rows[index].request.accepted) for index in able]
        most = self.drafting.choose(rates, [rows[index].room - 1 for index in able], others)
        limits = [min(most, row.room - 1) if index in able else 0 for index, row in enumerate(rows)]
        shape = (len(rows), most + 1, self.width)
        logits: dict[str, Tensor] = {}
        drafts: list[list[int]] = [[] for _ in rows]
        q: Tensor | None = None
        if "expert" in self._forward.models:
            logits["expert"] = torch.zeros(shape, device=self._forward.device)
            for step in range(most + 1):
                active = [index for index, limit in enumerate(limits) if limit >= step]
                some = [rows[index] for index in active]
                out = self._logits("expert", some, [fed[index][-1:] for index in active], [0], step)[:, 0]
                logits["expert"][active, step] = out
                made, likely = self._drafts(some, out, step)
                if likely is not None:
                    q = torch.zeros(shape, device=self._forward.device) if q is None else q
                    q[active, step] = likely
                for index, draft in zip(active, made, strict=True):
                    drafts[index].append(draft)
                    if step < limits[index]:
                        fed[index].append(draft)
        for role in ("base", "anti_expert"):
            if role in self._forward.models:
                logits[role] = self._logits(role, rows, fed, list(range(most + 1)))
        mixed = self._combined(rows, logits)
        for row, gained in zip(rows, self._settle(rows, mixed, drafts, q), strict=True):
            row.cached += gained  # what was fed past that is written over
        attribute(rows, mixed, logits)

    def _logits(
        self, role: str, rows: Sequence[Row], fed: Sequence[Sequence[int]], kept: list[int], ahead: int = 0
    ) -> Tensor:
        """float32 [rows, kept, width] of one model, 0 for rows that are without it; `ahead` of what is cached."""
        place = ROLES.index(role)
        wanted = [index for index, row in enumerate(rows) if row.request.runs[place]]
        if not wanted:
            return torch.zeros(len(rows), len(kept), self.width, device=self._forward.device)
        some = [rows[index] for index in wanted]
        batch = self._forward.batch(
            [row.slot for row in some], [row.cached + ahead for row in some], [fed[index] for index in wanted]
        )
        # Where the rows that are left are shorter than the rest, the last positions stand for what nobody reads.
        last = batch.ids.shape[1] - 1
        found = self._forward.run(role, batch, self._forward.tensor([min(at, last) for at in kept]))
        if len(wanted) == len(rows):
            return found
        logits = torch.zeros(len(rows), len(kept), self.width, device=self._forward.device)
        logits[wanted] = found
        return logits

    def _combined(self, rows: list[Row], logits: Mapping[str, Tensor]) -> Tensor:
        weights = torch.tensor([row.request.weights for row in rows], dtype=torch.float32, device=self._forward.device)
        return combine(logits["base"], logits.get("expert"), logits.get("anti_expert"), weights)

    def _drafts(self, rows: Sequence[Row], expert: Tensor | None, step: int) -> tuple[list[int], Tensor | None]:
        """(a draft for each row, the probabilities [rows, width] it was drawn from; None where all are greedy)."""
        if expert is None or not any(row.request.drafts for row in rows):
            return [0] * len(rows), None
        if _all_greedy(rows):
            return expert.argmax(-1).tolist(), None
        likely = _warped(expert, rows)
        noise = torch.stack([row.noise(len(row.request.output) + step)[0] for row in rows])
        return draw(likely, noise).tolist(), likely

    def _settle(self, rows: list[Row], mixed: Tensor, drafts: list[list[int]], q: Tensor | None) -> list[int]:
        """Append to each answer what is settled of its drafts under logits [rows, positions, width]; how many tokens.

        A row without a draft at all settles one token. Scores are of the logits as they are, tokens of their shape.
        """
        shaped = _shaped(rows, mixed)
        drafted = [row.request.drafts and bool(some) for row, some in zip(rows, drafts, strict=True)]
        counts = [len(some) if able else 1 for some, able in zip(drafts, drafted, strict=True)]
        if _all_greedy(rows):
            likeliest = shaped.argmax(-1).tolist()
            tokens = [line[:count] for line, count in zip(likeliest, counts, strict=True)]
            agreed = [[a == b for a, b in zip(*pair, strict=False)] for pair in zip(tokens, drafts, strict=True)]
        else:
            at = [(index, step) for index, count in enumerate(counts) for step in range(count)]
            place = torch.tensor(at, device=mixed.device).unbind(-1)
            p = _warped(shaped[place], [rows[index] for index, _ in at])
            noise = torch.stack([rows[index].noise(len(rows[index].request.output) + step)[1:] for index, step in at])
            given = [drafts[index][step] if drafted[index] else 0 for index, step in at]
            found, accepted = settle(
                p,
                torch.zeros_like(p) if q is None else q[place],
                self._forward.tensor(given),
                noise,
                torch.tensor([drafted[index] for index, _ in at], device=p.device),
            )
            lists = iter(zip(found.tolist(), accepted.tolist(), strict=True))
            pairs = [[next(lists) for _ in range(count)] for count in counts]
            tokens = [[token for token, _ in line] for line in pairs]
            agreed = [[good for _, good in line] for line in pairs]
        return [
            self._append(row, tokens[index], agreed[index] if drafted[index] else [], mixed[index])
            for index, row in enumerate(rows)
        ]

    def _append(self, row: Row, tokens: list[int], agreed: list[bool], logits: Tensor) -> int:
        """The tokens up to the first that was no draft, an end token, or the limit; returns how many."""
        request = row.request
        right = agreed.index(False) if False in agreed else len(agreed)
        gained = tokens[: right + 1][: row.room]
        end = next((at for at, token in enumerate(gained) if token in request.eos), len(gained))
        gained = gained[: end + 1]
        if agreed:
            tried, good = len(gained), min(right, len(gained))
            request.drafted, request.accepted = request.drafted + tried, request.accepted + good
            self.drafting.learn(tried, good)
        if request.logprobs is not None:
            request.output_scores += score(logits[: len(gained)], gained, request.logprobs)
        request.output += gained
        return len(gained)

    def _leave(self, row: Row, finish: str) -> None:
        row.request.finish = finish
        self._rows.remove(row)
        self._slots.give_back(row)


def _all_greedy(rows: Sequence[Row]) -> bool:
    return all(row.request.temperature < GREEDY_BELOW for row in rows)


def _shaped(rows: Sequence[Row], mixed: Tensor) -> Tensor:
    """Logits [rows, positions, width] with what requests ask for, at the first position: no others count for them."""
    requests = [row.request for row in rows]
    first = mixed[:, 0]
    shaped = shape_rows(first, [(one.shaping, one.ids, one.output, one.temperature) for one in requests])
    return mixed if shaped is first else torch.cat([shaped[:, None], mixed[:, 1:]], 1)


def _warped(logits: Tensor, rows: Sequence[Row]) -> Tensor:
    """Probabilities [rows, width] after each row's own temperature and filters."""
    requests = [row.request for row in rows]
    return warp(
        logits,
        torch.tensor([request.temperature for request in requests]),
        torch.tensor([request.top_k for request in requests]),
        torch.tensor([request.top_p for request in requests]),
    )
