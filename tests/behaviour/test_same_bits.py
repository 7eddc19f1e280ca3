"""The bits of a fit are the same for any source of its rows, any number of threads and of epochs a call.

Other tests hold what needs more than a call: Dask in `distributed/test_executor.py`, runs that were killed in
`test_resume.py`, two runs for one in `test_warm_start.py`, an empty and a warm cache of machine code in
`kernels/test_jit.py`, fits at once in `solver/test_blas.py`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import csv, feather, parquet

import fastgd
from fastgd.engine.blocks import block_rows
from tests.conftest import JIT_IS_OFF
from tests.problems import layouts, problem

FULL = dict(fit_intercept=True, standardize=True)
GD, SGD = fastgd.gradient_descent, fastgd.sgd


RUNS = {
    "cost and gradient": (fastgd.cost_and_gradient, {}),
    "plain": (GD, dict(learning_rate=0.002)),
    "plain sgd": (SGD, dict(learning_rate=0.002)),
    "automatic rate": (GD, {}),
    "weights": (GD, dict(learning_rate=0.1, sample_weight="some")),
    "summary": (GD, dict(method="summary", sample_weight="some") | FULL),
    "nesterov": (GD, dict(method="summary", fit_intercept=True, nesterov=True, l1=0.01)),
    "streamed": (GD, dict(method="stream", l1=0.01, l2=0.1) | FULL),
    "huber": (GD, dict(loss="huber", fit_intercept=True, sample_weight="some", nesterov=True)),
    "huber, alone": (GD, dict(loss="huber")),
    "log_loss": (GD, dict(loss="log_loss") | FULL),
    "sgd": (SGD, dict(sample_weight="some", learning_rate=0.003) | FULL),
    "sgd, maps": (SGD, dict(method="summary", learning_rate=0.003) | FULL),
    "sgd, maps, shuffled": (SGD, dict(method="summary", shuffle="blocks", seed=3, learning_rate=0.003)),
    "sgd, huber": (SGD, dict(loss="huber", learning_rate=0.003) | FULL),
    "sgd, batches": (
        SGD,
        dict(batch_size=300, momentum=0.5, l1=0.01, shuffle="blocks", seed=2, learning_rate=0.003),
    ),
    "sgd, shuffled": (
        SGD,
        dict(fit_intercept=True, shuffle=True, seed=2, l2=0.1, learning_rate=0.003, average=True),
    ),
}
MANY_BLOCKS = {"cost and gradient": 300_000, "plain": 75_000, "plain sgd": 75_000}
"""Numbers of X, where they are more than those of some blocks."""
WIDTHS = {"cost and gradient": [None, 1, 3, 20], "plain": [None, 1, 3, 20], "plain sgd": [None, 1, 3, 20]}
each_run = pytest.mark.parametrize(
    ("name", "d", "blocks"),
    [
        (name, d, blocks)
        for name in RUNS
        for d in WIDTHS.get(name, [None, 3, 20])
        for blocks in ("one block", "blocks")
    ],
)


@functools.lru_cache(maxsize=1)
def rows(name, d, blocks):
    """X, y and weights; of the runs with one loss and width they are the same."""
    least = MANY_BLOCKS.get(name, 0) // (d or 1)
    n = 1000 if blocks == "one block" else max(least, 3 * block_rows(d or 1)) + 77
    n = min(n, 400) if JIT_IS_OFF else n
    rng = np.random.default_rng(7)
    return *problem(rng, n, d, RUNS[name][1].get("loss")), rng.random(n) + 0.1


def bits(found):
    """Of all numbers in a result."""
    names = ("w", "intercept", "w_history", "intercept_history", "cost_history", "loss_history")
    parts = found if isinstance(found, tuple) else [getattr(found, name) for name in names]
    return b"".join(np.float64(part).tobytes() for part in parts if part is not None)


def run(name, d, *source, s=None, **more):
    """The bits of a run; `s` are the weights of an array."""
    call, how = RUNS[name]
    is_a_fit = call in (GD, SGD)
    how = how | (dict(n_epochs=2) if is_a_fit else dict(w=0.3 if d is None else np.full(d, 0.3)))
    how = {key: value for key, value in how.items() if key != "sample_weight"}
    return bits(call(*source, **how, **({} if s is None else dict(sample_weight=s)), **more))


def takes_rows_in_another_order(name):
    how = RUNS[name][1]
    return "shuffle" in how and how.get("method") != "summary"


def has_weights(name):
    return "sample_weight" in RUNS[name][1]


@functools.lru_cache(maxsize=1)
def expected(name, d, blocks):
    X, y, s = rows(name, d, blocks)
    return run(name, d, X, y, s=s if has_weights(name) else None, n_threads=1)


@each_run
def test_any_number_of_threads(threads_for_all, name, d, blocks):
    X, y, s = rows(name, d, blocks)
    s = s if has_weights(name) else None
    for threads in (2, 3, 4, 8):
        assert run(name, d, X, y, s=s, n_threads=threads) == expected(name, d, blocks), threads
    assert len(threads_for_all) > 1 or RUNS[name][0] is SGD or blocks == "one block" or JIT_IS_OFF


@each_run
def test_any_layout_in_memory(threads_for_all, name, d, blocks, tmp_path):
    X, y, s = rows(name, d, blocks)
    weights = {"strided": np.repeat(s, 2)[::2], "big-endian": s.astype(">f8"), "Fortran": s.tolist()}
    arrays = layouts(X, y) | {"big-endian X": (X.astype(">f8"), y)}
    np.save(tmp_path / "X.npy", X)
    arrays["memory map"] = np.load(tmp_path / "X.npy", mmap_mode="r"), y
    for layout, (X_other, y_other) in arrays.items():
        s_other = weights.get(layout, s) if has_weights(name) else None
        for threads in (None, 3):
            found = run(name, d, X_other, y_other, s=s_other, n_threads=threads)
            assert found == expected(name, d, blocks), (layout, threads)


def chunked(size, *arrays):
    def parts():
        for start in range(0, len(arrays[1]), size):
            yield tuple(array[start : start + size] for array in arrays)

    return fastgd.chunks(parts)


@each_run
def test_chunks(threads_for_all, name, d, blocks):
    X, y, s = rows(name, d, blocks)
    if takes_rows_in_another_order(name):
        pytest.skip("sources give their rows in order only")
    source = chunked(700, X, y, *([s] if has_weights(name) else []))
    for threads in (1, 2, 4):
        assert run(name, d, source, n_threads=threads) == expected(name, d, blocks), threads


def write(table, path):
    if path.suffix == ".csv":
        csv.write_csv(table, path)
    elif path.suffix == ".parquet":
        parquet.write_table(table, path, row_group_size=777)
    else:
        feather.write_feather(table, path, "uncompressed", chunksize=777)


@pytest.mark.parametrize("kind", ["t.csv", "t.parquet", "t.arrow"])
@pytest.mark.parametrize("name", RUNS)
def test_files(tmp_path, name, kind):
    if takes_rows_in_another_order(name):
        pytest.skip("sources give their rows in order only")
    X, y, s = rows(name, 3, "blocks")
    table = pa.table(dict(zip("abc", X.T, strict=True)) | {"y": y, "s": s})
    write(table, tmp_path / kind)
    weight = dict(weight="s") if has_weights(name) else {}
    source = fastgd.read_table(tmp_path / kind, target="y", features=list("abc"), **weight)
    assert run(name, 3, source) == expected(name, 3, "blocks")


FRAMES: dict[str, Callable] = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "arrow": pa.table}


@pytest.mark.parametrize("kind", FRAMES)
@pytest.mark.parametrize("name", list(RUNS)[1:])
def test_frames(name, kind):
    X, y, s = rows(name, 3, "blocks")
    frame = FRAMES[kind](dict(zip("abc", X.T, strict=True)))
    assert run(name, 3, frame, y, s=s if has_weights(name) else None) == expected(name, 3, "blocks")


@pytest.mark.parametrize("name", list(RUNS)[1:])
def test_any_history_and_any_number_of_epochs_a_call(name):
    """A callback makes the number of epochs 1."""
    X, y, s = rows(name, 3, "one block")
    call, how = RUNS[name]
    X, y, how = X[:60], y[:60], how | dict(n_epochs=5)
    if has_weights(name):
        how["sample_weight"] = s[:60]
    full = call(X, y, **how)
    for history in ("costs", None):
        fit = call(X, y, history=history, **how)
        assert fit.w.tobytes() == full.w.tobytes()
        assert fit.intercept == full.intercept
        assert fit.w_history is None
        assert fit.intercept_history is None
        if history is None or full.cost_history is None:
            assert fit.cost_history is None
        else:
            assert fit.cost_history.tobytes() == full.cost_history.tobytes()
    single = call(X, y, callback=lambda state: None, **how)
    assert single.w_history.tobytes() == full.w_history.tobytes()
