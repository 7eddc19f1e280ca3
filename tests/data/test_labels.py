"""Labels of a source, by hand."""

from __future__ import annotations

import numpy as np
import pytest

import fastgd
from fastgd.data.arrays import ArrayRows
from fastgd.data.labels import (
    MOST,
    Labels,
    OneAgainstRest,
    WeightedClasses,
    keep_labels,
    labels,
    one_against_rest,
)
from fastgd.data.split import split
from fastgd.solver.inputs import as_dataset
from fastgd.solver.sample import read_sample

X = np.arange(6.0)


def source(y, weights=None):
    parts = (slice(0, 2), slice(2, 6))
    if weights is None:
        return fastgd.chunks(lambda: ((X[part], np.array(y, float)[part]) for part in parts))
    return fastgd.chunks(
        lambda: ((X[part], np.array(y, float)[part], np.array(weights, float)[part]) for part in parts)
    )


def labels_of(source):
    return labels(as_dataset(source, None))


def test_labels_and_the_number_and_weight_of_each():
    found = labels_of(source([3, -1, 3, 7, 3, -1]))
    assert found.values.tolist() == [-1.0, 3.0, 7.0]
    assert found.counts.tolist() == found.weights.tolist() == [2, 3, 1]
    weighted = labels_of(source([3, -1, 3, 7, 3, -1], [1, 2, 4, 8, 16, 32]))
    assert weighted.counts.tolist() == [2, 3, 1]
    assert weighted.weights.tolist() == [34.0, 21.0, 8.0]
    assert [weighted.of(label) for label in (7.0, 3.0, 4.0, 8.0)] == [(1, 8.0), (3, 21.0), (0, 0.0), (0, 0.0)]


def test_targets_that_are_no_labels_are_refused():
    with pytest.raises(fastgd.InvalidDataError, match=r"has the target 0\.5; classes must be whole numbers"):
        labels_of(source([0, 1, 0.5, 1, 0, 1]))
    with pytest.raises(fastgd.InvalidDataError, match="NaN"):
        labels_of(source([0, 1, np.nan, 1, 0, 1]))
    many = np.arange(MOST + 1.0)
    with pytest.raises(fastgd.InvalidDataError, match=f"more than {MOST} different targets"):
        labels_of(fastgd.chunks(lambda: [(many, many)]))


@pytest.mark.parametrize("weights", [None, [1, 2, 4, 8, 16, 32]])
def test_a_source_with_weights_of_classes(weights):
    y, classes, factors = [3, -1, 3, 7, 3, -1], np.array([-1.0, 3.0, 7.0]), np.array([0.5, 2.0, 3.0])
    rows = as_dataset(WeightedClasses(source(y, weights), classes, factors), None)
    found, targets, by_class = rows.whole()
    assert (found.ravel().tolist(), targets.tolist()) == (X.tolist(), y)
    of_class = dict(zip(classes, factors, strict=True))
    own = weights or [1.0] * 6
    assert by_class.tolist() == [s * of_class[label] for s, label in zip(own, y, strict=True)]


@pytest.mark.parametrize("weights", [None, [1, 2, 4, 8, 16, 32]])
@pytest.mark.parametrize("label", [3.0, -1.0, 5.0])
def test_one_label_against_the_rest(weights, label):
    """The rows, and what is known of them, are those of a copy with targets 0 and 1."""
    y = np.array([3, -1, 3, 7, 3, -1])
    s = np.empty(0) if weights is None else np.array(weights, float)
    expected = ArrayRows(X, (y == label).astype(float), s)
    arrays = ArrayRows(X, y.astype(float), s)
    assert arrays.facts.only is None  # is not that of one label
    views = [OneAgainstRest(rows, label) for rows in (arrays, as_dataset(source(y, weights), None))]
    for one in [*views, one_against_rest(arrays, label, None)]:
        for ours, theirs in zip(one.whole(), expected.whole(), strict=True):
            assert ours.tolist() == theirs.tolist()
        assert one.y.tolist() == expected.y.tolist()
        assert one.total_weight == expected.total_weight
        ours, theirs = one.facts, expected.facts
        for name in ("n", "least", "largest", "only", "other", "bad_weight", "total_weight"):
            assert getattr(ours, name) == getattr(theirs, name), name
        assert ours.deviation == pytest.approx(theirs.deviation, rel=1e-14)
    assert OneAgainstRest(arrays, label).least_weight == expected.least_weight == 1.0


def test_what_does_not_depend_on_the_label_is_read_once(monkeypatch):
    rows = ArrayRows(np.arange(600.0)[:, None], np.arange(600) % 3)
    keep_labels(rows, Labels(np.arange(3.0), np.full(3, 200), np.full(3, 200.0)))
    monkeypatch.setattr("fastgd.data.labels.scan.scan", None)  # no pass for the labels
    assert [OneAgainstRest(rows, k).facts.only for k in range(3)] == [None] * 3
    samples = [read_sample(OneAgainstRest(rows, k), None) for k in range(3)]
    parts = [split(OneAgainstRest(rows, k), 0.5)[1] for k in range(3)]
    for same in (samples, parts):
        assert all(one.rows is same[0].rows for one in same)
        for k, one in enumerate(same):
            _, y, _ = one.whole()
            assert y.tolist() == (one.rows.y == k).tolist()
            assert 0.0 < y.mean() < 0.5


def test_an_error_names_the_place_of_the_source():
    y = np.array([0.0, 1.0, 2.0, 0.0, np.inf, 2.0])
    with pytest.raises(fastgd.InvalidDataError, match=r"y\[4\]|row 4") as whole:
        as_dataset(source(y), None).refuse_nonfinite()
    with pytest.raises(fastgd.InvalidDataError) as one:
        OneAgainstRest(as_dataset(source(y), None), 1.0).refuse_nonfinite()
    assert str(one.value) == str(whole.value)
