"""The dataset of X, y and sample_weight, and weights that are refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import fastgd
from fastgd.data.arrays import FrameRows
from fastgd.data.streams import StreamRows
from fastgd.solver.inputs import as_dataset, check_weights

X, Y = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([5.0, 6.0])


def source(weights=None):
    return fastgd.chunks(lambda: [(X, Y) if weights is None else (X, Y, np.array(weights))])


def test_each_kind_of_x():
    assert as_dataset([1.0, 2.0], [3.0, 4.0]).is_scalar
    rows = as_dataset(X, Y, [1, 0])
    assert rows.lists() == (X.tolist(), Y.tolist(), [1.0, 0.0])
    assert (rows.columns, rows.is_scalar, rows.has_weights) == ((), False, True)
    frame = as_dataset(pd.DataFrame({"a": [1.0, 3.0], "b": [2, 4]}), pd.Series(Y))
    assert isinstance(frame, FrameRows)
    assert frame.columns == ("a", "b")
    assert frame.lists()[:2] == (X.tolist(), Y.tolist())
    streamed = as_dataset(source(), None)
    assert isinstance(streamed, StreamRows)
    assert streamed.lists()[:2] == (X.tolist(), Y.tolist())


def test_targets_come_with_a_source_or_with_y():
    for what, more in (("y", (Y,)), ("sample_weight", (None, Y))):
        with pytest.raises(TypeError, match=rf"has targets and weights of its own: leave {what} out$"):
            as_dataset(source(), *more)
    with pytest.raises(TypeError, match="^y is missing; only a source"):
        as_dataset(X, None)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0, -2.0], r"^row 1 of chunks\(\): the weight is -2; weights must be finite"),
        ([np.nan, 1.0], r"is nan; weights must be finite"),
        ([0.0, 0.0], "^the weights are zero for every row"),
        ([1e308, 1e308], "^the weights add up to more than a float holds"),
        ([1e-320, 1e-320], "^the weights are too small for a float's digits"),
    ],
)
def test_weights_of_a_source_that_cannot_be(weights, message):
    rows = as_dataset(source(weights), None)
    with pytest.raises(fastgd.InvalidDataError, match=message):
        check_weights(rows)
