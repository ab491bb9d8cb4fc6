"""What a step would ask and cost, before any call."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from apollo_ray.rewrite.ledger import Ledger, Spending
from apollo_ray.rewrite.rows import Unit
from apollo_ray.rewrite.script import Script
from apollo_ray.rewrite.segment import estimated_tokens
from apollo_ray.rewrite.turns import KINDS

EXPECTED_TOKENS = {"question": 40, "answer": 250, "dialogue": 600, "check": 2}
"""That a reply has, where the ledger holds none of its kind to go by."""

PRETENDED = ("x" * 80, "x" * 800)
"""Question and answer of prompts that cannot be made yet."""


@dataclass
class Estimate:
    """Sums over passages. Tokens of `asked` calls are estimates; `kept` calls are paid for already."""

    passages: int = 0
    ready: int = 0  # passages that need no engine, or nothing more of it
    asked: Counter[str] = field(default_factory=Counter)  # kind -> calls to make
    prompt_tokens: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)
    kept_completion_tokens: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Estimate") -> None:
        self.passages += other.passages
        self.ready += other.ready
        for name in ("asked", "prompt_tokens", "kept", "kept_completion_tokens"):
            getattr(self, name).update(getattr(other, name))

    def to_json(self) -> str:
        return json.dumps(vars(self))

    @classmethod
    def from_json(cls, text: str) -> "Estimate":
        values = json.loads(text)
        counters = {name: Counter(value) for name, value in values.items() if isinstance(value, dict)}
        return cls(values["passages"], values["ready"], **counters)

    def expected(self, kind: str) -> float:
        """Tokens of a reply: the mean of those that were paid for."""
        return self.kept_completion_tokens[kind] / self.kept[kind] if self.kept[kind] else EXPECTED_TOKENS[kind]

    def spending(self, input_price: float | None, output_price: float | None) -> Spending:
        """What is left to pay."""
        total = Spending(input_price, output_price)
        for kind, calls in self.asked.items():
            total.calls += calls
            total.prompt_tokens += self.prompt_tokens[kind]
            total.completion_tokens += round(calls * self.expected(kind))
        return total

    def as_json(self, input_price: float | None, output_price: float | None) -> dict[str, Any]:
        total = self.spending(input_price, output_price)
        priced = input_price is not None or output_price is not None
        return {
            "passages": self.passages,
            "ready": self.ready,
            "calls_paid": sum(self.kept.values()),
            "calls_to_make": total.calls,
            "prompt_tokens": total.prompt_tokens,
            "completion_tokens": total.completion_tokens,
            "money": round(total.money, 4) if priced else None,
        }


def estimate(units: Iterable[Unit], script: Script | None, ledger: Ledger) -> Estimate:
    """Of some units. `script` is None where the engine asks nobody."""
    found = Estimate()
    for unit in units:
        found.passages += 1
        if script is None or unit.turns:
            found.ready += 1
            continue
        replies, missing = script.replay(unit.passage, unit.form, ledger.get)
        kinds = KINDS[unit.form]
        for kind, reply in zip(kinds, replies, strict=False):
            found.kept[kind] += 1
            found.kept_completion_tokens[kind] += reply.completion_tokens
        if missing is None:
            found.ready += 1
            continue
        count = estimated_tokens(unit.passage.lang)
        found.asked[missing.kind] += 1
        found.prompt_tokens[missing.kind] += count([missing.prompt])[0]
        for kind in kinds[len(replies) + 1 :]:  # prompts with what is not there yet: a question, an answer
            if kind == "answer":
                found.asked[kind] += 1
                found.prompt_tokens[kind] += count([script.prompts.answer(unit.passage, PRETENDED[0])])[0]
            elif kind == "check" and script.checks.judge:
                found.asked[kind] += 1
                found.prompt_tokens[kind] += count([script.prompts.check(unit.passage, *PRETENDED)])[0]
    return found
