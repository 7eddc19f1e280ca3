"""Arrays in files: a reduction and a whole fit, compared with a plain sequential read of the files, in the
page cache.

The plain sequential read calls `readinto` with a buffer of 1 MB on one thread and computes nothing. "mapped
anew" opens the files in each round, so that every page is touched for the first time.
"""

from __future__ import annotations

import numpy as np
import pytest

import fastgd
from bench.harness import SMOKE, assert_close, measure_whole, seconds_of

BYTES = 2_000_000 if SMOKE else 400_000_000
BUFFER = 1 << 20
N_EPOCHS = 100
CASES = [
    (dtype, order, d)
    for dtype in ("float32", "float64", "int16")
    for order in ("C", "F")
    for d in (1, 10, 100)
    if order == "C" or d > 1
]
FIT_CASES = [case for case in CASES if case[2] <= 10]
"""With more columns a fit computes Σ x xᵀ for longer than it reads, from any source."""


def of_files(cases):
    ids = ["{},{},d={}".format(*case) for case in cases]
    return pytest.mark.parametrize("files", cases, ids=ids, indirect=True, scope="module")


@pytest.fixture(scope="module")
def files(request, tmp_path_factory):
    """The paths of X and y, small whole numbers of any type."""
    dtype, order, d = request.param
    folder = tmp_path_factory.mktemp("mapped")
    n = BYTES // ((d + 1) * np.dtype(dtype).itemsize)
    rng = np.random.default_rng(1)
    paths = [folder / "X.npy", folder / "y.npy"]
    X = np.lib.format.open_memmap(paths[0], "w+", dtype, (n, d), order == "F")
    y = np.lib.format.open_memmap(paths[1], "w+", dtype, (n,))
    for start in range(0, n, 100_000):
        part = rng.integers(-9, 10, (min(100_000, n - start), d))
        X[start : start + 100_000] = part
        y[start : start + 100_000] = part[:, 0] + rng.integers(-1, 2, len(part))
    yield paths
    del X, y
    for path in paths:
        path.unlink()


def opened(paths):
    return [np.load(path, mmap_mode="r") for path in paths]


def read_in_sequence(paths):
    buffer = bytearray(BUFFER)
    for path in paths:
        with open(path, "rb", buffering=0) as stream:
            while stream.readinto(buffer):
                pass


def measure(benchmark, what, paths, contender, call):
    X, y = opened(paths)
    group = f"{what} n={len(y)},d={X.shape[1]},{X.dtype},{'C' if X.flags.c_contiguous else 'F'}"
    call()
    beside = {"sequential read": lambda: read_in_sequence(paths)}
    measure_whole(benchmark, group, contender, call, seconds_of(call), X=X, y=y, beside=beside)


@of_files(CASES)
@pytest.mark.parametrize("contender", ["mapped", "mapped anew", "in memory"])
def test_fold(benchmark, files, contender):
    X, y = opened(files)
    w = np.full(X.shape[1], 0.5)
    some = slice(0, 100_000)
    cost, gradient = fastgd.cost_and_gradient(X[some], y[some], w)
    residual = np.asarray(X[some], float) @ w - y[some]
    assert_close(cost, np.mean(residual**2), 1e-9, "the cost")
    assert_close(gradient, 2 * residual @ X[some] / len(residual), 1e-9, "the gradient")
    if contender == "in memory":
        X, y = (np.array(part, order="K") for part in (X, y))
    held = None if contender == "mapped anew" else (X, y)
    measure(
        benchmark, "cost_and_gradient", files, contender,
        lambda: fastgd.cost_and_gradient(*(held or opened(files)), w),
    )  # fmt: skip


@of_files(FIT_CASES)
@pytest.mark.parametrize("contender", ["mapped", "in memory"])
def test_fit(benchmark, files, contender):
    X, y = opened(files)
    if contender == "in memory":
        X, y = (np.array(part, order="K") for part in (X, y))

    def fit():
        return fastgd.gradient_descent(X, y, learning_rate=0.01, n_epochs=N_EPOCHS, history=None)

    w = fit().w
    assert_close(w, np.eye(len(w))[0], 0.02, "w")  # y is the first column plus noise
    measure(benchmark, f"gradient_descent, {N_EPOCHS} epochs", files, contender, fit)
