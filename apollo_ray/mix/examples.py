"""Tables of conversations or documents to packs of tokenised examples, one row a piece; copies are made of the numbers.

A row is refused, with its text, where it is too long for a sequence or has no token on which loss would be taken.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from apollo_ray import refusals
from apollo_ray.mix.priority import PRETRAINING, id_bits, sample_class
from apollo_ray.mix.settings import CLASSES, StageSettings
from apollo_ray.mix.stream import KEYS, epochs_of
from apollo_ray.mix.template import Encode, Exchange, Template, TemplateError, cut_text, encode_conversations
from apollo_ray.records import MAX_ROW_CHARACTERS, REFUSAL

ROWS_AT_ONCE = 256
"""Rows whose tokens are Python numbers at one time."""

EXAMPLE = pa.schema(
    [
        ("id", pa.string()),
        ("piece", pa.int32()),  # of a long document or conversation
        ("sample_class", pa.string()),
        ("lang", pa.string()),
        ("source", pa.string()),
        ("license", pa.string()),
        ("input_ids", pa.list_(pa.int32())),  # null in refused rows
        ("supervised", pa.list_(pa.bool_())),  # [length]: loss is taken on it, unless it comes first in its document
        ("text", pa.string()),  # null in kept rows
        ("uri", pa.string()),
        ("position", pa.int64()),
        *REFUSAL,
    ]
)
"""A row of a pack."""

Made = tuple[list[int], list[bool], tuple[str, str] | None, str]
"""(ids, supervised, refusal, text) of a piece; ids are empty where it is refused, and text where it is kept."""

Make = Callable[[pa.Table, StageSettings, Template, Encode, int], pa.Table]
"""Rows of an input step to rows of EXAMPLE; the number is the end token's id."""


def conversation_examples(
    table: pa.Table, settings: StageSettings, template: Template, encode: Encode, end_id: int
) -> pa.Table:
    """EXAMPLE rows of CONVERSATION rows, cut at turns where `long` is `split`."""
    tables = []
    for batch in table.to_batches(ROWS_AT_ONCE):
        rows = batch.to_pylist()
        made: list[list[Made]] = []
        encoded = encode_conversations([row["turns"] for row in rows], template, encode)
        for row, exchanges in zip(rows, encoded, strict=True):
            made.append(list(_pieces(row["turns"], exchanges, settings, template, encode)))
        kinds = [sample_class(row["kind"], row["phase"], rewritten=row["document"] is not None) for row in rows]
        tables.append(_table(rows, kinds, made))
    return pa.concat_tables([EXAMPLE.empty_table(), *tables])


def document_examples(
    table: pa.Table, settings: StageSettings, template: Template, encode: Encode, end_id: int
) -> pa.Table:
    """EXAMPLE rows of DOCUMENT rows: plain text in pieces of at most a sequence, loss on every token."""
    tables = []
    for batch in table.to_batches(ROWS_AT_ONCE):
        rows = batch.to_pylist()
        made: list[list[Made]] = []
        for row, ids in zip(rows, encode([row["text"] for row in rows]), strict=True):
            pieces = cut_text(ids, end_id, settings.sequence_length)
            made.append([_made(piece, [True] * len(piece), row["text"]) for piece in pieces])
        tables.append(_table(rows, [row["phase"] or PRETRAINING for row in rows], made))
    return pa.concat_tables([EXAMPLE.empty_table(), *tables])


def _pieces(
    turns: Sequence[str],
    exchanges: list[Exchange] | TemplateError,
    settings: StageSettings,
    template: Template,
    encode: Encode,
) -> Iterator[Made]:
    """A conversation as examples that fit a sequence and begin with a user's turn each."""
    limit = settings.sequence_length
    while True:
        if isinstance(exchanges, TemplateError):
            yield _refused("template", str(exchanges), turns)
            return
        ends = np.cumsum([len(exchange.ids) for exchange in exchanges], dtype=np.int64)
        fit = int(np.searchsorted(ends, limit, side="right"))
        if fit == len(exchanges):
            yield _joined(exchanges, turns)
            return
        if settings.long == "drop":
            yield _refused("too_long", f"{ends[-1]} tokens, at most {limit}", turns)
            return
        if fit:
            yield _joined(exchanges[:fit], turns[: 2 * fit])
        else:
            fit = 1
            yield _refused("too_long", f"{ends[0]} tokens in one exchange, at most {limit}", turns[:2])
        turns = turns[2 * fit :]
        if not turns:
            return
        exchanges = encode_conversations([turns], template, encode)[0]  # a first turn is written unlike a later one


def _joined(exchanges: list[Exchange], turns: Sequence[str]) -> Made:
    ids: list[int] = []
    supervised: list[bool] = []
    for exchange in exchanges:
        ids += exchange.ids
        after = len(exchange.ids) - exchange.end
        supervised += [False] * exchange.start + [True] * (exchange.end - exchange.start) + [False] * after
    return _made(ids, supervised, "\n".join(turns))


def _made(ids: list[int], supervised: list[bool], text: str) -> Made:
    if any(supervised[1:]):  # nothing predicts the first token
        return ids, supervised, None, ""
    return _refused("no_supervised_token", f"no label in {len(ids)} tokens", [text])


def _refused(reason: str, detail: str, turns: Sequence[str]) -> Made:
    return [], [], (reason, detail), "\n".join(turns)[:MAX_ROW_CHARACTERS]


def _table(rows: list[dict[str, Any]], kinds: list[str], made: list[list[Made]]) -> pa.Table:
    columns: dict[str, list[Any]] = {name: [] for name in EXAMPLE.names}
    for row, kind, pieces in zip(rows, kinds, made, strict=True):
        for number, (ids, supervised, refusal, text) in enumerate(pieces):
            reason, detail = refusal or (None, None)
            values = {
                "id": row["id"],
                "piece": number,
                "sample_class": kind,
                "lang": row["lang"] or "unknown",
                "source": row["source"] or "unknown",
                "license": row["license"] or "unknown",
                "input_ids": None if reason else np.array(ids, np.int32),
                "supervised": None if reason else np.array(supervised),
                "text": text if reason else None,
                "uri": row["uri"],
                "position": row["position"],
                "rule": "examples" if reason else None,
                "reason": reason,
                "detail": detail,
            }
            for name, value in values.items():
                columns[name].append(value)
    return pa.table(columns, schema=EXAMPLE)


def refused_rows(pack: pa.Table, settings: StageSettings) -> pa.Table:
    """DROPPED rows of a pack, one a copy that the stream would have had."""
    refused = pack.filter(pc.is_valid(pack["reason"])).drop_columns(["input_ids", "supervised"])
    epochs = _epochs(refused, settings)
    copied = refused.take(pa.array(np.repeat(np.arange(refused.num_rows), epochs)))
    copies = np.arange(len(copied)) - np.repeat(np.cumsum(epochs) - epochs, epochs)
    copied = copied.append_column("copy", pa.array(copies))
    return refusals.split(copied, pa.schema([("id", pa.string())]))[1]


def _epochs(table: pa.Table, settings: StageSettings) -> np.ndarray:
    sources = table["source"].to_pylist()
    names = tuple(dict.fromkeys(sources))
    epochs = epochs_of(names, settings)
    places = {name: place for place, name in enumerate(names)}
    classes = [CLASSES.index(name) for name in table["sample_class"].to_pylist()]
    return epochs[classes, [places[source] for source in sources]] if sources else np.zeros(0, np.int64)


def describe(pack: pa.Table, work: str, refused: pa.Table, dropped: str) -> pa.Table:
    """The one KEYS row of a pack. `refused` are its DROPPED rows, `dropped` says where they were written.

    Raises ValueError for an id that is not 16 hex digits.
    """
    rows = np.flatnonzero(pc.is_null(pack["reason"]).to_numpy())
    kept = pack.take(pa.array(rows))
    langs, sources = (sorted(set(pack[name].to_pylist())) for name in ("lang", "source"))
    columns = {
        "work": work,
        "row": rows.astype(np.int32),
        "id": id_bits(kept["id"].to_pylist()),
        "piece": kept["piece"].to_numpy(),
        "sample_class": _places(kept["sample_class"], CLASSES),
        "lang": _places(kept["lang"], langs),
        "source": _places(kept["source"], sources),
        "length": pc.list_value_length(kept["input_ids"]).to_numpy(),
        "langs": langs,
        "sources": sources,
        "licenses": json.dumps(dict(sorted(Counter(_first_pieces(kept)["license"].to_pylist()).items()))),
        "refused": json.dumps(dict(sorted(Counter(refused["reason"].to_pylist()).items()))),
        "dropped": dropped,
    }
    return pa.table({name: [columns[name]] for name in KEYS.names}, schema=KEYS)


def _first_pieces(kept: pa.Table) -> pa.Table:
    """One row a row of the input: the first of its pieces that was kept."""
    found: dict[str, int] = {}
    for place, identity in enumerate(kept["id"].to_pylist()):
        found.setdefault(identity, place)
    return kept.take(pa.array(list(found.values()), pa.int64()))


def _places(column: pa.ChunkedArray, names: Sequence[str]) -> np.ndarray:
    return pc.index_in(column, pa.array(names, pa.string())).to_numpy()
