"""Labels of a source, by hand."""

from __future__ import annotations

import numpy as np
import pytest

import fastgd
from fastgd.data.labels import MOST, OneAgainstRest, labels

X = np.arange(6.0)


def source(y, weights=None):
    parts = (slice(0, 2), slice(2, 6))
    if weights is None:
        return fastgd.chunks(lambda: ((X[part], np.array(y, float)[part]) for part in parts))
    return fastgd.chunks(
        lambda: ((X[part], np.array(y, float)[part], np.array(weights, float)[part]) for part in parts)
    )


def test_labels_and_the_weight_of_each():
    found, totals = labels(source([3, -1, 3, 7, 3, -1]))
    assert found.tolist() == [-1.0, 3.0, 7.0]
    assert totals.tolist() == [2.0, 3.0, 1.0]
    assert labels(source([3, -1, 3, 7, 3, -1], [1, 2, 4, 8, 16, 32]))[1].tolist() == [34.0, 21.0, 8.0]


def test_targets_that_are_no_labels_are_refused():
    with pytest.raises(fastgd.InvalidDataError, match=r"has the target 0\.5; classes must be whole numbers"):
        labels(source([0, 1, 0.5, 1, 0, 1]))
    with pytest.raises(fastgd.InvalidDataError, match="NaN"):
        labels(source([0, 1, np.nan, 1, 0, 1]))
    many = np.arange(MOST + 1.0)
    with pytest.raises(fastgd.InvalidDataError, match=f"more than {MOST} different targets"):
        labels(fastgd.chunks(lambda: [(many, many)]))


@pytest.mark.parametrize("weights", [None, [1, 2, 4, 8, 16, 32]])
@pytest.mark.parametrize("factors", [None, [0.5, 2.0, 3.0]])
def test_one_label_against_the_rest(weights, factors):
    y, classes = [3, -1, 3, 7, 3, -1], np.array([-1.0, 3.0, 7.0])
    by_class = None if factors is None else np.array(factors)
    seen = OneAgainstRest(source(y, weights), 3.0, classes, by_class)
    assert seen.has_weights == (weights is not None or factors is not None)
    rows, targets, found = np.empty((6, 1)), np.empty(6), np.empty(6 if seen.has_weights else 0)
    start = 0
    for chunk in seen.chunks():
        part = slice(start, start + len(chunk))
        chunk.fill(0, len(chunk), rows[part], targets[part], found[part])
        start += len(chunk)
    assert rows.ravel().tolist() == X.tolist()
    assert targets.tolist() == [1.0, 0.0, 1.0, 0.0, 1.0, 0.0]
    if seen.has_weights:
        own = weights or [1.0] * 6
        of_class = dict(zip(classes, factors or [1.0] * 3, strict=True))
        assert found.tolist() == [s * of_class[label] for s, label in zip(own, y, strict=True)]
