"""Every answer of an LLM that rewrites, kept the moment it is paid for.

The key is a hash of prompt, model and sampling, and of nothing else: rules that check pairs can change without a new
call.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from apollo_ray.kept import Kept
from apollo_ray.store import Store

STOPPED = frozenset({"stop", "end_turn", "eos"})
FAILED = "endpoint_failed"
"""`error` of a prompt that an endpoint, up for others, failed each time: the next run asks it again."""
REFUSED = "refused_by_endpoint"
UNUSABLE = "unusable_reply"


@dataclass(frozen=True)
class Reply:
    """What came back for a prompt. `error`: FAILED, REFUSED or UNUSABLE where no text did, with a `detail`."""

    text: str
    finish_reason: str | None
    model: str  # as the endpoint names it
    prompt_tokens: int = 0
    completion_tokens: int = 0
    error: str | None = None
    detail: str | None = None


class Ledger:
    """Replies by key, under {store}/ledger."""

    def __init__(self, store: Store) -> None:
        self._kept = Kept(store, "ledger")
        self.is_local = self._kept.is_local

    def get(self, key: str) -> Reply | None:
        return _reply(self._kept.get(key))

    def get_many(self, keys: Sequence[str]) -> list[Reply | None]:
        """`get` of each, many at once where the store is remote."""
        return [_reply(value) for value in self._kept.get_many(keys)]

    def put(self, key: str, reply: Reply) -> None:
        data = {name: value for name, value in asdict(reply).items() if value is not None}
        data.setdefault("finish_reason", None)
        self._kept.put(key, data)


def _reply(value: dict[str, Any] | None) -> Reply | None:
    return None if value is None else Reply(**value)


@dataclass
class Spending:
    """Calls and tokens, and what they cost at prices for a million tokens."""

    input_price: float | None = None
    output_price: float | None = None
    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def add(self, reply: Reply) -> None:
        self.calls += 1
        self.prompt_tokens += reply.prompt_tokens
        self.completion_tokens += reply.completion_tokens

    @property
    def money(self) -> float:
        """0 where no price is set."""
        return (
            self.prompt_tokens * (self.input_price or 0.0) + self.completion_tokens * (self.output_price or 0.0)
        ) / 1e6
