"""`make_linear`: synthetic data of a linear model, with the same bits on every machine."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastgd import checks, display, reference
from fastgd.data.backend import resolve
from fastgd.data.dataset import Dataset
from fastgd.engine import blocks, reduce
from fastgd.engine.blocks import Floats
from fastgd.engine.threads import default_threads
from fastgd.public import public

LARGEST_SEED = 2**64 - 1
MOST_FEATURES = 1 << 22
"""A kernel call draws a whole row, about 20 ms for this many features, before Ctrl-C stops it."""
LARGEST_NORMAL = 8.6
"""Larger than any normal number that is drawn: √(2·53·ln 2) = 8.58, as u is at least 2^-53."""


@public
def make_linear(
    n_samples: int,
    n_features: int | None = None,
    *,
    w: ArrayLike | None = None,
    intercept: float = 0.0,
    noise: float = 0.0,
    seed: int = 0,
    dtype: DTypeLike = np.float64,
    backend: str = "auto",
    n_threads: int | None = None,
) -> tuple[NDArray[Any], NDArray[Any], float | NDArray[np.float64]]:
    """Draw data of a linear model: y = X·w + intercept + noise·ε, with X and ε standard normal.

    Parameters
    ----------
    n_samples : int
        The number of rows, at least 1.
    n_features : int, optional
        The number of columns, from 1 to 2^22. Without it X has shape (n_samples,) and w is a number.
    w : float, or array-like of shape (n_features,), optional
        The weights. By default they are standard normal, and depend on `seed` and `n_features` only.
    intercept : float
        Added to every y.
    noise : float
        The standard deviation of the noise, at least 0.
    seed : int
        From 0 to 2^64 − 1.
    dtype : float64 or float32
        The dtype of X and y. For float32, y is computed in float64 from the rounded X, and then rounded.
    backend : {"auto", "numba", "python"}
        Compiled kernels, or plain Python loops that draw the same bits about a thousand times slower. "auto"
        is "numba" if Numba is installed.
    n_threads : int, optional
        The number of threads, by default the number of processors. The bits do not depend on it.

    Returns
    -------
    X : ndarray of shape (n_samples,) or (n_samples, n_features)
        C-contiguous.
    y : ndarray of shape (n_samples,)
    w : float or float64 ndarray of shape (n_features,)
        The weights, always in float64.

    Raises
    ------
    ValueError
        If a parameter is out of range, or y could overflow.
    TypeError
        If a parameter has the wrong type.
    ModuleNotFoundError
        If backend="numba" and Numba is not installed.

    Notes
    -----
    `make_linear(10)` returns the first rows of `make_linear(10**7)` for the same seed. X, ε and w come from
    different random streams, so `noise` changes y only.

    The generator is Philox4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3",
    SC 2011). Its key is the seed, and its counter is (position, stream, block of rows). The formula of Box
    and Muller (1958) makes normal numbers with |z| up to 8.57. Logarithm, sine and cosine are the polynomials
    of fdlibm in plain IEEE operations, so the bits are the same on every processor and operating system. With
    `noise=0` and float64, y is the plain sum over the columns from the first to the last.

    Memory: X, y and w, and less than 2 MB. Plain Python loops need lists of the numbers in addition.

    Examples
    --------
    >>> import fastgd
    >>> X, y, w = fastgd.make_linear(1000, 3, w=[1.0, -2.0, 0.5], intercept=4.0)
    >>> X.shape, y.shape
    ((1000, 3), (1000,))
    >>> bool(y[0] == X[0, 0] * 1.0 + X[0, 1] * -2.0 + X[0, 2] * 0.5 + 4.0)
    True
    """
    n = checks.whole("n_samples", n_samples, 1)
    d = None if n_features is None else checks.whole("n_features", n_features, 1, MOST_FEATURES)
    seed = checks.whole("seed", seed, 0, LARGEST_SEED)
    intercept = checks.number("intercept", intercept)
    noise = checks.number("noise", noise)
    if noise < 0:
        raise ValueError(f"noise is a standard deviation and must be at least 0, not {noise}")
    chosen_dtype = _float_dtype(dtype)
    threads = default_threads() if n_threads is None else checks.whole("n_threads", n_threads, 1)
    weights = None if w is None else _given_weights(w, d)
    compiled = resolve(backend) == "numba"
    if weights is None:
        weights = _drawn_weights(1 if d is None else d, seed, compiled)
    _check_range(weights, intercept, noise, chosen_dtype)

    X = np.empty(n if d is None else (n, d), dtype=chosen_dtype)
    y = np.empty(n, dtype=chosen_dtype)
    result = float(weights[0]) if d is None else weights
    if compiled:
        _fill(X, y, weights, intercept, noise, seed, threads)
    else:
        plain_w = result if d is None else weights.tolist()
        block_rows, is_single = blocks.block_rows(len(weights)), chosen_dtype == np.float32
        X[...], y[...] = reference.make_linear(n, d, plain_w, intercept, noise, seed, block_rows, is_single)
    return X, y, result


def _float_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    allowed = (np.dtype(np.float64), np.dtype(np.float32))
    with contextlib.suppress(TypeError):
        if (chosen := np.dtype(dtype)) in allowed:
            return chosen
    raise ValueError(f"dtype must be float64 or float32, not {display.value(dtype)}")


def _given_weights(w: ArrayLike, d: int | None) -> NDArray[np.float64]:
    """w as a new array (d,), or (1,) if it is a number."""
    try:
        array = np.asarray(w)
    except ValueError:  # lists of different lengths
        raise TypeError(f"w must hold numbers, not {display.value(w)}") from None
    if d is None:
        if array.ndim > 0:
            raise ValueError(
                f"w has the shape {array.shape}, but without n_features it is one number; "
                f"pass n_features={array.size} too, or one number"
            )
        return np.array([checks.number("w", w)])
    if array.shape != (d,):
        raise ValueError(f"w has the shape {array.shape}; with n_features={d} it must be ({d},)")
    if array.dtype.kind not in "iuf":
        raise TypeError(f"w must hold real numbers, not {array.dtype}")
    with np.errstate(over="ignore"):
        weights = array.astype(np.float64)
    if (bad := checks.first_nonfinite(weights[None])) is not None:
        raise checks.refused_nonfinite("w", bad[2], column=bad[1], remedy="weights must be finite")
    return weights


def _drawn_weights(d: int, seed: int, compiled: bool) -> NDArray[np.float64]:
    if not compiled:
        return np.array(reference.normals(d, reference.W_STREAM, 0, seed))
    from fastgd.kernels import random

    weights = np.empty(d)
    random.fill(weights, np.uint64(seed), random.W_STREAM, np.uint64(0), d)
    return weights


def _check_range(weights: NDArray[np.float64], intercept: float, noise: float, dtype: np.dtype[Any]) -> None:
    """Refuse parameters for which some y could overflow."""
    with np.errstate(over="ignore"):
        largest = LARGEST_NORMAL * (float(np.abs(weights).sum()) + noise) + abs(intercept)
    if not largest < float(np.finfo(dtype).max):
        raise ValueError(f"y could overflow {dtype}; make w, intercept and noise smaller")


class _Output(Dataset):
    """The arrays to fill, as rows of `engine.reduce`. A task writes its run."""

    run_numbers = 1 << 17  # half a millisecond of work; X is still in the cache when y is computed

    X: NDArray[Any]
    y: NDArray[Any]
    known_n: int

    def __init__(self, X: NDArray[Any], y: NDArray[Any]):
        self.X, self.y = X, y
        self.known_n, self.d = X.shape

    def reader(self) -> _Output:
        return self

    def read(self, start: int, stop: int) -> tuple[NDArray[Any], NDArray[Any], Floats]:
        return self.X[start:stop], self.y[start:stop], blocks.NOTHING

    def take(self, order: NDArray[np.integer]) -> tuple[NDArray[Any], NDArray[Any], Floats]:
        raise NotImplementedError


def _fill(
    X: NDArray[Any],
    y: NDArray[Any],
    w: NDArray[np.float64],
    intercept: float,
    noise: float,
    seed: int,
    n_threads: int,
) -> None:
    from fastgd.kernels import random

    block_rows = blocks.block_rows(len(w))

    def fill(start: int, X: NDArray[Any], y: NDArray[Any], _weights: Floats) -> Floats:
        first_block = np.uint64(start // block_rows)
        errors = np.empty(len(y) if noise > 0.0 else 0)
        random.fill(X.reshape(-1), np.uint64(seed), random.X_STREAM, first_block, block_rows * len(w))
        random.fill(errors, np.uint64(seed), random.NOISE_STREAM, first_block, block_rows)
        random.targets(X, w, intercept, noise, errors, y)
        return blocks.NOTHING

    reduce.reduce(_Output(X.reshape(len(y), len(w)), y), fill, n_threads)
