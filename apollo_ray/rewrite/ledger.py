"""Every answer of an LLM, kept the moment it is paid for: one small object each, shared by all runs of a store.

    {store}/ledger/{first two digits}/{key}.json

The key is a hash of prompt, model and sampling, and of nothing else: a killed run asks for nothing twice, and rules
that check pairs can change without a new call.
"""

import hashlib
import json
import os
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from fsspec.implementations.local import LocalFileSystem

from apollo_ray.store import Store

READERS = 32
"""Objects of a remote store fetched at once: one takes some 20 ms, whatever its size."""

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


def key_of(prompt: str, model: str, sampling: dict[str, Any]) -> str:
    """32 hex digits."""
    whole = json.dumps([prompt, model, sampling], ensure_ascii=False, sort_keys=True)
    return hashlib.blake2b(whole.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


class Ledger:
    """Replies by key. Safe for any number of processes: a key's reply is written whole or not at all."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._root = store.path("ledger")
        # Two small files a call: without fsspec's layers they cost a third.
        self.is_local = isinstance(store.fs, LocalFileSystem)

    def _path(self, key: str) -> str:
        return f"{self._root}/{key[:2]}/{key}.json"

    def _read(self, path: str) -> bytes | None:
        if not self.is_local:
            return self.store.read(path)
        try:
            with open(path, "rb") as file:
                return file.read()
        except FileNotFoundError:
            return None

    def get(self, key: str) -> Reply | None:
        data = self._read(self._path(key))
        return None if data is None else Reply(**json.loads(data))

    def get_many(self, keys: Sequence[str]) -> list[Reply | None]:
        """`get` of each, many at once where the store is remote."""
        if self.is_local:
            return [self.get(key) for key in keys]
        with ThreadPoolExecutor(READERS) as readers:
            return list(readers.map(self.get, keys))

    def put(self, key: str, reply: Reply) -> None:
        data = {name: value for name, value in asdict(reply).items() if value is not None}
        data.setdefault("finish_reason", None)
        encoded, path = json.dumps(data, ensure_ascii=False).encode("utf-8", "surrogatepass"), self._path(key)
        if not self.is_local:
            self.store.write(path, encoded)
            return
        temporary = f"{path}.{uuid.uuid4().hex}.tmp"
        try:
            file = open(temporary, "wb")  # noqa: SIM115 - closed below
        except FileNotFoundError:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            file = open(temporary, "wb")  # noqa: SIM115
        with file:
            file.write(encoded)
        os.replace(temporary, path)


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
