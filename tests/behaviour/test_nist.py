"""Certified answers: NIST's Statistical Reference Datasets, linear regression."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

import fastgd

SETS = json.loads((Path(__file__).parent.parent / "data" / "strd.json").read_text())["sets"]


def data(name):
    entry = SETS[name]
    x = np.array([float(row[0]) for row in entry["x"]])
    return (
        x,
        np.array([float(value) for value in entry["y"]]),
        [float(c) for c in entry["certified_coefficients"]],
    )


def digits(value: float, certified: float) -> float:
    """NIST's log relative error, −log10(|value − certified| / |certified|), at most 15."""
    return 15.0 if value == certified else min(15.0, -math.log10(abs(value - certified) / abs(certified)))


@pytest.mark.parametrize("backend", ["numba", "python"])
def test_noint1_is_the_lessons_model_on_real_data(backend):
    x, y, (slope,) = data("NoInt1")
    fit = fastgd.gradient_descent(x, y, learning_rate=1e-4, n_epochs=100, backend=backend)
    assert fit.converged
    assert digits(fit.w, slope) >= 14
    residuals = fastgd.cost(x, y, fit.w) * len(x)
    assert digits(residuals, float(SETS["NoInt1"]["certified_residual_sum_of_squares"])) >= 14


@pytest.mark.parametrize("backend", ["numba", "python"])
def test_norris_centred_by_the_caller(backend):
    x, y, (intercept, slope) = data("Norris")
    centred, mean = x - x.mean(), y.mean()
    fit = fastgd.gradient_descent(centred, y - mean, learning_rate=4e-6, n_epochs=100, backend=backend)
    assert digits(fit.w, slope) >= 8
    assert digits(mean - fit.w * x.mean(), intercept) >= 6


def test_sgd_nears_noint1():
    x, y, (slope,) = data("NoInt1")
    rate = 1e-6  # a constant rate stops short of the optimum by about its own size
    fit = fastgd.sgd(x, y, learning_rate=rate, n_epochs=400)
    assert digits(fit.w, slope) >= 3
