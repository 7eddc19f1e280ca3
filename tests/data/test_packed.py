"""Compressed text, archives and encodings."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile

import pytest

import fastgd
from tests.data.reading import rows_of

TEXT = b"a,y\n1,2\n3,4\n"


@pytest.mark.parametrize(
    ("end", "pack"), [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)]
)
def test_compressed(tmp_path, end, pack):
    (tmp_path / f"t.csv.{end}").write_bytes(pack(TEXT))
    assert rows_of(fastgd.read_table(tmp_path / f"t.csv.{end}", target="y"))[1].tolist() == [2.0, 4.0]


def test_an_archive_of_two_tables_is_refused_and_one_is_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        for name in ("a.csv", "b.csv"):
            archive.writestr(name, TEXT)
    with pytest.raises(fastgd.InvalidDataError, match="has 2 tables"):
        fastgd.read_table(tmp_path / "t.zip", target="y")
    assert rows_of(fastgd.read_table(tmp_path / "t.zip/b.csv", target="y"))[1].tolist() == [2.0, 4.0]
