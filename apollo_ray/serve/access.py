"""Who may ask, and how much: keys by their hashes, quotas by key. Pure but for reading the key file.

A key is known by its SHA-256 alone, so that neither a replica's memory nor Serve's records hold it.
"""

import hashlib
import math
import re
from collections.abc import Mapping
from pathlib import Path

from apollo_ray.errors import UserError
from apollo_ray.serve.api import ApiError
from apollo_ray.serve.settings import Quota

API_KEY = "APOLLO_API_KEY"
"""Environment variable with a key that clients may send. Without it and without a key file the endpoint is open."""

OPEN = "anonymous"
"""The name of those who ask an open endpoint."""

DEFAULT = "default"
"""The name of the environment's key, and of the quota of keys that have none of their own."""


def digest(key: str) -> str:
    """SHA-256 of a key as hexadecimal digits, as key files have it."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def load_keys(file: str | None, environment: Mapping[str, str]) -> dict[str, str]:
    """digest -> name of every key: the file's lines NAME SHA256 (# for comments), and the environment's one.

    Raises UserError with file and line for one that is not of this form.
    """
    keys: dict[str, str] = {}
    if file is not None:
        try:
            lines = Path(file).expanduser().read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"keys_file: cannot read {file!r}: {error}") from error
        for number, line in enumerate(lines, 1):
            words = line.partition("#")[0].split()
            if not words:
                continue
            if len(words) != 2 or not re.fullmatch("[0-9a-f]{64}", words[1]):
                raise UserError(f"keys_file: {file}, line {number}: expected NAME and 64 hexadecimal digits of SHA-256")
            if words[0] in keys.values() or words[1] in keys:
                raise UserError(f"keys_file: {file}, line {number}: {words[0]!r} or its key stands there twice")
            keys[words[1]] = words[0]
        if not keys:
            raise UserError(f"keys_file: {file} has no key, so nobody could ask")
    if environment.get(API_KEY):
        keys.setdefault(digest(environment[API_KEY]), DEFAULT)
    return keys


class Bucket:
    """An allowance that refills evenly over a minute; what is reserved beyond it is a debt, which is paid first."""

    def __init__(self, per_minute: float) -> None:
        self._rate, self._capacity = per_minute / 60, per_minute
        self._level, self._at = per_minute, -math.inf

    def wait(self, now: float) -> float:
        """Seconds until something may be reserved; 0: now."""
        if now > self._at:
            self._level = min(self._capacity, self._level + (now - self._at) * self._rate)
            self._at = now
        missing = min(1.0, self._capacity) - self._level
        return max(0.0, missing / self._rate)

    def take(self, amount: float) -> None:
        """Reserve, or give back a negative amount."""
        self._level = min(self._capacity, self._level - amount)


class Gate:
    """Knows the keys and counts what each one asks, for one of `replicas` that share the quotas evenly."""

    def __init__(self, keys: Mapping[str, str], replicas: int = 1) -> None:
        self._keys, self._replicas = dict(keys), replicas
        self._quotas: dict[str, Quota] = {}
        self._buckets: dict[tuple[str, str], Bucket] = {}

    def set_quotas(self, quotas: Mapping[str, Quota]) -> None:
        """New quotas; a key whose quota stays keeps its count. Raises UserError for a name that no key has."""
        names = {DEFAULT, *self._keys.values()}
        if unknown := [name for name in quotas if name not in names]:
            raise UserError(f"quotas: no key is named {unknown[0]!r}; there are: {', '.join(sorted(names))}")
        old, self._quotas = self._quotas, dict(quotas)
        changed = {name for name, _ in self._buckets if self._of(name, old) != self._of(name, self._quotas)}
        self._buckets = {place: bucket for place, bucket in self._buckets.items() if place[0] not in changed}

    def name(self, authorization: str) -> str:
        """Whose key an Authorization header brings. Raises ApiError 401."""
        if not self._keys:
            return OPEN
        scheme, _, key = authorization.partition(" ")
        name = self._keys.get(digest(key.strip())) if scheme.lower() == "bearer" else None
        if name is None:
            raise ApiError(401, "the API key is missing or wrong", code="invalid_api_key")
        return name

    def admit(self, name: str, tokens: int, now: float) -> None:
        """Reserve a request of so many tokens for a key. Raises ApiError 429 while its quota is used up."""
        quota = self._of(name, self._quotas)
        asked = [
            ("requests_per_minute", quota.requests_per_minute, 1),
            ("tokens_per_minute", quota.tokens_per_minute, tokens),
        ]
        found = []
        for kind, limit, amount in asked:
            if limit is None:
                continue
            bucket = self._buckets.setdefault((name, kind), Bucket(limit / self._replicas))
            if wait := bucket.wait(now):
                message = f"the quota of {limit:g} {kind.replace('_', ' ')} of key {name!r} is used up"
                raise ApiError(429, message, code="rate_limit_exceeded", retry_after=wait)
            found.append((bucket, amount))
        for bucket, amount in found:
            bucket.take(amount)

    def settle(self, name: str, unused: int) -> None:
        """Give back reserved tokens that were not needed."""
        if bucket := self._buckets.get((name, "tokens_per_minute")):
            bucket.take(-unused)

    @staticmethod
    def _of(name: str, quotas: Mapping[str, Quota]) -> Quota:
        return quotas.get(name) or quotas.get(DEFAULT) or Quota()
