"""Files to packs of bytes, streaming: what one task of the next step works on, never more of a file than that.

Formats: JSON Lines, Parquet, plain text, HTML and XML pages (a file is a document), and the two forms of ApolloCorpora
(https://huggingface.co/datasets/FreedomIntelligence/ApolloCorpus): one array of strings, and one array of
[q1, a1, q2, a2, ...] arrays. Any of them may be compressed (.gz .bz2 .xz .zst). Nothing is parsed here but what is
needed to find where rows begin.
"""

import io
import json
import lzma
import posixpath
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Any, cast

import ijson
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard
from fsspec.compression import compr
from fsspec.spec import AbstractBufferedFile
from fsspec.utils import infer_compression

from apollo_ray.corpus.settings import Format
from apollo_ray.errors import ServiceError, UserError

SUFFIXES: dict[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".txt": "text",
    ".md": "text",
    ".html": "page",
    ".htm": "page",
    ".xhtml": "page",
    ".xml": "page",
    ".cnxml": "page",
}
COMPRESSED = (".gz", ".bz2", ".xz", ".zst")
LONGEST_ROW = 64 * 2**20
"""Bytes of a line, a text file or a page. A longer one is refused unread, so that it cannot fill a worker's memory."""

BROKEN_FILE = (
    pa.ArrowException,
    OSError,
    EOFError,
    UnicodeDecodeError,
    ijson.JSONError,
    zlib.error,
    lzma.LZMAError,
    zstandard.ZstdError,
)
"""What a damaged file raises, by format and compression."""


@dataclass(frozen=True)
class Chunk:
    """Rows of one file, unparsed. `position` is that of the first; `reason` and `detail` say why there are none."""

    uri: str
    format: Format
    position: int
    payload: bytes = b""
    reason: str | None = None
    detail: str | None = None


CHUNKS = pa.list_(
    pa.struct(
        [
            ("uri", pa.string()),
            ("format", pa.string()),
            ("position", pa.int64()),
            ("payload", pa.large_binary()),
            ("reason", pa.string()),
            ("detail", pa.string()),
        ]
    )
)
"""A pack on its way to the task that prepares it."""


def format_of(path: str, rows: str) -> Format:
    """Format by file name. Raises UserError for a suffix that says nothing."""
    stem, suffix = posixpath.splitext(path)
    if suffix.lower() in COMPRESSED:
        suffix = posixpath.splitext(stem)[1]
    suffix = suffix.lower()
    if suffix == ".json":
        return "apollo_text" if rows == "document" else "apollo_qa"
    if suffix not in SUFFIXES:
        known = ", ".join([*SUFFIXES, ".json"])
        raise UserError(
            f"{path}: cannot tell the format from the file name ({known}, each also with {' '.join(COMPRESSED)}); "
            "set the source's 'format'"
        )
    return SUFFIXES[suffix]


class _Remote(io.RawIOBase):
    """A file of an object store. Its failures are no damage of the file: they are raised as ServiceError."""

    def __init__(self, file: AbstractBufferedFile, name: str) -> None:
        self._file, self._name = file, name

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        return int(self._file.tell())

    def readinto(self, buffer: Any) -> int:
        try:
            return int(self._file.readinto(buffer))
        except Exception as error:  # every file system raises its own
            raise _unreadable(self._name, error) from error

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def _unreadable(name: str, error: Exception) -> ServiceError:
    return ServiceError(f"{name} cannot be read: {type(error).__name__}: {str(error)[:300]}")


def open_file(filesystem: Any, path: str) -> IO[bytes]:
    """A file of an fsspec file system, decompressed by its suffix. ServiceError where a store does not answer."""
    try:
        file: IO[bytes] = filesystem.open(path, "rb")
    except OSError:  # not there, or not to be read by this user
        raise
    except Exception as error:  # every file system raises its own
        raise _unreadable(filesystem.unstrip_protocol(path), error) from error
    if isinstance(file, AbstractBufferedFile):  # its own readline knows no limit
        file = cast(IO[bytes], io.BufferedReader(_Remote(file, filesystem.unstrip_protocol(path))))
    if compression := infer_compression(path):
        file = compr[compression](file, mode="rb")
    # The reader of zstandard has no readline; those of the others do, and nothing may come between them and the damage
    # that they tell of.
    return io.BufferedReader(cast(io.RawIOBase, file)) if path.endswith(".zst") else file


def read_chunks(file: IO[bytes], uri: str, form: Format, size: int) -> Iterator[Chunk]:
    """Chunks of some `size` bytes of an open, decompressed file. Damage ends them with one that says where and why."""
    readers = {
        "jsonl": _lines,
        "parquet": _record_batches,
        "text": _whole,
        "page": _whole,
        "apollo_text": _elements,
        "apollo_qa": _elements,
    }
    position = 0
    try:
        for chunk, end in readers[form](file, uri, form, size):
            position = end
            yield chunk
    except BROKEN_FILE as error:
        # What was readable has been yielded; the rest of the file is one refused row, so that it is seen and counted.
        detail = f"{type(error).__name__}: {str(error)[:300]}"
        yield Chunk(uri, form, position, reason="unreadable_file", detail=detail)


def packs(chunks: Iterable[Chunk], size: int) -> Iterator[list[Chunk]]:
    """Neighbouring chunks gathered to at least `size` bytes, so that a thousand small files are no thousand tasks."""
    pack: list[Chunk] = []
    total = 0
    for chunk in chunks:
        pack.append(chunk)
        total += len(chunk.payload)
        if total >= size:
            yield pack
            pack, total = [], 0
    if pack:
        yield pack


Placed = Iterator[tuple[Chunk, int]]  # a chunk and the position behind its last row


def _lines(file: IO[bytes], uri: str, form: Format, size: int) -> Placed:
    start = number = total = 0
    lines: list[bytes] = []
    try:
        while line := file.readline(LONGEST_ROW):
            if len(line) == LONGEST_ROW and not line.endswith(b"\n"):
                yield Chunk(uri, form, start, b"".join(lines)), number
                while (rest := file.readline(LONGEST_ROW)) and not rest.endswith(b"\n"):
                    pass
                yield _too_long(uri, form, number), number + 1
                start, lines, total = number + 1, [], 0
            else:
                lines.append(line)
                total += len(line)
                if total >= size:
                    yield Chunk(uri, form, start, b"".join(lines)), number + 1
                    start, lines, total = number + 1, [], 0
            number += 1
    except BROKEN_FILE:
        yield Chunk(uri, form, start, b"".join(lines)), number  # what was read before the damage
        raise
    if lines:
        yield Chunk(uri, form, start, b"".join(lines)), number


def _record_batches(file: IO[bytes], uri: str, form: Format, size: int) -> Placed:
    position = 0
    for batch in pq.ParquetFile(file).iter_batches(batch_size=1_000):
        rows = max(1, batch.num_rows * size // max(size, batch.nbytes))
        for at in range(0, batch.num_rows, rows):
            part = batch.slice(at, rows)
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, batch.schema) as writer:
                writer.write_batch(part)
            position += part.num_rows
            yield Chunk(uri, form, position - part.num_rows, sink.getvalue().to_pybytes()), position


def _whole(file: IO[bytes], uri: str, form: Format, size: int) -> Placed:
    data = file.read(LONGEST_ROW + 1)
    yield (_too_long(uri, form, 0) if len(data) > LONGEST_ROW else Chunk(uri, form, 0, data)), 1


def _elements(file: IO[bytes], uri: str, form: Format, size: int) -> Placed:
    start = position = total = 0
    parts: list[str] = []
    try:
        for element in ijson.items(file, "item", use_float=True):
            parts.append(json.dumps(element, ensure_ascii=False))
            total += len(parts[-1])
            position += 1
            if total >= size:
                yield _array(uri, form, start, parts), position
                start, parts, total = position, [], 0
    except BROKEN_FILE:
        yield _array(uri, form, start, parts), position
        raise
    if parts:
        yield _array(uri, form, start, parts), position


def _array(uri: str, form: Format, position: int, parts: list[str]) -> Chunk:
    # One element a line: JSON escapes line feeds, so the parser of JSON Lines reads it again.
    return Chunk(uri, form, position, "\n".join(parts).encode("utf-8", "surrogatepass"))


def _too_long(uri: str, form: Format, position: int) -> Chunk:
    return Chunk(uri, form, position, reason="row_too_long", detail=f"more than {LONGEST_ROW} bytes")
