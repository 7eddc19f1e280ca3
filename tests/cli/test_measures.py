"""Measures of predictions, against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from fastgd.cli import measures
from fastgd.cli.measures import Classes, Numbers
from fastgd.losses import NAMED

DRAWN = np.random.default_rng(2)
N = 500
SCORES = DRAWN.normal(size=N).round(1)  # with ties
LABELS = (SCORES + DRAWN.normal(size=N) > 0.3).astype(float)
WEIGHTS = DRAWN.integers(0, 4, N).astype(float)
Y = 1e6 + SCORES + DRAWN.normal(size=N)


def added(found, scores, y, weights, step):
    for start in range(0, N, step):
        rows = slice(start, start + step)
        found.add(scores[rows], y[rows], None if weights is None else weights[rows])
    return found.results()


@pytest.mark.parametrize("step", [1, 7, N])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
def test_numbers(step, weights):
    found = added(Numbers(NAMED["squared_error"]), SCORES + 1e6, Y, weights, step)
    refs = {
        "root_mean_square_error": metrics.root_mean_squared_error,
        "mean_absolute_error": metrics.mean_absolute_error,
        "r2": metrics.r2_score,
    }
    for name, ref in refs.items():
        assert found[name] == pytest.approx(ref(Y, SCORES + 1e6, sample_weight=weights), rel=1e-9), name


def test_counts_are_predicted_by_the_exponential():
    y = np.exp(SCORES)
    assert added(Numbers(NAMED["poisson"]), SCORES, y, None, 9)["mean_absolute_error"] == 0.0


@pytest.mark.parametrize("step", [1, 7, N])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
def test_classes(step, weights):
    found = added(Classes(NAMED["log_loss"], ("no", "yes")), SCORES, LABELS, weights, step)
    predicted, probability = SCORES > 0, 1 / (1 + np.exp(-SCORES))
    for name, ref in {
        "accuracy": metrics.accuracy_score(LABELS, predicted, sample_weight=weights),
        "log_loss": metrics.log_loss(LABELS, probability, sample_weight=weights),
        "auc": metrics.roc_auc_score(LABELS, SCORES, sample_weight=weights),
    }.items():
        assert found[name] == pytest.approx(ref, rel=1e-12), name
    table = metrics.confusion_matrix(LABELS, predicted, sample_weight=weights)
    assert [list(row.values()) for row in found["table"].values()] == table.tolist()
    assert list(found["table"]) == ["no", "yes"]


def test_what_is_not_known_is_none(monkeypatch):
    assert added(Classes(NAMED["hinge"], "01"), SCORES, LABELS, None, 50)["log_loss"] is None
    assert added(Classes(NAMED["log_loss"], "01"), SCORES, np.ones(N), None, 50)["auc"] is None
    assert added(Numbers(NAMED["squared_error"]), SCORES, np.full(N, 0.5), None, 50)["r2"] is None
    monkeypatch.setattr(measures, "MOST_SCORES", N - 1)
    assert added(Classes(NAMED["log_loss"], "01"), SCORES, LABELS, None, 50)["auc"] is None
