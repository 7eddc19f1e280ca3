"""One number for each row: predictions, from arrays only."""

from __future__ import annotations

import numpy as np
import pytest

import fastgd
from fastgd.data.arrays import ArrayRows
from fastgd.solver.each_row import each_row, predict


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


def test_runs_of_rows_fill_their_own_part(threads_for_all):
    n = 5000
    rows, parts = ArrayRows(np.arange(float(n)), np.zeros(n)), []

    def compiled(X, y, w, out):
        parts.append(len(out))
        out[:] = X[:, 0] * w[0]

    found = each_row(rows, 3.0, None, compiled, "numba", 3)
    assert sum(parts) == n
    assert found.tolist() == (3.0 * np.arange(n)).tolist()
