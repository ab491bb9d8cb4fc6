"""Streams of numbers, as tasks describe them, and a tokenizer of one id a character."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from apollo_ray.config import parse
from apollo_ray.mix.settings import StageSettings
from apollo_ray.mix.stream import Stream

MakeSettings = Callable[..., StageSettings]
MakeStream = Callable[..., Stream]


@pytest.fixture(scope="session")
def settings() -> MakeSettings:
    def make(**changes: Any) -> StageSettings:
        return parse(StageSettings, {"tokenizer": "t", "conversations": ["c"]} | changes, where="test")

    return make


@pytest.fixture(scope="session")
def make_stream() -> MakeStream:
    """`make_stream(classes, lengths=, ids=, ...)`: one example each, of one source unless `source` says otherwise."""

    def make(classes: Any, *, names: tuple[str, ...] = ("s",), **columns: Any) -> Stream:
        size = len(classes)
        zeros = np.zeros(size, np.int64)
        values = {
            "pack": zeros,
            "row": np.arange(size),
            "id": np.arange(size),
            "copy": zeros,
            "piece": zeros,
            "sample_class": classes,
            "lang": zeros,
            "source": zeros,
            "length": zeros + 100,
        } | columns
        types = Stream.__annotations__
        dtypes = dict.fromkeys(types, np.int32) | {"id": np.uint64, "sample_class": np.int8, "source": np.int16}
        return Stream(
            ("w",), ("en",), names, **{name: np.asarray(value, dtypes[name]) for name, value in values.items()}
        )

    return make


@pytest.fixture(scope="session")
def encode() -> Callable[[list[str]], list[list[int]]]:
    """One token a character; the end token, 0, is written as a NUL."""
    return lambda texts: [[ord(character) for character in text] for text in texts]
