"""A fit with categories predicts from data frames with the columns of its table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import fastgd

FRAME = pd.DataFrame({"size": [1.0, 2.0, 3.0, 4.0, 2.5], "city": ["Oslo", "Rome", "Oslo", "Bodø", "Rome"]})
Y = [1.0, 4.0, 3.0, 9.0, 5.0]


@pytest.fixture
def fit(tmp_path):
    FRAME.assign(y=Y).to_csv(tmp_path / "t.csv", index=False)
    source = fastgd.read_table(tmp_path / "t.csv", target="y", categories=["city"], drop_first=True)
    return fastgd.gradient_descent(source, fit_intercept=True, precondition=True)


@pytest.mark.parametrize("kind", [pd.DataFrame, pl.from_pandas, pa.Table.from_pandas])
def test_every_kind_of_frame(fit, kind):
    weights = dict(zip(fit.feature_names, fit.w.tolist(), strict=True))
    expected = [
        fit.intercept + weights["size"] * size + weights.get(f"city={city}", 0.0)
        for size, city in FRAME.itertuples(index=False)
    ]
    assert "city=Bodø" not in weights
    frame = FRAME[["city", "size"]].assign(other="text")
    np.testing.assert_allclose(fit.predict(kind(frame)), expected, rtol=1e-14)


def test_frames_of_features_are_taken_as_before(fit):
    X = np.array([[1.0, 0.0, 1.0], [2.0, 1.0, 0.0]])
    frame = pd.DataFrame(X, columns=fit.feature_names)
    assert fit.predict(frame[list(fit.feature_names)[::-1]]).tolist() == fit.predict(X).tolist()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"city": ["Oslo", "Paris"]},
            r"X\[1, 'city'\] is \"Paris\", which is none of the levels of the fit",
        ),
        ({"city": ["Oslo", None]}, r"X\[1, 'city'\] is missing"),
        ({"size": [1.0, None]}, "NaN|missing"),
        ({"size": None}, r'X lacks "size"'),
    ],
)
def test_refusals(fit, change, sentence):
    frame = pd.DataFrame({"size": [1.0, 2.0], "city": ["Oslo", "Rome"]} | change)
    if change == {"size": None}:
        frame = frame[["city"]]
    with pytest.raises(fastgd.InvalidDataError, match=sentence):
        fit.predict(frame)


def test_a_saved_fit_keeps_the_coding(fit, tmp_path):
    fit.save(tmp_path / "m.npz")
    fit.to_json(tmp_path / "m.json")
    for name in ("m.npz", "m.json"):
        loaded = fastgd.load(tmp_path / name)
        assert loaded.coding == fit.coding
        assert loaded.coding.categories == {"city": ("Bodø", "Oslo", "Rome")}
        assert loaded.predict(FRAME).tolist() == fit.predict(FRAME).tolist()


def test_summaries_keep_the_coding(fit, tmp_path):
    source = fastgd.read_table(tmp_path / "t.csv", target="y", categories=["city"], drop_first=True)
    summary = fastgd.summarize(source)
    of_summary = fastgd.gradient_descent(summary, fit_intercept=True, precondition=True)
    np.testing.assert_allclose(of_summary.predict(FRAME), fit.predict(FRAME), rtol=1e-9)
    some = fastgd.gradient_descent(summary[["city=Rome", "size"]], fit_intercept=True, precondition=True)
    rome = (FRAME["city"] == "Rome").to_numpy()
    np.testing.assert_allclose(
        some.predict(FRAME), some.intercept + some.w[0] * rome + some.w[1] * FRAME["size"], rtol=1e-12
    )
    FRAME.replace("Bodø", "Aas").assign(y=Y).to_csv(tmp_path / "u.csv", index=False)
    other = fastgd.summarize(
        fastgd.read_table(tmp_path / "u.csv", target="y", categories=["city"], drop_first=True)
    )
    assert other.feature_names == summary.feature_names
    with pytest.raises(fastgd.InvalidDataError, match="other levels of its categories"):
        summary + other
