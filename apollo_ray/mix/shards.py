"""Tokenised examples to parts of packed sequences, as arrays from end to end."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from apollo_ray.codepoints import Ints
from apollo_ray.records import IGNORED, PACKED_SEQUENCE

PLACED = pa.schema(
    [
        ("shard", pa.int32()),  # number of the part that its sequence is in
        ("sequence", pa.int32()),
        ("place", pa.int64()),  # in the stream; documents stand in this order in their sequence
        ("lang", pa.string()),
        ("input_ids", pa.list_(pa.int32())),
        ("supervised", pa.list_(pa.bool_())),
    ]
)
"""A copy of an example on its way to its part."""


def placed(pack: pa.Table, rows: Ints, sequences: Ints, places: Ints, sequences_per_part: int) -> pa.Table:
    """PLACED rows of the rows of a pack (EXAMPLE) that the stream has, each as often as it has them."""
    chosen = pack.select(PLACED.names[3:]).take(pa.array(rows))
    columns = [sequences // sequences_per_part, sequences, places, *chosen.columns]
    return pa.table(dict(zip(PLACED.names, columns, strict=True)), schema=PLACED)


def sequences_of(table: pa.Table) -> pa.Table:
    """PACKED_SEQUENCE rows of PLACED rows (one at least), which hold all documents of their sequences in any order."""
    sequence, place = (table[name].to_numpy() for name in ("sequence", "place"))
    by = np.lexsort((place, sequence))
    table = table.take(pa.array(by)).combine_chunks()
    sequence = sequence[by]
    first = np.flatnonzero(np.diff(sequence, prepend=-1))  # document that opens each sequence
    ids, supervised = _values(table["input_ids"]), _values(table["supervised"])
    lengths = pc.list_value_length(table["input_ids"]).to_numpy()
    starts = np.cumsum(lengths) - lengths
    labels = np.where(supervised, ids, np.int32(IGNORED))
    labels[starts] = IGNORED  # nothing before a document's first token may predict it
    tokens = pa.array(np.append(starts[first], len(ids)).astype(np.int32))
    documents = pa.array(np.append(first, len(lengths)).astype(np.int32))
    columns = {
        "row": sequence[first].astype(np.int64),
        "input_ids": pa.ListArray.from_arrays(tokens, pa.array(ids)),
        "labels": pa.ListArray.from_arrays(tokens, pa.array(labels)),
        "lengths": pa.ListArray.from_arrays(documents, pa.array(lengths.astype(np.int32))),
        "langs": pa.ListArray.from_arrays(documents, table["lang"].combine_chunks()),
    }
    return pa.table(columns, schema=PACKED_SEQUENCE)


def tokens_in(table: pa.Table) -> tuple[int, int]:
    """Of PACKED_SEQUENCE rows: all, and those whose labels are not IGNORED."""
    labels = _values(table["labels"])
    return len(labels), int(np.count_nonzero(labels != IGNORED))


def _values(column: pa.ChunkedArray) -> np.ndarray:
    return np.concatenate([chunk.flatten().to_numpy(zero_copy_only=False) for chunk in column.chunks])
