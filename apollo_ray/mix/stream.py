"""What the driver knows of the stream: columns of numbers, 31 bytes an example, and no token.

Tasks describe a pack of tokenised rows in one row of KEYS; `gather` makes the columns of all, each copy an example.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from apollo_ray.codepoints import Hashes, Ints
from apollo_ray.mix.priority import Floats, random_bits
from apollo_ray.mix.settings import CLASSES, StageSettings

BINS = 20  # of the stream, for the plot of its order

KEYS = pa.schema(
    [
        ("work", pa.string()),  # name of the pack under work/
        ("row", pa.list_(pa.int32())),  # of each kept row: its place in the pack, and so on
        ("id", pa.list_(pa.uint64())),
        ("piece", pa.list_(pa.int32())),
        ("sample_class", pa.list_(pa.int8())),  # place in CLASSES
        ("lang", pa.list_(pa.int16())),  # place in `langs`
        ("source", pa.list_(pa.int16())),  # place in `sources`
        ("length", pa.list_(pa.int32())),  # tokens
        ("langs", pa.list_(pa.string())),
        ("sources", pa.list_(pa.string())),  # of all rows, refused ones too
        ("licenses", pa.string()),  # JSON: licence -> kept rows
        ("refused", pa.string()),  # JSON: reason -> examples
        ("dropped", pa.string()),  # JSON of the part with the refused rows; empty where there is none
    ]
)
"""One row a pack."""
_NUMBERS = KEYS.names[1:8]
_COLUMNS = ("pack", "copy", *_NUMBERS)


@dataclass(frozen=True)
class Stream:
    """N examples. Those of a pack are together, in the order of `works`; else their order means nothing.

    `pack` int32 (place in `works`), `row` int32 (place in the pack), `id` uint64, `copy` int16, `piece` int32,
    `sample_class` int8 (in CLASSES), `lang` int16 (in `langs`), `source` int16 (in `sources`), `length` int32 (tokens).
    """

    works: tuple[str, ...]
    langs: tuple[str, ...]
    sources: tuple[str, ...]
    pack: npt.NDArray[np.int32]
    row: npt.NDArray[np.int32]
    id: Hashes
    copy: npt.NDArray[np.int16]
    piece: npt.NDArray[np.int32]
    sample_class: npt.NDArray[np.int8]
    lang: npt.NDArray[np.int16]
    source: npt.NDArray[np.int16]
    length: npt.NDArray[np.int32]
    licenses: Mapping[str, int] = field(default_factory=dict)  # rows, each counted once

    def __len__(self) -> int:
        return len(self.id)

    def of_source(self, of_class: Mapping[str, float], of_source: Mapping[str, float | None]) -> Floats:
        """float64[classes, sources]: a setting's value for each, a source's own value before its class's."""
        return _of_source(self.sources, of_class, of_source)


def gather(packs: Iterable[pa.Table], settings: StageSettings) -> Stream:
    """All examples of KEYS rows: as many copies of a kept row as its class or source has epochs. May be empty."""
    columns: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
    works: list[str] = []
    licenses: Counter[str] = Counter()
    langs: dict[str, int] = {}
    sources: dict[str, int] = {}
    for table in packs:
        for batch in table.to_batches():
            for at in range(batch.num_rows):
                pack = {name: batch.column(name)[at] for name in KEYS.names}
                values = {name: pack[name].values.to_numpy() for name in _NUMBERS}
                for name, known in (("lang", langs), ("source", sources)):
                    words = pack[f"{name}s"].as_py()
                    numbers = np.array([known.setdefault(word, len(known)) for word in words], np.int16)
                    values[name] = numbers[values[name]] if len(values[name]) else values[name]
                epochs = epochs_of(tuple(sources), settings)[values["sample_class"], values["source"]]
                copies = np.arange(epochs.sum()) - np.repeat(np.cumsum(epochs) - epochs, epochs)
                columns["pack"].append(np.full(len(copies), len(works), np.int32))
                columns["copy"].append(copies.astype(np.int16))
                for name, value in values.items():
                    columns[name].append(np.repeat(value, epochs))
                works.append(pack["work"].as_py())
                licenses.update(json.loads(pack["licenses"].as_py()))
    # One column after the other, so that no more than one is there twice.
    joined = {name: np.concatenate(columns.pop(name) or [np.zeros(0, np.int64)]) for name in list(columns)}
    for name, known in (("lang", langs), ("source", sources)):
        # Numbers in the order of the names: which pack came first must not decide between two equal keys.
        joined[name] = np.argsort(np.argsort(np.array(list(known)))).astype(np.int16)[joined[name]]
    named = dict(sorted(licenses.items()))
    return Stream(tuple(works), tuple(sorted(langs)), tuple(sorted(sources)), **joined, licenses=named)


def repeated(stream: Stream, tokens: int, seed: int) -> Stream:
    """`stream` again and again, the last time in part, so that it has `tokens` tokens less at most one example a class.

    The part takes the same share of each class, of examples drawn by hash. Raises ValueError where one pass has more
    than `tokens`: a budget leaves no row out.
    """
    once = int(stream.length.sum(dtype=np.int64))
    passes, rest = divmod(tokens, once) if once else (0, 0)
    if passes < 1:
        raise ValueError(f"{tokens} tokens, but one pass over its rows has {once}")
    copies = int(stream.copy.max()) + 1
    if copies * (passes + 1) > np.iinfo(np.int16).max:
        raise ValueError(f"{tokens} tokens are {passes} passes over its rows of {once}: too many")
    draw = np.argsort(
        random_bits(seed, stream.id, stream.copy + np.int16(copies * passes), stream.piece), kind="stable"
    )
    parts = [np.arange(len(stream))] * passes
    for number in range(len(CLASSES)):
        drawn = draw[stream.sample_class[draw] == number]
        ends = np.cumsum(stream.length[drawn], dtype=np.int64)
        share = rest * int(ends[-1]) // once if len(ends) else 0
        parts.append(drawn[: np.searchsorted(ends, share, side="right")])
    rows = np.concatenate(parts)
    taken_before = np.repeat([*range(passes), passes], [*[len(stream)] * passes, len(rows) - passes * len(stream)])
    together = np.argsort(rows, kind="stable")
    rows, taken_before = rows[together], taken_before[together]
    columns = {item.name: getattr(stream, item.name)[rows] for item in fields(Stream) if item.name in _COLUMNS}
    columns["copy"] = (columns["copy"] + copies * taken_before).astype(np.int16)
    return replace(stream, **columns)


def epochs_of(sources: tuple[str, ...], settings: StageSettings) -> Ints:
    """int64[classes, sources]: copies of an example of that class and source."""
    own = {name: source.epochs for name, source in settings.sources.items()}
    return _of_source(sources, settings.epochs, own).astype(np.int64)


def _of_source(
    sources: tuple[str, ...], of_class: Mapping[str, float], of_source: Mapping[str, float | None]
) -> Floats:
    table = np.empty((len(CLASSES), len(sources)))
    for row, name in enumerate(CLASSES):
        for column, source in enumerate(sources):
            own = of_source.get(source)
            table[row, column] = of_class[name] if own is None else own
    return table


def shares(stream: Stream, order: Ints, bins: int = BINS) -> dict[str, list[float]]:
    """Class -> its share of the tokens in each of `bins` parts of the stream that have equally many examples."""
    found: dict[str, list[float]] = {name: [] for name in sorted(CLASSES)}
    for index in range(bins):
        part = order[len(order) * index // bins : len(order) * (index + 1) // bins]
        tokens = np.bincount(stream.sample_class[part], stream.length[part], minlength=len(CLASSES))
        for name, number in zip(CLASSES, tokens, strict=True):
            found[name].append(float(number / (tokens.sum() or 1)))
    return found


def totals(stream: Stream) -> dict[str, dict[str, int]]:
    """Tokens by language, examples by class and rows by licence, for the report and model cards."""
    tokens = np.bincount(stream.lang, stream.length, minlength=len(stream.langs))
    examples = np.bincount(stream.sample_class, minlength=len(CLASSES))
    return {
        "by_language": {name: int(number) for name, number in sorted(zip(stream.langs, tokens, strict=True))},
        "by_license": dict(stream.licenses),
        "by_class": {name: int(number) for name, number in zip(CLASSES, examples, strict=True) if number},
    }
