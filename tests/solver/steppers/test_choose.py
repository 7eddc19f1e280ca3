"""The stepper of a run, by the name of its class."""

from __future__ import annotations

import numpy as np
import pytest

import fastgd
from fastgd.solver import descents
from fastgd.solver.steppers import choose
from fastgd.solver.steppers.choose import distinct_rates

N = 9000
X = np.random.default_rng(0).normal(size=(N, 2))
Y = X @ [1.0, 2.0] + 0.1
GD, SGD = fastgd.gradient_descent, fastgd.sgd


@pytest.mark.parametrize(
    ("fit_by", "rows", "how", "expected"),
    [
        (GD, 20, {}, "BlockDescent"),
        (SGD, 20, {}, "BlockSgd"),
        (GD, 20, dict(method="summary"), "SummaryDescent"),
        (GD, 20, dict(tol=0.9999, patience=1), "StreamingDescent"),
        (GD, N, dict(method="stream"), "StreamingDescent"),
        (GD, N, dict(loss="huber"), "StreamingDescent"),
        (GD, 20, dict(backend="python", momentum=0.5), "PlainDescent"),
        (SGD, 20, dict(method="summary"), "MapSgd"),
        (SGD, N, dict(method="stream"), "StreamingSgd"),
        (SGD, N, dict(method="summary"), "MapSgd"),
        (SGD, 20, dict(momentum=0.5), "StreamingSgd"),
        (SGD, 20, dict(backend="python", batch_size=2), "PlainSgd"),
    ],
)
def test_by_solver_method_size_and_backend(monkeypatch, fit_by, rows, how, expected):
    chosen = []
    choose_steppers = choose.choose_steppers

    def watched(*arguments):
        found = choose_steppers(*arguments)
        chosen.extend(type(one).__name__ for one in found)
        return found

    monkeypatch.setattr(descents, "choose_steppers", watched)
    fit_by(X[:rows], Y[:rows], n_epochs=2, learning_rate=1e-3, on_divergence="ignore", **how)
    assert chosen == [expected]


def test_each_rate_once_and_ascending():
    assert distinct_rates(np.array([0.2, 0.1, 0.2])).tolist() == [0.1, 0.2]
    alike = np.broadcast_to(np.float64(0.3), 10**9)
    assert distinct_rates(alike).tolist() == [0.3]
