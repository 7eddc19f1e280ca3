"""CSV, as it comes: parsed right, or refused in one sentence with the line."""

from __future__ import annotations

import gzip
import re
import time
import tracemalloc

import numpy as np
import pyarrow as pa
import pytest

import fastgd
from fastgd.data import csv
from tests.data.reading import open_files, rows_of


@pytest.fixture
def read(tmp_path):
    """read(text) is the table of a file t.csv."""

    def table(text, name="t.csv", target="b", **options):
        file = tmp_path / name
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return fastgd.read_table(file, target=target, **options)

    return table


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("a,b\n1,2\n3,4\n", [(1, 2), (3, 4)]),
        ("a,b\n1,2\n3,4", [(1, 2), (3, 4)]),
        ("b,a\n2,1\n4,3\n", [(1, 2), (3, 4)]),
        ("\ufeffa,b\n1,2\n", [(1, 2)]),
        ("a,b\r\n1,2\r\n3,4\r\n", [(1, 2), (3, 4)]),
        ("a,b\r1,2\r3,4\r", [(1, 2), (3, 4)]),
        ("a,b\n\n1,2\n\n\n3,4\n\n", [(1, 2), (3, 4)]),
        ("\n\na,b\n1,2\n", [(1, 2)]),
        ('a,b\n"1","2"\n', [(1, 2)]),
        ('"a","b"\n1,2\n', [(1, 2)]),
        ("a,b\n 1 , -2.5e1\n+3,.5\n", [(1, -25), (3, 0.5)]),
        ("a,b\n1,true\n2,false\n", [(1, 1), (2, 0)]),
        ("a,b\n1e999,inf\n", [(np.inf, np.inf)]),
        ("a,b\n1,2\n1.5,2\n", [(1, 2), (1.5, 2)]),
    ],
    ids=repr,
)
def test_parsed_right(read, text, rows):
    X, y, weights = rows_of(read(text))
    np.testing.assert_array_equal(np.column_stack([X, y]), rows)
    assert X.dtype == y.dtype == np.float64
    assert not len(weights)


@pytest.mark.parametrize(
    "start", [b"", b"sep=", b"\xef\xbb\xbf sep=;\n"], ids=["spaces", "sep=", "after sep="]
)
def test_the_search_for_a_header_takes_linear_time(read, start):
    """With backtracking, this number of spaces takes hours."""
    assert csv.HEADER.match(start + b" " * 1_000_000) is None
    with pytest.raises(fastgd.InvalidDataError, match=r"^t.csv has no header: in its first \S+ MB no"):
        read(start + b" " * 1_000_000 + b"x" * 1_100_000)


QUOTED = 'a,note,b\n1,"x, ""y""\nz",2\n3,"",4\n'


def test_quotes_commas_and_newlines_within(read):
    X, y, _ = rows_of(read(QUOTED, features=["a"]))
    assert (X.ravel().tolist(), y.tolist()) == ([1, 3], [2, 4])


def test_tabs_and_compressed_files(read):
    for name, text in (
        ("t.tsv", b"a\tb\n1\t2\n"),
        ("t.csv.gz", gzip.compress(b"a,b\n1,2\n")),
        ("t.TSV.gz", gzip.compress(b"a\tb\n1\t2\n")),
    ):
        X, y, _ = rows_of(read(text, name))
        assert (X.tolist(), y.tolist()) == ([[1.0]], [2.0])


REFUSED = {
    "text": ("a,b\n1,2\n3,4\nabc,5\n", 't.csv, line 4: "abc" in column "a" is not a number'),
    "text in the target": ("a,b\n1,oops\n", 't.csv, line 2: "oops" in column "b" is not a number'),
    "text in quotes": ('a,b\n1,2\n"x,y",2\n', 't.csv, line 3: "x,y" in column "a" is not a number'),
    "digits with a comma": (
        'a,b\n1.5,2\n"1,5",2\n',
        't.csv, line 3: "1,5" in column "a" is not a number with decimal="."; pass decimal=",", or '
        'thousands="," if it separates thousands',
    ),
    "dates": ("a,b\n2026-01-01,2\n", 't.csv, line 2: "2026-01-01" in column "a" is not a number'),
    "neither true nor false": ("a,b\n1,true\n2,x\n", 't.csv, line 2: "true" in column "b" is not a number'),
    "too short": ("a,b\n1,2\n3\n", "t.csv, line 3 has 1 field, and the header 2"),
    "too long": ("a,b\n1,2\n\n3,4,5\n", "t.csv, line 4 has 3 fields, and the header 2"),
    "lines end in CR": ("a,b\r1,2\rx,3\r", 't.csv, line 3: "x" in column "a" is not a number'),
    "after quoted lines": (QUOTED + "x,,1\n", 't.csv, line 5: "x" in column "a" is not a number'),
    "a quote that takes the rest": (
        'a,note,b\n1,"x",2\n3,"y,4\n5,z,6\n',
        "t.csv, line 3 has 2 fields, and the header 3",
    ),
    "a quote that stays open": (
        'a,b,note\n1,2,"x"\n3,4,"y\n5,6,z\n',
        "t.csv: a quote that is opened after line 2 is never closed",
    ),
    "empty": ("", "t.csv is empty"),
    "a header only": ("a,b\n", "t.csv has no rows; at least one is needed"),
    "half a header": ("a,b", "t.csv has no rows; at least one is needed"),
    "empty lines": ("\n\n\n", "t.csv has no rows; at least one is needed"),
    "missing": (
        "a,b\n1,2\n,3\nNA,\n4,NaN\n",
        't.csv: "a" has 2 missing values, "b" 2; pass missing="drop", or fill them',
    ),
    "one is missing": ("a,b\n1,\n", 't.csv: "b" has 1 missing value; pass missing="drop", or fill them'),
    "two of a name": ("a,b,a\n1,2,3\n", 't.csv has 2 columns "a"; rename them'),
    "Latin-1": (
        "é,a,b\n1,2,3\n".encode("latin-1"),
        'the header of t.csv is not UTF-8; pass encoding="latin-1" if it is that, or save it as UTF-8',
    ),
}


@pytest.mark.parametrize(("text", "sentence"), REFUSED.values(), ids=REFUSED)
def test_refused_in_one_sentence(read, text, sentence):
    with pytest.raises(fastgd.InvalidDataError, match=f"^{re.escape(sentence)}$"):
        rows_of(read(text, features=["a"]))


def test_columns_that_hold_no_numbers_are_listed(read):
    with pytest.raises(fastgd.InvalidDataError) as caught:
        read("who,a,when,b,c\nme,1,2026-01-01,2,3\n")
    assert str(caught.value) == (
        't.csv has columns that hold no numbers, "who" (text, "me" in line 2), '
        '"when" (dates, "2026-01-01" in line 2); name those to use, features=["a", "c"], or encode text by '
        'levels, categories=["who"]'
    )
    with pytest.raises(fastgd.InvalidDataError, match=r'"a" \(text, "x" in line 2\); repair them, or encode'):
        read("a,b\nx,3\n1,2\n")


@pytest.mark.parametrize("features", [None, ["a"]], ids=str)
def test_a_cell_of_text_in_a_column_of_numbers_is_the_one_at_fault(read, features):
    source = read("b,a\n,1\n1,2\n3,4\nNA,5\n4,1\n2,x\n", features=features)
    with pytest.raises(fastgd.InvalidDataError, match=r'^t\.csv, line 7: "x" in column "a" is not a number$'):
        fastgd.gradient_descent(source)


def test_the_remedy_leaves_no_column_out_for_one_bad_cell(read):
    text = "a,c,b,t\n1,1,x,2\nq,2,y,3\n"
    with pytest.raises(fastgd.InvalidDataError) as caught:
        read(text, target="t")
    assert str(caught.value) == (
        't.csv has columns that hold no numbers, "b" (text, "x" in line 2); '
        'name those to use, features=["a", "c"], or encode text by levels, categories=["b"]'
    )
    with pytest.raises(fastgd.InvalidDataError, match=r'^t\.csv, line 3: "q" in column "a" is not a number$'):
        rows_of(read(text, target="t", features=["a", "c"]))


@pytest.mark.parametrize(
    ("header", "told"),
    [
        (",a,b", 't.csv has a column "", a data frame\'s index; name those to use, features=["a"]'),
        ("a,b,", 't.csv has a column without a name; name those to use, features=["a"]'),
        (
            "Unnamed: 0,a,b",
            't.csv has a column "Unnamed: 0", a data frame\'s index; name those to use, features=["a"]',
        ),
        (",b", 't.csv has a column "", a data frame\'s index; X needs at least one that is no index'),
    ],
)
def test_numbers_of_rows_are_no_feature(read, header, told):
    with pytest.raises(fastgd.InvalidDataError) as caught:
        read(f"{header}\n{header.count(',') * '1,'}1\n")
    assert str(caught.value) == told


def test_a_cell_is_told_on_one_line(read):
    for cell, told in (
        ('"one\ntwo"', r"one\ntwo"),
        ('"a\0b\x1b[31m"', r"a\x00b\x1b[31m"),
        ("é" * 99, "é" * 60),
    ):
        with pytest.raises(fastgd.InvalidDataError) as caught:
            rows_of(read(f"a,b\n1,2\n{cell},3\n", features=["a"]))
        assert str(caught.value) == f't.csv, line 3: "{told}" in column "a" is not a number'


LONG = 1_000_000
FAR = 900_000
"""Behind many blocks of the parser."""


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        ("abc,2", 't.csv, line 900002: "abc" in column "a" is not a number'),
        ("1,2,3", "t.csv, line 900002 has 3 fields, and the header 2"),
        ("1", "t.csv, line 900002 has 1 field, and the header 2"),
        (",2", 't.csv: "a" has 1 missing value; pass missing="drop", or fill them'),
    ],
    ids=repr,
)
def test_far_into_a_file(read, bad, sentence):
    source = read("a,b\n" + "1,2\n" * FAR + bad + "\n" + "1,2\n" * (LONG - FAR))
    with pytest.raises(fastgd.InvalidDataError, match=f"^{re.escape(sentence)}$"):
        rows_of(source)


def test_far_into_a_file_whose_rows_are_not_lines(read, monkeypatch):
    monkeypatch.setattr(csv, "BLOCK", 1 << 10)
    text = "a,note,b\n" + "1,x,2\n" * 1000 + '1,"x\ny",2\n\r\n' * 1000
    source = read(text, features=["a"])
    assert len(rows_of(source)[1]) == 2000
    assert str(source.place(999)) == "row 999 of t.csv (line 1001)"
    assert str(source.place(1000)) == "row 1000 of t.csv (line 1002)"
    assert str(source.place(1999)) == "row 1999 of t.csv (line 3999)"
    source = read(text + "abc,x,2\n" + "1,x,2\n" * 1000, features=["a"])
    with pytest.raises(fastgd.InvalidDataError, match=r'^t\.csv, line 4002: "abc" in column "a"'):
        rows_of(source)


def test_values_too_large_for_a_float_are_refused_where_they_are(read):
    source = read("a,b\n1,2\n\n1e999,2\n3,4\n")
    with pytest.raises(
        fastgd.InvalidDataError, match=r'^row 1 of t\.csv \(line 4\): column "a" is infinite; drop such rows'
    ):
        fastgd.gradient_descent(source)


def test_a_quote_that_takes_more_than_a_block(read, monkeypatch):
    monkeypatch.setattr(csv, "BLOCK", 1 << 10)
    source = read("a,note,b\n" + "1,x,2\n" * 100 + '1,"x,2\n' + "1,x,2\n" * 1000, features=["a"])
    with pytest.raises(
        fastgd.InvalidDataError, match=r"^t\.csv, line .*or a quote is opened and never closed$"
    ):
        rows_of(source)


def test_a_stray_quote_is_text(read):
    X, y, _ = rows_of(read('a,size,b\n1,5",2\n3,4,4\n', features=["a"]))
    assert (X.ravel().tolist(), y.tolist()) == ([1, 3], [2, 4])


def test_long_rows(read, monkeypatch):
    monkeypatch.setattr(csv, "BLOCK", 1 << 10)
    names = [f"x{j}" for j in range(2000)]
    row = ",".join(f"{j}.000000000000001" for j in range(2001))
    X, _, _ = rows_of(read(",".join([*names, "b"]) + "\n" + f"{row}\n" * 3))
    assert X.shape == (3, 2000)
    assert X[2, 1999] == pytest.approx(1999)


def test_dropped_rows(read):
    source = read("a,b,note\n1,2,\n,3,\n4,NA,\n5,6,\n1e999,8,\n", features=["a"], missing="drop")
    X, y, _ = rows_of(source)
    assert (X.ravel().tolist(), y.tolist()) == ([1, 5, np.inf], [2, 6, 8])
    assert [str(source.place(row)) for row in range(3)] == [
        "row 0 of t.csv (line 2)",
        "row 3 of t.csv (line 5)",
        "row 4 of t.csv (line 6)",
    ]
    with pytest.raises(fastgd.InvalidDataError, match="has no rows without a missing value; at least one"):
        rows_of(read("a,b\n1,\n", missing="drop"))


@pytest.mark.parametrize("end", [-9, -200])
def test_a_compressed_file_cut_short(read, end):
    text = gzip.compress(b"a,b\n" + b"".join(b"%d,2\n" % row for row in range(100_000)))
    with pytest.raises(
        fastgd.InvalidDataError, match=r"^t\.csv\.gz cannot be read, it is damaged or cut short"
    ):
        rows_of(read(text[:end], "t.csv.gz"))


def test_what_is_open_is_closed(read):
    source = read("a,b\n" + "1,2\n" * 1_000_000)
    before = open_files()
    for _ in range(3):
        chunks = source.chunks()
        assert len(next(chunks)) > 0
        chunks.close()
    assert open_files() <= before


def test_the_threads_of_pyarrow_read_no_object_of_python(tmp_path):
    """One that asks for the interpreter while that ends aborts the process."""
    for name, text in (("t.csv", b"a,b\n1,2\n"), ("t.csv.gz", gzip.compress(b"a,b\n1,2\n"))):
        (tmp_path / name).write_bytes(text)
        with csv.CsvFile(tmp_path / name, ",")._bytes() as stream:
            assert isinstance(stream, pa.NativeFile)
            assert not isinstance(stream, pa.PythonFile)


HOSTILE = {
    "a name of 20 MB": (lambda: "x" * 20_000_000 + ",b\n1,2\n", "has no header: in its first "),
    "names of 20 MB": (lambda: "x," * 10_000_000 + "b\n1,2\n", "has no header: in its first "),
    "100,000 columns": (
        lambda: "x," * 100_000 + "b\n1,2\n",
        "has 100001 columns; of CSV at most 65536 are read",
    ),
    "a line of 40 MB": (lambda: "a,b\n1,2\n" + "7" * 40_000_000, ", line 3: a row is too long"),
    "a row of 20 million fields": (lambda: "a,b\n1,2\n" + "7," * 20_000_000, ", line 3: a row is too long"),
    "nothing": (lambda: "\n" * 20_000_000 + "a,b\n1,2\n", "has no header: in its first "),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_widths_are_refused_at_once(read, case):
    text, sentence = HOSTILE[case]
    text = text()
    before = time.process_time()
    tracemalloc.start()
    with pytest.raises(fastgd.InvalidDataError) as caught:
        rows_of(read(text, features=["a"]))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert str(caught.value).startswith(f"t.csv{sentence}" if sentence[0] == "," else f"t.csv {sentence}")
    assert time.process_time() - before < 1.0
    assert peak < len(text) + 40_000_000  # the first is what the test itself writes
