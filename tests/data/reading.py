"""Helpers for the tests of sources: read all rows of a source, count open files."""

from __future__ import annotations

import contextlib
import os

import numpy as np
import pyarrow as pa
from pyarrow import feather, parquet


def rows_of(source):
    """X, y and weights of all rows. Each chunk is read in two parts."""
    parts = []
    with contextlib.closing(source.chunks()) as chunks:
        for chunk in chunks:
            m = len(chunk)
            X, y = np.empty((m, source.d), source.dtypes[0]), np.empty(m, source.dtypes[1])
            weights = np.empty(m if source.has_weights else 0)
            for part in (slice(0, m // 3), slice(m // 3, m)):
                chunk.fill(part.start, part.stop, X[part], y[part], weights[part])
            parts.append((X, y, weights))
    return tuple(map(np.concatenate, zip(*parts, strict=True)))


def open_files():
    """The number of files that this process has open, or 0 if the system does not tell."""
    with contextlib.suppress(FileNotFoundError):
        return len(os.listdir("/proc/self/fd"))
    return 0


N = 1000


TABLE = pa.table(
    {
        "a": np.linspace(-1.0, 1.0, N),
        "b": np.arange(N) % 7,
        "c": np.linspace(0.0, 9.0, N, dtype=np.float32),
        "note": ["text"] * N,
        "y": np.arange(N)[::-1].astype(np.int16),
        "s": np.arange(N) % 3,
    }
)


X = np.column_stack([TABLE[name].to_numpy().astype(float) for name in "abc"])


Y, S = TABLE["y"].to_numpy(), TABLE["s"].to_numpy()


def write(path, table=TABLE, rows=300):
    """In pieces of some rows, as its name says."""
    if path.suffix in (".parquet", ".pq"):
        parquet.write_table(table, path, row_group_size=rows)
    elif path.name.endswith("stream.arrow"):
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
            writer.write_table(table, rows)
    else:
        feather.write_feather(table, path, "lz4" if "lz4" in path.name else "uncompressed", chunksize=rows)
    return path


KINDS = ["t.parquet", "T.PQ", "t.arrow", "t.feather", "t.ipc", "lz4.feather", "stream.arrow"]
