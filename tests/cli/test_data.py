"""DATA of the command line: columns by number and by name, parts of rows, and the facts of targets."""

from __future__ import annotations

import numpy as np
import pytest

from fastgd import InvalidDataError
from fastgd.cli.data import Data, open_data, target_facts, variance_of
from tests.cli.trips import MILES, Y

DIALECT = dict(delimiter=None, decimal=None)
TABLE = np.arange(20.0).reshape(5, 4)


def taken(found, width):
    X = np.empty((found.X.n, width))
    found.X.fill(X, 0, len(X))
    return X


@pytest.mark.parametrize(
    ("features", "columns"), [(None, [0, 2]), (["2", "0"], [2, 0]), (["-2"], [2]), (["0", "2"], [0, 2])]
)
def test_columns_of_a_npy_file_by_number(features, columns):
    np.save("a.npy", TABLE)
    found = open_data("a.npy", "1", features, "-1", "error")
    np.testing.assert_array_equal(taken(found, len(columns)), TABLE[:, columns])
    np.testing.assert_array_equal(found.y, TABLE[:, 1])
    np.testing.assert_array_equal(found.weight, TABLE[:, 3])
    assert found.names == tuple(map(str, columns))
    assert (found.target, found.weight_name) == ("1", "3")


@pytest.mark.parametrize(
    ("target", "features", "weight", "sentence"),
    [
        ("4", None, None, "a.npy has no column 4; it has columns 0 to 3"),
        ("-5", None, None, "a.npy has no column -5; it has columns 0 to 3"),
        ("fare", None, None, 'a.npy has no names of columns: give the number of one, 0 to 3, not "fare"'),
        ("1", ["0", "1"], None, "the target, column 1, is among the features; leave it out there"),
        ("1", ["0", "2"], "2", "the weight, column 2, is among the features; leave it out there"),
        ("1", None, "-3", "the weight, column 1, is the target too; name another column"),
        ("1", ["0", "0"], None, "column 0 is twice among the features"),
        ("1", [], None, "a.npy has no other columns; X needs at least one"),
    ],
)
def test_columns_that_are_refused(target, features, weight, sentence):
    np.save("a.npy", TABLE)
    with pytest.raises(InvalidDataError) as caught:
        open_data("a.npy", target, features, weight, "error")
    assert str(caught.value) == sentence


def test_arrays_of_a_npz_file_by_name():
    np.savez("a.npz", X=TABLE, y=np.arange(5.0), s=np.ones(5), line=TABLE[:, 0])
    found = open_data("a.npz", "y", None, "s", "error")
    np.testing.assert_array_equal(found.X, TABLE)
    assert (found.names, found.target, found.weight_name) == (("0", "1", "2", "3"), "y", "s")
    np.testing.assert_array_equal(taken(open_data("a.npz", "y", ["3"], None, "error"), 1), TABLE[:, 3:])
    with pytest.raises(InvalidDataError, match='a.npz has no array "fare"; it has X, y, s, line'):
        open_data("a.npz", "fare", None, None, "error")


def test_a_table_and_its_rows_in_memory():
    found = open_data("trips.csv", "fare", ["miles"], None, "error", **DIALECT)
    assert (found.names, found.target) == (("miles",), "fare")
    assert found.variance() is None  # no pass yet
    memory = found.in_memory()
    np.testing.assert_array_equal(memory.X[:, 0], MILES)
    np.testing.assert_array_equal(memory.y, Y)
    assert memory.n_left_out is None  # none may be missing
    assert found.variance() == pytest.approx(np.var(Y), rel=1e-12)
    assert memory.variance() == pytest.approx(np.var(Y), rel=1e-12)
    assert memory.in_memory() is memory


@pytest.mark.parametrize("weights", [None, np.array([1.0, 2.0, 0.0, 1.0])])
def test_the_variance_of_targets(weights):
    y = np.array([1.0, 4.0, 100.0, 2.0])
    found = variance_of(target_facts(y, weights))
    mean = np.average(y, weights=weights)
    assert found == pytest.approx(np.average((y - mean) ** 2, weights=weights), rel=1e-13)
    assert variance_of(target_facts(np.full(4, 3.0), weights)) is None
    assert Data(None, y, weights, (), "y", None).variance() == found


@pytest.mark.parametrize("suffix", ["npy", "csv"])
def test_one_class_is_refused_by_a_loss_of_two(suffix):
    rows = np.array([[1.0, 1.0], [2.0, 1.0], [4.0, 1.0]])
    if suffix == "npy":
        np.save("c.npy", rows)
        target = "1"
    else:
        np.savetxt("c.csv", rows, delimiter=",", header="x,y", comments="")
        target = "y"
    how = (f"c.{suffix}", target, None, None, "error")
    with pytest.raises(InvalidDataError, match=r'holds (one class only, 1|1 label, "1" \(3\));'):
        open_data(*how, **DIALECT, loss="log_loss").in_memory()
    memory = open_data(*how, **DIALECT, loss="squared_error").in_memory()
    assert len(memory.y) == 3
