"""Random access to the sequences of a finished mix step: rows of its `.arrow` parts by their place in the stream.

A part on a local disk is mapped into memory; of a remote one only the record batch is fetched that holds the row.
Nothing here needs Ray or torch, and nothing is opened before the first row is asked for.
"""

from bisect import bisect_right
from collections import OrderedDict
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from fsspec.implementations.local import LocalFileSystem

from apollo_ray.errors import ServiceError, UserError
from apollo_ray.records import PACKED_SEQUENCE
from apollo_ray.store import FileEntry, Manifest, Store, step_directory
from apollo_ray.tables import ROWS_PER_BATCH

Int32s = npt.NDArray[np.int32]

OPEN_PARTS = 64
"""Parts held open; opening one reads its index, some 30 bytes a record batch."""
BYTES_AHEAD = 64 * 2**10
"""Fetched beyond what was asked for of a remote part, so that the head of a batch and its body are two requests."""


class PackedRow(NamedTuple):
    """One sequence. `input_ids` and `labels` are int32[n], n <= sequence_length, unpadded; `lengths` int32[d], the
    tokens of each of its d documents, in order, with sum n; `langs` their languages. Labels are not shifted, IGNORED
    (-100) where no loss is taken and at the first token of each document."""

    input_ids: Int32s
    labels: Int32s
    lengths: Int32s
    langs: tuple[str, ...]


class PackedRows:
    """The rows of a mix step by number; `len()` of them. May be pickled: what it holds open stays behind."""

    def __init__(self, store: Store, manifest: Manifest) -> None:
        self.store, self.manifest = store, manifest
        self._starts = [0, *accumulate(entry.rows for entry in manifest.data)]
        self._directory = step_directory(manifest.step, manifest.fingerprint)
        self._parts: OrderedDict[int, _Part] = OrderedDict()

    def __len__(self) -> int:
        return self._starts[-1]

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_parts": OrderedDict()}

    def row(self, number: int) -> PackedRow:
        """The row at `number`, 0 <= number < len(self); its arrays are copies.

        Raises IndexError past the ends, ServiceError where a part is missing, cut or changed, and UserError where the
        step has rows of another type.
        """
        if not 0 <= number < len(self):
            raise IndexError(f"row {number} of {len(self)}")
        index = bisect_right(self._starts, number) - 1
        part = self._parts.get(index)
        if part is None:
            part = self._parts[index] = self._open(self.manifest.data[index])
            if len(self._parts) > OPEN_PARTS:
                self._parts.popitem(last=False)
        self._parts.move_to_end(index)
        return part.row(number - self._starts[index])

    def _open(self, entry: FileEntry) -> "_Part":
        address = self.store.address(self._directory, entry.path)
        remedy = f"remove {self.store.address(self._directory)} and run again"
        filesystem, path = self.store.fs, self.store.path(self._directory, entry.path)
        try:
            if isinstance(filesystem, LocalFileSystem):
                source = pa.memory_map(path)
            else:
                opened = filesystem.open(path, "rb", cache_type="readahead", block_size=BYTES_AHEAD)
                source = pa.PythonFile(opened, mode="r")
            size = source.size()
            reader = pa.ipc.open_file(source) if size == entry.bytes else None
        except FileNotFoundError as error:
            raise ServiceError(f"{address} is missing; {remedy}") from error
        except pa.ArrowInvalid as error:
            raise ServiceError(f"{address} is no Arrow file ({error}); {remedy}") from error
        except Exception as error:  # botocore's and others' connection errors share no base class
            raise ServiceError(f"{address} cannot be read: {type(error).__name__}: {error}") from error
        if reader is None:  # the hash would cost a reading of the whole part
            raise ServiceError(f"{address} has {size} bytes, and {entry.bytes} were written; {remedy}")
        if reader.schema.names != PACKED_SEQUENCE.names:
            raise UserError(f"{address} has rows of {reader.schema.names}, and {PACKED_SEQUENCE.names} are needed")
        return _Part(reader, address)


class _Part:
    """An open part and the record batch that was read last: neighbouring rows come from one reading."""

    def __init__(self, reader: pa.RecordBatchFileReader, address: str) -> None:
        self.reader, self.address = reader, address
        self._number = -1
        self._batch: pa.RecordBatch = None

    def row(self, place: int) -> PackedRow:
        number, offset = divmod(place, ROWS_PER_BATCH)
        if number != self._number:
            try:
                self._batch = self.reader.get_batch(number)
            except (pa.ArrowInvalid, OSError) as error:
                raise ServiceError(f"{self.address} cannot be read at batch {number}: {error}") from error
            self._number = number
        ids, labels, lengths = (_item(self._batch.column(name), offset) for name in PackedRow._fields[:3])
        return PackedRow(ids, labels, lengths, tuple(self._batch.column("langs")[offset].as_py()))


def _item(column: pa.ListArray, offset: int) -> Int32s:
    start, end = column.offsets[offset].as_py(), column.offsets[offset + 1].as_py()
    return np.array(column.values.slice(start, end - start), np.int32)
