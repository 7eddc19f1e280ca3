"""Labels of clusters as numbers, and columns of data frames that hold them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import fastgd
from fastgd import InvalidDataError, inference
from fastgd.solver import clusters

LABELS = {
    "whole numbers": np.array([7, -2, 7, 0]),
    "bytes": np.array([-128, 127, -128, 3], np.int8),
    "far apart": np.array([2**62, -(2**62), 2**62, 0]),
    "close but huge": np.array([2**64 - 1, 2**64 - 3, 2**64 - 1, 2**64 - 2], np.uint64),
    "booleans": np.array([True, False, True]),
    "floats": [1.5, -2.0, 1.5, np.inf],
    "text": ["b", "a", "b", "c"],
    "objects": np.array(["b", 3, "b", (1, 2)], object)[:3],
    "dates": np.array(["2026-01-01", "2025-01-01", "2026-01-01"], "datetime64[D]"),
    "a categorical": pd.Series(["b", "a", "b"], dtype="category"),
    "a polars series": pl.Series(["b", "a", "b"]),
    "an arrow array": pa.chunked_array([["b", "a"], ["b"]]),
}


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
def test_equal_labels_have_equal_codes(labels):
    codes, n = clusters.codes_of(labels, len(labels))
    assert codes.dtype == np.int32
    assert codes[0] == codes[2] != codes[1]
    assert sorted(set(codes.tolist())) == list(range(n))
    assert n == len(codes) - 1


@pytest.mark.parametrize(
    "labels",
    [[1.0, np.nan], ["a", None], ["a", np.nan], [3, pd.NA], np.array(["2026-01-01", "NaT"], "datetime64[D]")],
)
def test_missing_labels(labels):
    with pytest.raises(InvalidDataError, match=r"^clusters\[1\] is missing; drop such rows or fill them$"):
        clusters.codes_of(labels, len(labels))


def test_labels_of_two_dimensions():
    with pytest.raises(
        InvalidDataError, match=r"^clusters has shape \(2, 2\); it must be an array with an entry"
    ):
        clusters.codes_of([[1, 2], [3, 4]], 2)


@pytest.fixture
def frame(rng):
    return pd.DataFrame(rng.normal(size=(60, 2)), columns=["a", "b"]).assign(firm=list("xyz") * 20)


@pytest.mark.parametrize("made", [lambda frame: frame, pl.from_pandas, pa.Table.from_pandas])
def test_a_column_of_a_table(frame, rng, made):
    y = rng.normal(size=60)
    ours = inference(made(frame), y, cov_type="cluster", clusters="firm")
    there = inference(frame[["a", "b"]], y, cov_type="cluster", clusters=np.arange(60) % 3)
    assert ours.names == ("a", "b")
    assert np.array_equal(ours.covariance, there.covariance)


class TestRefused:
    @pytest.mark.parametrize(
        ("labels", "message"),
        [
            (np.arange(59), "^clusters has length 59 and X has 60 rows; they must agree$"),
            (np.ones(60), '^clusters holds one cluster, and two are needed; use cov_type="HC1"$'),
            ("town", """^X has the columns "a", "b", "firm", and clusters is 'town': pass the label"""),
        ],
    )
    def test_labels(self, frame, labels, message):
        X = frame if isinstance(labels, str) else frame[["a", "b"]]
        with pytest.raises(InvalidDataError, match=message):
            inference(X, np.arange(60.0), cov_type="cluster", clusters=labels)

    def test_a_name_where_columns_have_none(self):
        with pytest.raises(InvalidDataError, match="^X has no named columns, and clusters is 'town'"):
            inference(np.ones((60, 2)), np.arange(60.0), cov_type="cluster", clusters="town")

    def test_a_name_for_chunks(self):
        source = fastgd.chunks(lambda: iter([(np.ones((60, 2)), np.arange(60.0))]))
        with pytest.raises(InvalidDataError, match="pass the label of each row"):
            inference(source, cov_type="cluster", clusters="town")

    def test_all_rows_of_the_other_cluster_have_weight_0(self, frame, rng):
        weights = np.arange(60) < 30
        with pytest.raises(InvalidDataError, match="^clusters holds one cluster"):
            inference(
                frame[["a", "b"]], rng.normal(size=60), sample_weight=weights, cov_type="cluster",
                clusters=weights,
            )  # fmt: skip
