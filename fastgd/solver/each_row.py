"""One number for each row: predictions, and losses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastgd import checks, reference
from fastgd.data.arrays import ArrayRows, as_array, as_weights
from fastgd.data.backend import Backend, for_exact_loop
from fastgd.data.chunks import Source
from fastgd.data.coding import Coding
from fastgd.data.dataset import Dataset
from fastgd.data.frames import as_row, by_name, names_of
from fastgd.data.raw_frames import encoded
from fastgd.engine import reduce, threads
from fastgd.engine.blocks import NOTHING, Array, Floats


def predict(
    X: ArrayLike, w: ArrayLike, intercept: float, backend: str = "auto", n_threads: int | None = None
) -> float | Floats:
    """Predictions ŷ = x·w + intercept; a float if X is a number. See `fastgd.forward`."""
    intercept = checks.number("intercept", intercept)
    if isinstance(X, Source):
        raise TypeError("X is a source, which has targets too; predictions are of rows alone: pass an array")
    values = as_array("X", X)
    is_number = values.ndim == 0
    rows = ArrayRows(values.reshape(1) if is_number else values, np.zeros(1 if is_number else len(values)))
    rows.columns = names_of(X)

    def twin(x: Any, _y: float, w: Any) -> float:
        return reference.forward(x, w) + intercept

    def compiled(X: Array, _y: Array, w: Floats, out: Floats) -> None:
        from fastgd.kernels import pointwise

        pointwise.scores(X, w, intercept, out)

    scores = each_row(rows, w, twin, compiled, for_exact_loop(backend, rows.n, rows.d), n_threads)
    return float(scores[0]) if is_number else scores


def predict_by_name(
    X: Any, names: tuple[str, ...], coding: Coding, w: ArrayLike, intercept: float
) -> float | Floats:
    """Predictions of a fit whose features have these names; a float if X is a number or a row with names."""
    if (row := as_row(X, names)) is not None:
        return float(np.ravel(predict(row, w, intercept))[0])
    return predict(by_name("X", encoded(X, names, coding), names), w, intercept)


def each_row(
    rows: ArrayRows,
    w: ArrayLike,
    twin: Callable[[Any, float, Any], float],
    compiled: Callable[[Array, Array, Floats, Floats], None],
    backend: Backend,
    n_threads: int | None,
) -> Floats:
    """One number for each row, from `twin(x, y, w)` or from `compiled(X, y, w, out)` on runs of rows."""
    weights = as_weights("w", w, rows.d, rows.is_scalar)
    n_threads = threads.checked_threads(n_threads)
    out = np.empty(rows.n)
    if backend == "python":
        plain = as_plain(weights, rows)
        out[:] = [twin(x, y, plain) for x, y in zip(*rows.lists()[:2], strict=True)]
    else:

        def task(start: int, X: Array, y: Array, _weights: Floats) -> Floats:
            compiled(X, y, weights, out[start : start + len(y)])
            return NOTHING

        reduce.reduce(rows, task, n_threads)
    if not np.isfinite(out).all():
        rows.refuse_nonfinite()
    return out


def as_plain(weights: Floats, rows: Dataset) -> Any:
    """The weights for reference.py: a number in the lesson's case, otherwise a list."""
    return float(weights[0]) if rows.is_scalar else weights.tolist()
