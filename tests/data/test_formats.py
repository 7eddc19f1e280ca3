"""Parquet, Arrow and Feather: what is damaged, of another version or without pyarrow."""

from __future__ import annotations

import decimal
import re

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

import fastgd
from fastgd.data import formats
from tests.data.reading import TABLE, N, X, rows_of, write


def test_small_batches_of_large_row_groups(tmp_path, monkeypatch):
    monkeypatch.setattr(formats, "BATCH_NUMBERS", 1 << 8)
    source = fastgd.read_table(write(tmp_path / "t.parquet", rows=N), target="y", features=["a", "b", "c"])
    sizes = [len(chunk) for chunk in source.chunks()]
    assert sizes == [64] * 15 + [40]
    np.testing.assert_array_equal(rows_of(source)[0], X)


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (pa.array([1, 200], pa.uint8()), np.float64),
        (pa.array([2**63, 5], pa.uint64()), np.float64),
        (pa.array(np.array([1.5, 2.5], np.float16)), np.float64),
        (pa.array([1.5, 2.5], pa.float32()), np.float32),
        (pa.array([True, False]), np.float64),
        (pa.array([decimal.Decimal("1.25"), decimal.Decimal("-3.5")]), np.float64),
        (pa.array([7, 9, 7]).dictionary_encode()[1:], np.float64),
        (pa.array([0.5, 2.5], pa.float32()).dictionary_encode(), np.float32),
    ],
    ids=lambda part: str(getattr(part, "type", "")),
)
@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
def test_types_that_are_numbers(tmp_path, values, dtype, suffix):
    table = pa.table({"x": values, "y": values})
    source = fastgd.read_table(write(tmp_path / f"t.{suffix}", table), target="y")
    assert source.dtypes == (dtype, dtype)
    found, y, _ = rows_of(source)
    np.testing.assert_array_equal(y, [float(value) for value in values.to_pylist()])
    np.testing.assert_array_equal(found[:, 0], y)


def test_single_precision_only_where_all_features_have_it(tmp_path):
    file = write(tmp_path / "t.parquet")
    assert fastgd.read_table(file, target="y", features=["c"]).dtypes == (np.float32, np.float64)
    assert fastgd.read_table(file, target="c", features=["a", "b"]).dtypes == (np.float64, np.float32)
    assert fastgd.read_table(file, target="y", features=["c", "a"]).dtypes == (np.float64, np.float64)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (pa.array([0], pa.date32()), "dates"),
        (pa.array([[1.0]]), "list<.*>"),
        (pa.array([{"a": 1}]), "struct<.*>"),
        (pa.array([b"x"]), "binary"),
        (pa.array([None, "9"], pa.string()), 'text, "9" in row 1'),
        (pa.array(["u", "v"]).dictionary_encode(), 'text, "u" in row 0'),
        (pa.array([None], pa.string()), "text"),
    ],
    ids=lambda part: str(getattr(part, "type", "")),
)
def test_types_that_are_no_numbers(tmp_path, values, told):
    file = write(tmp_path / "t.parquet", pa.table({"x": values, "y": [1.0] * len(values)}))
    with pytest.raises(fastgd.InvalidDataError, match=rf'^column "x" of t\.parquet holds {told}; it must'):
        fastgd.read_table(file, target="y", features=["x"])


@pytest.mark.parametrize("name", ["t.parquet", "t.arrow", "t.feather", "lz4.feather", "stream.arrow"])
class TestDamaged:
    def test_empty(self, tmp_path, name):
        (tmp_path / name).touch()
        with pytest.raises(fastgd.InvalidDataError, match=f"^{re.escape(name)} is empty$"):
            fastgd.read_table(tmp_path / name, target="y")

    def test_no_rows(self, tmp_path, name):
        file = write(tmp_path / name, TABLE[:0])
        with pytest.raises(fastgd.InvalidDataError, match="has no rows; at least one is needed$"):
            rows_of(fastgd.read_table(file, target="y", features=["a"]))

    @pytest.mark.parametrize("part", [0.001, 0.3, 0.9])
    def test_cut_short(self, tmp_path, name, part):
        rng = np.random.default_rng(1)
        whole = pa.table({"x": rng.normal(size=3000), "y": rng.normal(size=3000)})
        data = write(tmp_path / name, whole).read_bytes()
        (tmp_path / name).write_bytes(data[: int(len(data) * part)])
        with pytest.raises(
            fastgd.InvalidDataError, match=f"^{re.escape(name)} cannot be read, it is damaged or cut short"
        ) as caught:
            rows_of(fastgd.read_table(tmp_path / name, target="y"))
        assert "\n" not in str(caught.value)

    def test_something_else(self, tmp_path, name):
        (tmp_path / name).write_bytes(b"these are no columns" * 100)
        with pytest.raises(
            fastgd.InvalidDataError, match=f"^{re.escape(name)} cannot be read, it is damaged"
        ):
            fastgd.read_table(tmp_path / name, target="y")


def test_a_page_of_nonsense(tmp_path):
    file = write(tmp_path / "t.parquet", rows=N)
    data = bytearray(file.read_bytes())
    at = parquet.read_metadata(file).row_group(0).column(0).data_page_offset
    data[at : at + 400] = b"\xff" * 400
    file.write_bytes(data)
    with pytest.raises(
        fastgd.InvalidDataError, match=r"^t\.parquet cannot be read, it is damaged or cut short: "
    ):
        rows_of(fastgd.read_table(file, target="y", features=["a"]))


def test_feather_of_the_first_version(tmp_path):
    (tmp_path / "t.feather").write_bytes(b"FEA1" + bytes(100))
    with pytest.raises(fastgd.InvalidDataError, match="is of Feather's first version; write it again$"):
        fastgd.read_table(tmp_path / "t.feather", target="y")
