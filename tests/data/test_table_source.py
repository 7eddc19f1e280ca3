"""The source of the columns of files: columns carried along, and rows that are left out."""

from __future__ import annotations

import pytest

import fastgd
from fastgd.data.coding import Coding
from fastgd.data.tables import Beside, read_features

DIALECT = dict(delimiter=None, decimal=None)
CODING = Coding("y", {"city": ("Oslo", "Rome")}, ())


@pytest.fixture
def path(tmp_path):
    (tmp_path / "t.csv").write_text("id,size,city,y\n007,1,Rome,NA\n008,,Oslo,2\n009,3,Paris,4\n")
    return tmp_path / "t.csv"


def test_carried_columns_have_all_rows(path):
    beside = Beside("y", None, ("id", "size"), True)
    source = read_features(
        path, ["size", "city=Rome"], CODING, beside, missing="drop", unknown="zero", **DIALECT
    )
    (chunk,) = source.chunks()
    assert (len(chunk), chunk.rows.tolist(), chunk.n_unknown) == (2, [0, 2], 1)
    assert source.carried == ("id", "size", "y")
    assert {name: column.to_pylist() for name, column in chunk.carried.items()} == {
        "id": ["007", "008", "009"],
        "size": [1.0, None, 3.0],
        "y": [None, 2.0, 4.0],
    }
    assert source.n_left_out == 1


def test_the_row_of_an_unknown_level_counts_rows_that_are_left_out(path):
    source = read_features(path, ["size", "city=Rome"], CODING, missing="drop", **DIALECT)
    with pytest.raises(fastgd.InvalidDataError) as caught:
        list(source.chunks())
    assert (caught.value.row, caught.value.line, caught.value.value) == (2, 4, "Paris")


def test_another_coding_is_another_source(path):
    path.write_text("a,y\n1,no\n2,yes\n")
    yes, no = (fastgd.read_table(path, target="y", positive=label) for label in ("yes", "no"))
    assert yes.sample() != no.sample()
    assert yes.sample() == fastgd.read_table(path, target="y", labels=True).sample()
