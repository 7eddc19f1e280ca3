"""Temporary files of pipes."""

from __future__ import annotations

import io

import fastgd
from tests.data.reading import rows_of


def test_an_open_file_can_be_read_again():
    source = fastgd.read_table(io.BytesIO(b"a,y\n1,2\n3,4\n"), target="y")
    for _ in range(2):
        assert rows_of(source)[1].tolist() == [2.0, 4.0]
