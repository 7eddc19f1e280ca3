"""Parts of DATA for a model: rows, targets, weights and kept columns beside each other."""

from __future__ import annotations

from argparse import Namespace

import numpy as np
import pytest

import fastgd
from fastgd import InvalidDataError
from fastgd.cli import parts as module
from fastgd.cli.parts import parts
from fastgd.data.coding import Coding
from fastgd.data.dialect import CsvOptions
from fastgd.data.tables import Beside

CODING = Coding("y", {"b": ("x", "z")}, ())


def read(path, names, w, beside=None, coding=None, **options):
    """The parts for a model with these weights."""
    given = dict(data=path, features=None, missing="error", unknown="error", format=None)
    given |= CsvOptions()._asdict()
    model = fastgd.gradient_descent(np.eye(len(w)), np.zeros(len(w)))
    model.feature_names, model.coding = tuple(names), coding or model.coding
    return list(parts(Namespace(**given | options), model, beside or Beside()))


@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_parts_are_all_rows_in_order(monkeypatch, n):
    monkeypatch.setattr(module, "PART_NUMBERS", 4)  # two rows of two columns
    X = np.arange(2.0 * n).reshape(n, 2)
    np.save("x.npy", X)
    found = list(read("x.npy", (), [0.0, 0.0]))
    np.testing.assert_array_equal(np.concatenate([part.X for part in found]), X)
    assert np.concatenate([part.rows for part in found]).tolist() == list(range(n))
    assert [part.stop for part in found] == [min(stop, n) for stop in range(2, n + 2, 2)]


def test_parts_of_a_table_leave_rows_out(monkeypatch):
    monkeypatch.setattr(module, "PART_NUMBERS", 2)
    with open("t.csv", "w") as file:
        file.write("a,b\n1,9\n,9\n3,9\n4,9\n,9\n6,9\n,9\n")
    found = list(read("t.csv", ("a",), [0.0], missing="drop"))
    assert np.concatenate([part.X for part in found]).ravel().tolist() == [1.0, 3.0, 4.0, 6.0]
    assert np.concatenate([part.rows for part in found]).tolist() == [0, 2, 3, 5]
    assert found[-1].stop == 7


@pytest.mark.parametrize(
    ("features", "d", "sentence"),
    [
        (["0"], 2, "the model has 2 features, and --features names 1"),
        (None, 3, "x.npy has 2 columns, and the model 3 features: name their columns, --features 0,1,2"),
        (["0", "5"], 2, "x.npy has no column 5; it has columns 0 to 1"),
    ],
)
def test_parts_that_do_not_suit_the_model(features, d, sentence):
    np.save("x.npy", np.ones((4, 2)))
    with pytest.raises(InvalidDataError) as caught:
        list(read("x.npy", (), [0.0] * d, features=features))
    assert str(caught.value) == sentence


def test_a_value_that_is_not_a_number_is_named_by_row_and_column():
    X = np.ones((5, 2))
    X[3, 1] = np.nan
    np.save("x.npy", X)
    with pytest.raises(InvalidDataError) as caught:
        list(read("x.npy", (), [0.0, 0.0]))
    assert caught.value.column == 1
    assert "x.npy" in str(caught.value)
    assert "3" in str(caught.value)


@pytest.mark.parametrize("size", [1, 2, 100])
def test_other_columns_stay_beside_their_rows(monkeypatch, size):
    monkeypatch.setattr(module, "PART_NUMBERS", 2 * size)
    with open("t.csv", "w") as file:
        file.write("id,b,a,y\n01,x,1,9\n02,,2,8\n03,z,3,\n04,z,,6\n05,x,5,NA\n06,x,6,4\n")
    beside = Beside("y", None, ("id", "a"), True)
    found = read("t.csv", ("a", "b=z"), [0.0, 0.0], beside, CODING, missing="drop")
    X, y = np.concatenate([part.X for part in found]), np.concatenate([part.y for part in found])
    assert X.tolist() == [[1.0, 0.0], [3.0, 1.0], [5.0, 0.0], [6.0, 0.0]]
    np.testing.assert_array_equal(y, [9.0, np.nan, np.nan, 4.0])
    ids, a = ([value for part in found for value in part.kept[k].to_pylist()] for k in (0, 1))
    assert ids == ["01", "02", "03", "04", "05", "06"]
    assert a == [1.0, 2.0, 3.0, None, 5.0, 6.0]
    assert all(
        len(part.kept[0]) == part.stop - start
        for start, part in zip([0, *(p.stop for p in found)], found, strict=False)
    )


def test_unknown_levels_and_new_names():
    with open("t.csv", "w") as file:
        file.write("c,d\nx,1\nq,2\nz,3\n")
    found = read("t.csv", ("a", "b=z"), [0.0, 0.0], None, CODING, features=["d", "c"], unknown="zero")
    assert found[0].X.tolist() == [[1.0, 0.0], [2.0, 0.0], [3.0, 1.0]]
    assert found[-1].n_unknown == 1
    with pytest.raises(
        InvalidDataError, match='row 1 of t.csv .* column "c" is "q", which is none of the levels'
    ):
        read("t.csv", ("a", "b=z"), [0.0, 0.0], None, CODING, features=["d", "c"])


@pytest.mark.parametrize(("may_lack", "text"), [(True, "a,b\n1,x\n"), (True, "a,b,y\n1,x,word\n")])
def test_a_target_that_is_not_there_or_not_numeric(may_lack, text):
    with open("t.csv", "w") as file:
        file.write(text)
    assert read("t.csv", ("a", "b=z"), [0.0, 0.0], Beside("y", None, (), True), CODING)[0].y is None
    with pytest.raises(InvalidDataError, match='"y"'):
        read("t.csv", ("a", "b=z"), [0.0, 0.0], Beside("y", None, (), False), CODING)
