"""Answers of models, kept the moment they are there: one small JSON object each, shared by all runs of a store.

    {store}/{folder}/{first two digits}/{key}.json

The key is a hash of all that decides the answer and of nothing else, so a killed run asks for nothing twice.
"""

import hashlib
import json
import os
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fsspec.implementations.local import LocalFileSystem

from apollo_ray.store import Store

READERS = 32
"""Objects of a remote store fetched at once: one takes some 20 ms, whatever its size."""


def key_of(*parts: Any) -> str:
    """32 hex digits of values that are made of JSON types."""
    whole = json.dumps(parts, ensure_ascii=False, sort_keys=True)
    return hashlib.blake2b(whole.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


class Kept:
    """JSON values by key. Safe for any number of processes: a value is written whole or not at all."""

    def __init__(self, store: Store, folder: str) -> None:
        self.store = store
        self._root = store.path(folder)
        # Two small files an answer: without fsspec's layers they cost a third.
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

    def get(self, key: str) -> Any:
        """The value, or None where there is none."""
        data = self._read(self._path(key))
        return None if data is None else json.loads(data)

    def get_many(self, keys: Sequence[str]) -> list[Any]:
        """`get` of each, many at once where the store is remote."""
        if self.is_local:
            return [self.get(key) for key in keys]
        with ThreadPoolExecutor(READERS) as readers:
            return list(readers.map(self.get, keys))

    def put(self, key: str, value: Any) -> None:
        encoded, path = json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"), self._path(key)
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
