"""Exact duplicates: texts that are equal after case folding and with white space and punctuation folded."""

import hashlib
import re
from collections.abc import Iterable

_FOLD = re.compile(r"[\W_]+")


def duplicate_key(text: str) -> str:
    """32 hex digits, equal for texts that differ only in case, white space and punctuation."""
    folded = _FOLD.sub(" ", text.casefold()).strip()
    return hashlib.blake2b(folded.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def later_copies(keys: Iterable[str | None]) -> dict[int, int]:
    """Index of every later copy -> index of the first. None never equals anything (rows that were refused before)."""
    first: dict[str, int] = {}
    copies: dict[int, int] = {}
    for index, key in enumerate(keys):
        if key is not None:
            original = first.setdefault(key, index)
            if original != index:
                copies[index] = original
    return copies
