"""Rows of text and their lines."""

from __future__ import annotations

import io

from fastgd.data import records


def test_lines_of_rows():
    lines = records.Lines(io.BytesIO(b"a,b\n\n1,2\n3,4\n"), 2, 1000)
    assert list(records.rows(lines, 1, ",")) == [(5, ["1", "2"]), (6, ["3", "4"])]
