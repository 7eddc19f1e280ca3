"""Columns whose names are numbers, dates or tuples."""

from __future__ import annotations

import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest

import fastgd
from fastgd.data.frames import names_of
from tests.behaviour.columns import HOW, X, Y

LABELS = {
    "numbers": ([2019, 2020, 2021], ("2019", "2020", "2021")),
    "numbers of NumPy": (np.array([2019, 2020, 2021]), ("2019", "2020", "2021")),
    "floats": ([0.5, 1.5, np.float64(2.5)], ("0.5", "1.5", "2.5")),
    "dates": (
        pd.date_range("2024-01-30", periods=3),
        ("2024-01-30 00:00:00", "2024-01-31 00:00:00", "2024-02-01 00:00:00"),
    ),
    "tuples": (
        pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)]),
        ("('a', 1)", "('a', 2)", "('b', 1)"),
    ),
    "mixed": (["a", 3, None], ("a", "3", "None")),
    "numbers not from 0": ([1, 2, 3], ("1", "2", "3")),
    "numbers in another order": ([2, 0, 1], ("2", "0", "1")),
}


each_label = pytest.mark.parametrize(("labels", "names"), LABELS.values(), ids=LABELS)


@each_label
def test_columns_are_taken_by_names_of_any_type(labels, names, tmp_path):
    frame = pd.DataFrame(X, columns=labels)
    model = fastgd.gradient_descent(frame, Y, **HOW)
    assert names_of(frame) == model.feature_names == names
    model.save(tmp_path / "fit.npz")
    for one in (model, fastgd.load(tmp_path / "fit.npz")):
        assert np.array_equal(one.predict(frame.iloc[:, [2, 0, 1]]), one.predict(X))
    with pytest.raises(fastgd.InvalidDataError, match="^X lacks "):
        model.predict(frame.iloc[:, [0, 1, 1]])
    with pytest.raises(fastgd.InvalidDataError, match="^w0 is a fit of the columns "):
        fastgd.gradient_descent(frame.iloc[:, [2, 0, 1]], Y, w0=model, **HOW)


@each_label
def test_a_number_that_is_none_is_named_by_a_column_of_any_type(labels, names):
    bad = X.copy()
    bad[41, 1] = np.nan
    with pytest.raises(fastgd.InvalidDataError) as caught:
        fastgd.gradient_descent(pd.DataFrame(bad, columns=labels), Y, **HOW)
    assert str(caught.value).startswith(f"X[41, {names[1]!r}] is NaN")


def test_columns_numbered_as_pandas_does_are_places_that_may_be_moved():
    frame = pd.DataFrame(X)
    model = fastgd.gradient_descent(frame, Y, **HOW)
    assert model.feature_names == ()
    assert np.array_equal(model.predict(frame[[2, 0, 1]]), model.predict(X))
    moved = fastgd.gradient_descent(frame[[2, 0, 1]], Y, **HOW)
    assert np.array_equal(moved.predict(frame), moved.predict(X[:, [2, 0, 1]]))
    assert np.array_equal(model.predict(frame.set_axis([1, 2, 3], axis=1)), model.predict(X))


def test_labels_of_one_text_are_not_mixed_up():
    frame = pd.DataFrame(X, columns=[1, "1", "a"])
    model = fastgd.gradient_descent(frame, Y, **HOW)
    assert np.array_equal(model.predict(frame), model.predict(X))
    with pytest.raises(fastgd.InvalidDataError, match='^X has 2 columns "1"; rename them$'):
        model.predict(frame[["a", 1, "1"]])


def test_dask_columns_of_any_type_are_taken_by_name():
    frame = pd.DataFrame(X, columns=[2019, 2020, 2021])
    model = fastgd.gradient_descent(
        dd.from_pandas(frame, npartitions=2), dd.from_pandas(pd.Series(Y), npartitions=2), **HOW
    )
    assert model.feature_names == ("2019", "2020", "2021")
    assert np.array_equal(
        model.predict(dd.from_pandas(frame[[2021, 2020, 2019]], npartitions=3)), model.predict(X)
    )
