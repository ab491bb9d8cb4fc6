"""Files to raw rows, streaming. A row that does not parse comes out refused, with its place; it never stops a file.

Formats: JSON Lines, Parquet, plain text (a file is a document), and the two forms of ApolloCorpora
(https://huggingface.co/datasets/FreedomIntelligence/ApolloCorpus): one array of strings, and one array of
[q1, a1, q2, a2, ...] arrays. The arrays are read as a stream, so that a file may be larger than memory.
"""

import json
import posixpath
from collections.abc import Iterator
from typing import IO, Any

import ijson
import pyarrow as pa
import pyarrow.parquet as pq

from apollo_ray.corpus.settings import Format
from apollo_ray.errors import UserError
from apollo_ray.text import content_id

RAW = pa.schema(
    [
        ("id", pa.string()),
        ("text", pa.string()),
        ("turns", pa.list_(pa.string())),
        ("title", pa.string()),
        ("kind", pa.string()),
        ("license", pa.string()),
        ("position", pa.int64()),
        ("rule", pa.string()),
        ("reason", pa.string()),
        ("detail", pa.string()),
    ]
)

SUFFIXES: dict[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".txt": "text",
    ".md": "text",
}

Row = dict[str, Any]


def format_of(path: str, rows: str) -> Format:
    """Format by file name. Raises UserError for a suffix that says nothing."""
    suffix = posixpath.splitext(path)[1].lower()
    if suffix == ".json":
        return "apollo_text" if rows == "document" else "apollo_qa"
    if suffix not in SUFFIXES:
        known = ", ".join([*SUFFIXES, ".json"])
        raise UserError(f"{path}: cannot tell the format from the file name ({known}); set the source's 'format'")
    return SUFFIXES[suffix]


def read_rows(file: IO[bytes], name: str, form: Format, rows: str) -> Iterator[Row]:
    """Rows of RAW (as dicts) of an open binary file. `rows` is "document" or "conversation"."""
    readers = {"jsonl": _jsonl, "parquet": _parquet, "text": _text, "apollo_text": _array, "apollo_qa": _array}
    position = -1
    try:
        for position, value in enumerate(readers[form](file)):
            yield _row(value, position, name, rows)
    except (pa.ArrowException, OSError, UnicodeDecodeError, ijson.JSONError) as error:
        # What was readable has been yielded; the rest of the file is one refused row, so that it is seen and counted.
        yield _refused(position + 1, "unreadable_file", f"{type(error).__name__}: {str(error)[:300]}")


def tables(rows: Iterator[Row], rows_per_table: int) -> Iterator[pa.Table]:
    """RAW tables of at most `rows_per_table` rows."""
    batch: list[Row] = []
    for row in rows:
        batch.append(row)
        if len(batch) == rows_per_table:
            yield pa.Table.from_pylist(batch, RAW)
            batch = []
    if batch:
        yield pa.Table.from_pylist(batch, RAW)


def _jsonl(file: IO[bytes]) -> Iterator[Any]:
    for line in file:
        if not line.strip():
            continue
        try:
            yield json.loads(line)
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            yield error


def _parquet(file: IO[bytes]) -> Iterator[Any]:
    for batch in pq.ParquetFile(file).iter_batches(batch_size=1_000):
        yield from batch.to_pylist()


def _text(file: IO[bytes]) -> Iterator[Any]:
    yield file.read().decode("utf-8")


def _array(file: IO[bytes]) -> Iterator[Any]:
    yield from ijson.items(file, "item")


def _row(value: Any, position: int, name: str, rows: str) -> Row:
    if isinstance(value, Exception):
        return _refused(position, "not_json", str(value)[:300])
    if isinstance(value, str):
        stem, suffix = posixpath.splitext(posixpath.basename(name))
        value = {"text": value, "title": None if suffix == ".json" else stem}
    if isinstance(value, list):
        value = {"turns": value}
    if not isinstance(value, dict):
        return _refused(position, "not_an_object", f"a JSON {type(value).__name__}")
    kind = _string(value.get("kind") or value.get("type"))
    common: Row = {
        "title": _string(value.get("title")),
        "kind": kind.removeprefix("medical").lower() if kind else None,  # ApolloCorpora writes medicalExam
        "license": _string(value.get("license")),
        "position": position,
    }
    if rows == "document":
        text = value.get("text")
        if not isinstance(text, str) or not text.strip():
            return _refused(position, "no_text", f"keys {sorted(value)}"[:300])
        return common | {"id": content_id(common["title"], text), "text": text}
    turns = value.get("turns", value.get("conversations"))
    if not isinstance(turns, list) or not turns or not all(isinstance(turn, str) for turn in turns):
        return _refused(position, "no_turns", f"keys {sorted(value)}"[:300])
    if len(turns) % 2 or not all(turn.strip() for turn in turns):
        return _refused(position, "unpaired_turns", f"{len(turns)} turns, {sum(not t.strip() for t in turns)} empty")
    return common | {"id": content_id(*turns), "turns": turns}


def _string(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _refused(position: int, reason: str, detail: str) -> Row:
    return {"position": position, "rule": "sources", "reason": reason, "detail": detail}
