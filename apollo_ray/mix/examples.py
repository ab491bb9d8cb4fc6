"""Tables of conversations or documents to tables of examples: one row a copy, with its place in the stream."""

import pyarrow as pa

from apollo_ray.mix.priority import PRETRAINING, sample_class, sort_key
from apollo_ray.mix.settings import StageSettings
from apollo_ray.mix.template import Encode, encode_conversation, encode_text
from apollo_ray.records import IGNORED, REFUSAL

EXAMPLE = pa.schema(
    [
        ("key", pa.float64()),  # place in the stream, ascending
        ("id", pa.string()),
        ("copy", pa.int64()),
        ("piece", pa.int64()),  # of a long document
        ("sample_class", pa.string()),
        ("lang", pa.string()),
        ("input_ids", pa.list_(pa.int32())),
        ("labels", pa.list_(pa.int32())),
        *REFUSAL,
    ]
)


def conversation_examples(table: pa.Table, settings: StageSettings, encode: Encode, end_id: int) -> pa.Table:
    """Examples of CONVERSATION rows. One that is longer than a sequence is refused, never cut."""
    rows = []
    for row in table.to_pylist():
        ids, labels = encode_conversation(row["turns"], encode, end_id)
        refusal = None
        if len(ids) > settings.sequence_length:
            refusal = ("too_long", f"{len(ids)} tokens, at most {settings.sequence_length}")
        elif all(label == IGNORED for label in labels[1:]):
            refusal = ("no_supervised_token", "every label is masked")
        kind = sample_class(row["kind"], row["phase"], rewritten=row["document"] is not None)
        rows += _copies(row, 0, kind, ids, labels, refusal, settings)
    return pa.Table.from_pylist(rows, EXAMPLE)


def document_examples(table: pa.Table, settings: StageSettings, encode: Encode, end_id: int) -> pa.Table:
    """Examples of DOCUMENT rows: pieces of at most a sequence."""
    rows = []
    for row in table.to_pylist():
        for piece, (ids, labels) in enumerate(encode_text(row["text"], encode, end_id, settings.sequence_length)):
            refusal = ("no_supervised_token", "a piece of one token") if len(ids) < 2 else None
            rows += _copies(row, piece, PRETRAINING, ids, labels, refusal, settings)
    return pa.Table.from_pylist(rows, EXAMPLE)


def _copies(
    row: dict,
    piece: int,
    kind: str,
    ids: list[int],
    labels: list[int],
    refusal: tuple[str, str] | None,
    settings: StageSettings,
) -> list[dict]:
    reason, detail = refusal or (None, None)
    return [
        {
            "key": sort_key(settings.seed, f"{row['id']}/{piece}", copy, settings.priorities[kind]),
            "id": row["id"],
            "copy": copy,
            "piece": piece,
            "sample_class": kind,
            "lang": row["lang"],
            "input_ids": ids,
            "labels": labels,
            "rule": "examples" if reason else None,
            "reason": reason,
            "detail": detail,
        }
        for copy in range(settings.epochs[kind])
    ]
