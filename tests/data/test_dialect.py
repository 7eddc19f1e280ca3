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
    "empty lines, sep=;": (
        "\n\r\nsep=;\n" + text(";", ","),
        "semicolons between fields, decimal commas, after a line sep=",
    ),
    "sep=;, CR": ("\r\rsep=;\r" + text(";", end="\r"), "semicolons between fields, after a line sep="),
    "BOM, empty line, sep=;": (
        '\ufeff\n"sep=;"\n' + text(";"),
        "semicolons between fields, after a line sep=",
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
        't.csv, line 2: "1,250" in column "x" is not a number with decimal="."; pass decimal=",", or '
        'thousands="," if it separates thousands'
    )
    assert rows_of(fastgd.read_table(file, target="y", decimal=","))[0].ravel().tolist() == [1.25, 12.5]
    file.write_text("x;y\n0,125;2\n0,250;3\n")  # no thousands begin with 0
    assert rows_of(fastgd.read_table(file, target="y"))[0].ravel().tolist() == [0.125, 0.25]


def test_a_column_of_text_decides_no_decimal_mark(tmp_path):
    file = tmp_path / "t.tsv"
    file.write_text("v\tname\ty\n1,234\ta 1\t3\n2,500\t2,5\t4\n9\tb 2\t5\n")
    with pytest.raises(fastgd.InvalidDataError) as caught:
        rows_of(fastgd.read_table(file, target="y", features=["v"]))
    assert str(caught.value) == (
        't.tsv, line 2: "1,234" in column "v" is not a number with decimal="."; pass decimal=",", or '
        'thousands="," if it separates thousands'
    )
    file.write_text("v\tname\ty\n1,5\t3.5\t3\n2,5\ta 1\t4\n9\tb 2\t5\n")
    X, _, _ = rows_of(fastgd.read_table(file, target="y", features=["v"]))
    assert X.ravel().tolist() == [1.5, 2.5, 9.0]


@pytest.mark.parametrize("features", [["v"], None])
def test_thousands_beside_decimal_commas_are_not_decimals_in_silence(tmp_path, features):
    file = tmp_path / "t.tsv"
    file.write_text("v\tname\ty\n9\t1,2\t3\n\n1,234\t2,5\t4\n2,500\t3,5\t5\n")
    with pytest.raises(fastgd.InvalidDataError) as caught:
        rows_of(fastgd.read_table(file, target="y", features=features, missing="drop"))
    assert str(caught.value) == (
        't.tsv, line 4: "1,234" in column "v" has a decimal comma or separates thousands; pass decimal=",", '
        'or thousands="," if it separates thousands'
    )
    assert rows_of(fastgd.read_table(file, target="y", features=["name"]))[0].ravel().tolist() == [
        1.2,
        2.5,
        3.5,
    ]
    forced = fastgd.read_table(file, target="y", features=["v"], decimal=",")
    assert rows_of(forced)[0].ravel().tolist() == [9.0, 1.234, 2.5]


def test_commas_with_any_decimals_in_a_column_are_decimal_marks(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text("v;y\n1,234;3\n2,5;4\nNA;5\n0,125;6\n")
    X, _, _ = rows_of(fastgd.read_table(file, target="y", missing="drop"))
    assert X.ravel().tolist() == [1.234, 2.5, 0.125]


@pytest.mark.parametrize("one", ["é", '"', "\0"])
def test_a_line_sep_that_names_no_delimiter_is_refused(tmp_path, one):
    file = tmp_path / "t.csv"
    file.write_text(f"sep={one}\n" + text(";"))
    with pytest.raises(fastgd.InvalidDataError) as caught:
        fastgd.read_table(file, target="y")
    assert str(caught.value) == (
        "t.csv begins with a line sep=, and delimiter must be one ASCII character, such as ';' or '\\t', not "
        f"{one!r}; correct that line, or pass delimiter= for another"
    )
    np.testing.assert_array_equal(
        rows_of(fastgd.read_table(file, target="y", delimiter=";"))[1], [r[2] for r in ROWS]
    )


def test_spaces_in_empty_cells_are_missing_values(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text("x,y\n1, \n   ,2\n3,4\n")
    with pytest.raises(
        fastgd.InvalidDataError, match=r'^t.csv: "x" has 1 missing value, "y" 1; pass missing'
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
            't.csv has no column "y". It has "0.5", "1"; its first line holds numbers: if it is',
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
    with pytest.raises(fastgd.InvalidDataError, match=r"^t.parquet is not a CSV file; leave out decimal=$"):
        fastgd.read_table(tmp_path / "t.parquet", target="y", decimal=",")


def test_the_usual_delimiter_stays_where_no_other_is_better():
    for one in ("a,note\n1,x;y\n2,z\n", "a\n1\n", "", "a,b\n1,2\n3\n", "when,b\n1|2,3\n4|5,6\n"):
        assert dialect.recognise(one, ",") == dialect.Dialect(",", ".")


def test_cells_of_many_digits_take_linear_time():
    """With backtracking, these rows take half an hour."""
    digits = "1" * 130_000
    assert dialect.recognise("a,b\n" + f"{digits}x,{digits}.5e\n" * 30, ",") == dialect.Dialect(",", ".")
