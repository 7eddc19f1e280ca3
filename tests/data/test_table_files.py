"""Files of a table: folders, lists, and paths that lead nowhere."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pytest

import fastgd
from tests.data.reading import TABLE, Y, rows_of, write


class TestFolders:
    def test_in_the_order_of_names(self, tmp_path):
        for number, start in enumerate((600, 0, 300)):
            write(tmp_path / f"part-{(number + 2) % 3}.parquet", TABLE[start : start + 300])
        (tmp_path / "_SUCCESS").touch()
        (tmp_path / ".part-0.parquet.crc").write_bytes(b"x")
        source = fastgd.read_table(tmp_path, target="y", features=["a"])
        assert source.n == 900
        np.testing.assert_array_equal(rows_of(source)[1], np.r_[Y[:300], Y[300:600], Y[600:900]])
        assert str(source.place(299)) == "row 299 of part-0.parquet"
        assert str(source.place(300)) == "row 0 of part-1.parquet"

    def test_a_list_has_its_own_order(self, tmp_path):
        parts = [
            write(tmp_path / f"{name}.parquet", TABLE[at : at + 10]) for name, at in (("b", 0), ("a", 10))
        ]
        source = fastgd.read_table(parts, target="y", features=["a"])
        assert source.name == "b.parquet and 1 more"
        np.testing.assert_array_equal(rows_of(source)[1], Y[:20])

    def test_kinds_may_differ_in_a_list(self, tmp_path):
        (tmp_path / "t.csv").write_text("y,a\n3,4\n")
        parts = [write(tmp_path / "t.parquet", TABLE[:2]), tmp_path / "t.csv"]
        source = fastgd.read_table(parts, target="y", features=["a"])
        assert source.n is None
        assert rows_of(source)[1].tolist() == [999.0, 998.0, 3.0]

    def test_columns_told_by_folders(self, tmp_path):
        for year in (2025, 2026):
            for place in ("x y", "z"):
                folder = tmp_path / f"year={year}" / f"place={place.replace(' ', '%20')}"
                folder.mkdir(parents=True)
                write(folder / "0.parquet", TABLE[:3].select(["a", "y"]))
        source = fastgd.read_table(tmp_path, target="y", features=["a", "year"])
        assert source.dtypes[0] == np.float64
        np.testing.assert_array_equal(rows_of(source)[0][:, 1], np.repeat([2025.0, 2026.0], 6))
        assert str(source.place(11)) == "row 2 of year=2026/place=z/0.parquet"
        with pytest.raises(
            fastgd.InvalidDataError, match=r'no numbers, "place" \(text\); name those to use, '
        ):
            fastgd.read_table(tmp_path, target="y")
        with pytest.raises(
            fastgd.InvalidDataError, match='column "place" of .* holds text; it must hold real'
        ):
            fastgd.read_table(tmp_path, target="y", features=["place"])

    @pytest.mark.parametrize("suffix", ["csv", "parquet"])
    def test_text_that_folders_tell(self, tmp_path, suffix):
        for place in ("nyc", "par"):
            folder = tmp_path / f"city={place}"
            folder.mkdir()
            if suffix == "csv":
                (folder / "t.csv").write_text("a,y\n1,2\n3,4\n")
            else:
                write(folder / "t.parquet", TABLE[:3].select(["a", "y"]))
        name = f"city=nyc/t.{suffix}"
        category = 'or encode text by levels, categories=["city"]'
        for features, sentence in (
            (
                None,
                f'{name} has columns that hold no numbers, "city" (text); '
                f'name those to use, features=["a"], {category}',
            ),
            (["a", "city"], f'column "city" of {name} holds text; it must hold real numbers, {category}'),
        ):
            with pytest.raises(fastgd.InvalidDataError) as caught:
                fastgd.read_table(tmp_path, target="y", features=features)
            assert str(caught.value) == sentence
        assert fastgd.read_table(tmp_path, target="y", features=["a"]).d == 1

    def test_one_file_lacks_a_column(self, tmp_path):
        write(tmp_path / "0.parquet")
        write(tmp_path / "1.parquet", TABLE.drop(["a"]))
        with pytest.raises(fastgd.InvalidDataError, match=r'^1\.parquet has no column "a"'):
            fastgd.read_table(tmp_path, target="y", features=["a"])

    def test_one_file_is_of_another_precision(self, tmp_path):
        for number, dtype in enumerate((np.float32, np.float64)):
            write(tmp_path / f"{number}.parquet", pa.table({"x": np.ones(2, dtype), "y": [1, 2]}))
        assert fastgd.read_table(tmp_path, target="y").dtypes[0] == np.float64

    @pytest.mark.parametrize(
        ("names", "sentence"),
        [
            ([], "the folder data has no files"),
            (["a.parquet", "b.csv"], "the folder data has files of several kinds "),
            (["a.parquet", "b.txt"], "b.txt has an unknown ending; known are .parquet, .pq, .arrow"),
        ],
    )
    def test_refused(self, tmp_path, names, sentence):
        folder = tmp_path / "data"
        folder.mkdir()
        for name in names:
            write(folder / "a.parquet") if name == "a.parquet" else (folder / name).write_text("y\n1\n")
        with pytest.raises(fastgd.InvalidDataError, match=f"^{re.escape(sentence)}"):
            fastgd.read_table(folder, target="y", features=["a"])


def test_paths_that_lead_nowhere(tmp_path):
    with pytest.raises(FileNotFoundError, match="^there is no file or folder .*gone.csv$"):
        fastgd.read_table(tmp_path / "gone.csv", target="y")
    with pytest.raises(fastgd.InvalidDataError, match="is a folder; a list holds files only$"):
        fastgd.read_table([tmp_path], target="y")
    with pytest.raises(fastgd.InvalidDataError, match="empty list of files$"):
        fastgd.read_table([], target="y")
    with pytest.raises(TypeError, match="an open file or an open stream, not int$"):
        fastgd.read_table(3, target="y")


def test_a_link_to_a_file_that_is_not_there_is_named(tmp_path):
    folder = tmp_path / "data" / "year=1"
    folder.mkdir(parents=True)
    (folder / "a.csv").write_text("x,y\n1,2\n")
    link = folder / "b.csv"
    link.symlink_to("/nonexistent")
    told = "is a link to /nonexistent, which does not exist: repair the link, or remove it$"
    with pytest.raises(FileNotFoundError, match=f"^year=1/b.csv {told}"):
        fastgd.read_table(tmp_path / "data", target="y")
    for given in (link, [link]):
        with pytest.raises(FileNotFoundError, match=f"^{link} {told}"):
            fastgd.read_table(given, target="y")
    link.unlink()
    link.symlink_to(folder / "a.csv")
    assert fastgd.read_table(tmp_path / "data", target="y").columns == ("x", "year")
