"""One number for each row: predictions, from arrays only."""

from __future__ import annotations

import numpy as np
import pytest

import fastgd
from fastgd.data.arrays import ArrayRows
from fastgd.solver.each_row import each_row, predict
from tests.helpers import same


def test_a_source_is_not_predicted():
    source = fastgd.chunks(lambda: iter([([1.0, 2.0], [1.0, 2.0])]))
    with pytest.raises(TypeError, match="^X is a source, which has targets too"):
        fastgd.forward(source, 1.0)


@pytest.mark.parametrize("backend", ["numba", "python"])
def test_predictions_by_hand(backend):
    assert predict(3.0, 2.0, 0.5, backend) == 6.5
    assert predict([1.0, -2.0], 2.0, 0.5, backend).tolist() == [2.5, -3.5]
    assert predict([[1.0, 2.0], [0.0, -1.0]], [2.0, 4.0], 1.0, backend).tolist() == [11.0, -3.0]
    with pytest.raises(fastgd.InvalidDataError, match=r"^X\[1, 0\] is NaN"):
        predict([[1.0, 2.0], [np.nan, 1.0]], [2.0, 4.0], 0.0, backend)


@pytest.mark.parametrize("d", [None, 1, 2, 5])
@pytest.mark.parametrize("scale", [1.0, 1e160, 1e-170])
def test_both_backends_have_the_same_bits(rng, d, scale):
    """`backend.for_exact_loop` chooses one of them."""
    X, w = rng.standard_normal((9, d) if d else 9) * scale, np.float64(3.3) if d is None else np.full(d, 3.3)
    y = rng.standard_normal(9) * scale
    for intercept in (0.0, -0.7):
        compiled, plain = (predict(X, w, intercept, backend) for backend in ("numba", "python"))
        assert same(compiled, plain)
    assert same(fastgd.loss(X, y, w, backend="numba"), fastgd.loss(X, y, w, backend="python"))


def test_runs_of_rows_fill_their_own_part(threads_for_all):
    n = 5000
    rows, parts = ArrayRows(np.arange(float(n)), np.zeros(n)), []

    def compiled(X, y, w, out):
        parts.append(len(out))
        out[:] = X[:, 0] * w[0]

    found = each_row(rows, 3.0, None, compiled, "numba", 3)
    assert sum(parts) == n
    assert found.tolist() == (3.0 * np.arange(n)).tolist()
