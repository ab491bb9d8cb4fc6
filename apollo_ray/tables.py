"""Tables as bytes: Parquet by default, and uncompressed Arrow IPC files for rows that are read one by one.

An `.arrow` file holds record batches of ROWS_PER_BATCH rows (the last may have fewer) and an index of them at its end,
so row i lies in batch i // ROWS_PER_BATCH, which is one range of the file: mapped into memory or fetched by itself.
"""

import io

import pyarrow as pa
import pyarrow.parquet as pq

ARROW = ".arrow"
ROWS_PER_BATCH = 16
"""512 KiB of packed rows of 4,096 tokens: enough for one request to an object store, little to read for one row."""


def encode(table: pa.Table, name: str) -> bytes:
    """The bytes of a file of that name: Arrow IPC where it ends in `.arrow`, else Parquet."""
    buffer = io.BytesIO()
    if name.endswith(ARROW):
        with pa.ipc.new_file(buffer, table.schema) as writer:
            writer.write_table(table.combine_chunks(), max_chunksize=ROWS_PER_BATCH)
    else:
        pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def decode(data: bytes, name: str) -> pa.Table:
    """The table in the bytes of a file that `encode` wrote under that name."""
    if name.endswith(ARROW):
        return pa.ipc.open_file(pa.BufferReader(data)).read_all()
    return pq.read_table(pa.BufferReader(data))
