"""Tables and sentences in terminals of any width."""

from __future__ import annotations

import unicodedata

import pytest

from fastgd.cli import layout

HEADER = "feature", "weight", "std. error", "t", "p"
ROWS = [
    ("(intercept)", "-0.0357477", "0.2326", "-0.1537", "0.88"),
    ("a very long name of a column, in metres", "1.2", "0.00012", "1e+04", "<1e-99"),
]


@pytest.mark.parametrize("width", [40, 50, 60, 80, 200])
def test_no_line_is_wider_than_the_terminal(monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    lines = [*layout.table(HEADER, ROWS), *layout.wrapped("word " * 99), *layout.pairs({"n" * 30: "v " * 40})]
    assert max(map(len, lines)) <= width
    assert all(line == line.rstrip() for line in lines)


def test_a_narrow_terminal_leaves_out_the_last_columns_and_a_wide_one_cuts_nothing(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    narrow = [*layout.table(HEADER, ROWS)]
    assert narrow[0].split() == ["feature", "weight", "std.", "error"]
    assert narrow[2].split("  ")[0] == "a very l… metres"
    monkeypatch.setenv("COLUMNS", "120")
    wide = [*layout.table(HEADER, ROWS)]
    assert [line.split("  ")[0] for line in wide] == ["feature", "(intercept)", ROWS[1][0]]
    assert wide[2].split()[-4:] == ["1.2", "0.00012", "1e+04", "<1e-99"]


def test_without_a_terminal_lines_have_80_columns(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr("sys.__stdout__", None)
    assert layout.width() == 80


@pytest.mark.parametrize("text", ["abcdefghijklmnop", "日本語の長い列の名前です", "e\u0301" * 20, "short"])
@pytest.mark.parametrize("size", [5, 8, 9])
def test_names_are_cut_in_the_middle(text, size):
    cut = layout.cut(text, size)
    columns = sum(
        0 if unicodedata.category(one) == "Mn" else 1 + (unicodedata.east_asian_width(one) in "WF")
        for one in cut
    )
    assert columns <= size
    if cut != text:
        head, tail = cut.split("…")
        assert text.startswith(head)
        assert text.endswith(tail)
        assert columns >= size - 2
