"""What columns of a table are refused for."""

from __future__ import annotations

import pyarrow as pa
import pytest
from pyarrow import parquet

import fastgd
from fastgd.data.formats import ParquetFile
from fastgd.data.table_checks import as_names, check_file, check_names, counted


@pytest.fixture
def file(tmp_path):
    table = pa.table({"size": [1.0, 2.0], "city": ["Oslo", "Rome"], "Unnamed: 0": [0, 1], "y": [1, 2]})
    parquet.write_table(table, tmp_path / "t.parquet")
    return ParquetFile(tmp_path / "t.parquet")


def test_columns_that_are_coded_need_not_be_numeric(file):
    check_file(file, ["size", "city"], ["y"], {"city"}, are_all=False)
    check_file(file, ["size"], ["city"], {"city"}, are_all=False)
    with pytest.raises(fastgd.InvalidDataError) as caught:
        check_file(file, ["size"], ["city"], set(), are_all=False)
    assert str(caught.value) == (
        'column "city" of t.parquet holds text, "Oslo" in row 0; it must hold real numbers'
    )


@pytest.mark.parametrize(
    ("features", "coded", "sentence"),
    [
        (["size", "town"], set(), 't.parquet has no column "town". It has "size", "city", "Unnamed: 0", "y"'),
        (["siz"], set(), 't.parquet has no column "siz": did you mean "size"? It has'),
        (["size", "Unnamed: 0"], set(), 't.parquet has a column "Unnamed: 0", a data frame\'s index'),
        (
            ["size", "city", "Unnamed: 0"],
            set(),
            't.parquet has columns that hold no numbers, "city" (text, "Oslo" in row 0); name those to use, '
            'features=["size"], or encode text by levels, categories=["city"]',
        ),
    ],
)
def test_refusals(file, features, coded, sentence):
    with pytest.raises(fastgd.InvalidDataError) as caught:
        check_file(file, features, ["y"], coded, are_all=True)
    assert str(caught.value).startswith(sentence)


def test_lists_of_names():
    assert as_names("categories", ["a", "b"]) == ("a", "b")
    with pytest.raises(TypeError, match=r"categories must be a list of names, \['a'\], not a name"):
        as_names("categories", "a")
    with pytest.raises(TypeError, match="categories must be names of columns"):
        as_names("categories", [1])


@pytest.mark.parametrize(
    ("names", "target", "weight", "sentence"),
    [
        (["a", "y"], "y", None, 'the target "y" is among the features'),
        (["a"], "y", "a", 'the weight "a" is among the features'),
        (["a"], "y", "y", 'the weight "y" is the target too'),
        (["a", "a"], "y", None, '"a" is twice among the features'),
    ],
)
def test_one_column_has_one_role(names, target, weight, sentence):
    with pytest.raises(fastgd.InvalidDataError, match=sentence):
        check_names(names, target, weight)


def test_missing_values_by_column():
    error = counted("t.csv", {"a": 1, "b": 3})
    assert str(error) == 't.csv: "a" has 1 missing value, "b" 3; pass missing="drop", or fill them'
