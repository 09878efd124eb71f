"""Rows as lines of JSON in one Arrow column, ``line``, which DuckDB reads without a copy."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

_SCHEMA = pa.schema([("line", pa.string())])
_NEWLINE = 10


def reader(contents: Iterable[bytes]) -> pa.RecordBatchReader:
    """One batch per content, which is NDJSON; each line keeps its newline."""
    return pa.RecordBatchReader.from_batches(_SCHEMA, map(_batch, contents))


def table(lines: list[bytes]) -> pa.Table:
    """A table of lines without newlines."""
    return pa.table([pa.array(map(bytes.decode, lines), pa.string())], schema=_SCHEMA)


def _batch(content: bytes) -> pa.RecordBatch:
    ends = np.flatnonzero(np.frombuffer(content, np.uint8) == _NEWLINE).astype(np.int32) + 1
    offsets = np.concatenate([np.zeros(1, np.int32), ends])
    column = pa.StringArray.from_buffers(len(ends), pa.py_buffer(offsets), pa.py_buffer(content))
    return pa.RecordBatch.from_arrays([column], schema=_SCHEMA)
