"""CSV as spreadsheets write it: the dialect is recognised, said, or forced."""

from __future__ import annotations

import numpy as np
import pytest

import fastgd
from fastgd.data import dialect
from tests.data.reading import rows_of

ROWS = [(x * 0.5, x * 7 % 5, x - 1.5) for x in range(9)]


def text(delimiter, mark=".", quote="", end="\n"):
    cells = [[f"{quote}{value}{quote}".replace(".", mark) for value in row] for row in ROWS]
    return "".join(delimiter.join(row) + end for row in [["x", "z", "y"], *cells])


RECOGNISED = {
    "commas": (text(","), ""),
    "semicolons": (text(";"), "semicolons between fields"),
    "semicolons, decimal commas": (text(";", ","), "semicolons between fields, decimal commas"),
    "semicolons, CRLF": (text(";", ",", end="\r\n"), "semicolons between fields, decimal commas"),
    "semicolons, CR": (text(";", end="\r"), "semicolons between fields"),
    "tabs": (text("\t"), "tabs between fields"),
    "tabs, decimal commas": (text("\t", ","), "tabs between fields, decimal commas"),
    "bars": (text("|"), "bars between fields"),
    "decimal commas in quotes": (text(",", ",", '"'), "commas between fields, decimal commas"),
    "sep=,": ("sep=,\n" + text(","), "commas between fields, after a line sep="),
    "sep=;": (
        "sep=;\r\n" + text(";", ",", end="\r\n"),
        "semicolons between fields, decimal commas, after a line sep=",
    ),
    "BOM": ("\ufeffsep=;\n" + text(";"), "semicolons between fields, after a line sep="),
    "no newline at the end": (text(";", ",").rstrip(), "semicolons between fields, decimal commas"),
    "commas in a header": (
        text(";", ",").replace("x;", "x, km;"),
        "semicolons between fields, decimal commas",
    ),
}


@pytest.mark.parametrize("case", RECOGNISED)
def test_recognised_and_said(tmp_path, case):
    content, said = RECOGNISED[case]
    file = tmp_path / "t.csv"
    file.write_text(content, newline="")
    source = fastgd.read_table(file, target="y")
    X, y, _ = rows_of(source)
    np.testing.assert_array_equal(np.column_stack([X, y]), ROWS)
    assert source.dialect == said
    assert repr(source).startswith(f"read_table(t.csv ({said}): " if said else "read_table(t.csv: ")


def test_keywords_force_a_dialect(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text("x;z y\n1,250;2 3\n2,500;3 4\n")
    source = fastgd.read_table(file, target="z y", delimiter=";", features=["x"], decimal=",")
    assert source.columns == ("x",)
    file.write_text("x:y\n1,250:2\n2,500:3\n")
    X, y, _ = rows_of(fastgd.read_table(file, target="y", delimiter=":", decimal=","))
    assert (X.ravel().tolist(), y.tolist()) == ([1.25, 2.5], [2.0, 3.0])
    assert fastgd.read_table(file, target="y", delimiter=":", decimal=",").dialect == ""  # as was asked


def test_commas_that_may_separate_thousands_are_no_decimal_marks(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text('x,y\n"1,250",2\n"12,500",3\n')
    with pytest.raises(fastgd.InvalidDataError) as caught:
        rows_of(fastgd.read_table(file, target="y", features=["x"]))
    assert str(caught.value) == (
        't.csv, line 2: "1,250" in column "x" is no number with decimal="."; pass decimal=",", or take out '
        "what separates thousands"
    )
    assert rows_of(fastgd.read_table(file, target="y", decimal=","))[0].ravel().tolist() == [1.25, 12.5]
    file.write_text("x;y\n0,125;2\n0,250;3\n")  # no thousands begin with 0
    assert rows_of(fastgd.read_table(file, target="y"))[0].ravel().tolist() == [0.125, 0.25]


def test_spaces_in_empty_cells_are_missing_values(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text("x,y\n1, \n   ,2\n3,4\n")
    with pytest.raises(
        fastgd.InvalidDataError, match=r'^t.csv: "x" has 1 missing value, "y" 1: pass missing'
    ):
        rows_of(fastgd.read_table(file, target="y"))
    X, y, _ = rows_of(fastgd.read_table(file, target="y", missing="drop"))
    assert (X.tolist(), y.tolist()) == ([[3.0]], [4.0])


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("x:y\n1:2\n", 't.csv has no column "y". It has "x:y"; it is read with commas between fields'),
        (
            "0.5,1\n1,2\n",
            't.csv has no column "y". It has "0.5", "1"; its first line holds numbers: put a header',
        ),
        ("x,Y\n1,2\n", 't.csv has no column "y": did you mean "Y"? It has "x", "Y"'),
    ],
)
def test_why_a_column_is_lacking(tmp_path, content, sentence):
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(fastgd.InvalidDataError) as caught:
        fastgd.read_table(tmp_path / "t.csv", target="y")
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        (dict(delimiter=""), "delimiter must be one ASCII character, such as ';' or '\\\\t', not ''"),
        (dict(delimiter="::"), "delimiter must be one ASCII character"),
        (dict(delimiter='"'), "delimiter must be one ASCII character"),
        (dict(decimal=";"), "decimal must be '.' or ',', not ';'"),
    ],
)
def test_keywords_that_no_file_can_have(keywords, message):
    with pytest.raises(ValueError, match=message):
        fastgd.read_table("t.csv", target="y", **keywords)


def test_other_files_have_no_dialect(tmp_path):
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    with pytest.raises(
        fastgd.InvalidDataError, match=r"^t.parquet is no CSV: leave out delimiter and decimal$"
    ):
        fastgd.read_table(tmp_path / "t.parquet", target="y", decimal=",")


def test_the_usual_delimiter_stays_where_no_other_is_better():
    for one in ("a,note\n1,x;y\n2,z\n", "a\n1\n", "", "a,b\n1,2\n3\n", "when,b\n1|2,3\n4|5,6\n"):
        assert dialect.recognise(one, ",") == (",", ".", 0)
