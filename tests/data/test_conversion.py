"""Arrays in files are converted block by block: the bits of memory, and no copy of the whole."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import fastgd
from fastgd.data import conversion
from fastgd.data.arrays import mapping_of
from fastgd.data.frames import ColumnTable, as_table
from tests.conftest import JIT_IS_OFF

ROOT = Path(__file__).parents[2]


def whole(values, path, order, offset=0):
    mapped = np.memmap(path, values.dtype, "w+", offset, values.shape, order)
    mapped[...] = values
    mapped.flush()
    return np.memmap(path, values.dtype, "r", offset, values.shape, order)


DTYPES = ["f4", "f8", "i2", "u1", "i8", "f2", "?", ">f8", ">i2"]
LAYOUTS = {
    "C": lambda X, path: whole(X, path, "C"),
    "Fortran": lambda X, path: whole(X, path, "F"),
    "at an odd place": lambda X, path: whole(X, path, "C", 1),
    "Fortran, behind a header": lambda X, path: whole(X, path, "F", mmap.ALLOCATIONGRANULARITY + 128),
    "every other row": lambda X, path: whole(np.repeat(X, 2, axis=0), path, "C")[::2],
    "rows of a Fortran file": lambda X, path: whole(np.vstack([X[:9], X, X[:3]]), path, "F")[9:-3],
    "every other column of a Fortran file": lambda X, path: whole(np.repeat(X, 2, axis=1), path, "F")[:, ::2],
    "backwards": lambda X, path: whole(X[::-1, ::-1], path, "C")[::-1, ::-1],
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES[1:3] if JIT_IS_OFF else DTYPES)
def test_the_bits_are_those_of_memory(rng, tmp_path, monkeypatch, dtype, layout):
    monkeypatch.setattr(conversion, "LEAST_NUMBERS", 1)
    n, d = (4200, 3) if JIT_IS_OFF else (20_000, 11)
    X = (rng.random((n, d)) * 9).astype(dtype)
    y = np.arange(n, dtype=np.int16) % 7
    mapped = LAYOUTS[layout](X, tmp_path / "X"), whole(y, tmp_path / "y", "C")
    assert mapping_of(mapped[0]) is not None
    assert not mapped[0].flags.writeable
    plain = X.astype(np.float32 if dtype == "f4" else np.float64), y.astype(float)
    how = dict(learning_rate=1e-4, n_epochs=2)
    for method in ("summary", "stream"):
        ours = fastgd.gradient_descent(*mapped, method=method, **how)
        memory = fastgd.gradient_descent(*plain, method=method, **how)
        assert ours.w.tobytes() == memory.w.tobytes()
        assert ours.cost_history.tobytes() == memory.cost_history.tobytes()
    ours, memory = fastgd.sgd(*mapped, **how), fastgd.sgd(*plain, **how)
    assert ours.w.tobytes() == memory.w.tobytes()


TABLES = {
    "pandas": lambda columns: pd.DataFrame(columns, copy=False),
    "polars": pl.DataFrame,
    "polars in pieces": lambda columns: pl.concat(
        [pl.DataFrame(columns)[:700], pl.DataFrame(columns)[700:]], rechunk=False
    ),
    "arrow": pa.table,
    "arrow in pieces": lambda columns: pa.concat_tables([pa.table(columns)[:1], pa.table(columns)[1:]]),
}


@pytest.mark.parametrize("make", TABLES.values(), ids=TABLES)
@pytest.mark.parametrize("dtype", ["f8"] if JIT_IS_OFF else ["f4", "f8", "i2"])
@pytest.mark.parametrize("n", [2, 4095, 4096, 4097] if JIT_IS_OFF else [1, 2, 4095, 4096, 4097, 20_000])
def test_the_bits_of_tables_are_those_of_arrays(rng, monkeypatch, n, dtype, make):
    monkeypatch.setattr(conversion, "LEAST_NUMBERS", 1)
    X = (rng.random((n, 5)) * 9).astype(dtype)
    y = X[:, 0] + rng.random(n)
    table = make({name: X[:, j].copy() for j, name in enumerate("abcde")})
    assert isinstance(as_table("X", table), ColumnTable)
    for fit, method in (("sgd", "stream"), ("sgd", "auto"), ("gradient_descent", "auto")):
        how = dict(learning_rate=1e-4, n_epochs=2, method=method, backend="numba")
        ours, array = (getattr(fastgd, fit)(rows, y, **how) for rows in (table, X))
        assert ours.w.tobytes() == array.w.tobytes()


PROGRAM = """
import resource
import sys
import numpy as np
import fastgd

def anonymous(field="RssAnon"):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(field))

path, dtype, order = {case}
def work(X, y):
    how = dict(learning_rate=1e-9, n_epochs=3, n_threads=4, history=None)
    fastgd.cost_and_gradient(X, y, np.zeros(10), n_threads=4)
    for method in ("summary", "stream"):
        fastgd.gradient_descent(X, y, method=method, **how)
    fastgd.sgd(X, y, **how)

rows = {bytes} // (10 * np.dtype(dtype).itemsize)
work(np.ones((120_000, 10), dtype, order=order), np.ones(120_000, dtype))  # the compiler's own memory
X = np.memmap(path, dtype, "w+", shape=(rows, 10), order=order)
y = np.memmap(path + "y", dtype, "w+", shape=(rows,))
before = anonymous()
cap = anonymous("VmData") + {allowed}
resource.setrlimit(resource.RLIMIT_DATA, (cap, cap))
try:
    np.ones(X.shape, dtype)
except MemoryError:
    work(X, y)
    print(anonymous() - before)
"""
BYTES, ALLOWED = 320_000_000, 300_000_000


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux's /proc and its RLIMIT_DATA")
@pytest.mark.skipif(JIT_IS_OFF, reason="the same memory, hours of Python")
@pytest.mark.parametrize("dtype", ["f4", "f8", "i2"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_nothing_is_copied_whole(tmp_path, dtype, order):
    """Under a cap on the memory that it may ask for, which a copy of X would exceed."""
    program = PROGRAM.replace("{case}", repr((str(tmp_path / "X"), dtype, order)))
    done = subprocess.run(
        [sys.executable, "-c", program.replace("{bytes}", str(BYTES)).replace("{allowed}", str(ALLOWED))],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < ALLOWED
