"""Axes to draw on, and the check that no picture is shown or left."""

from __future__ import annotations

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

matplotlib.use("Agg")

from matplotlib import pyplot as plt


@pytest.fixture(autouse=True)
def _nothing_shown_nothing_left(monkeypatch):
    monkeypatch.setattr(plt, "show", lambda *_, **__: pytest.fail("plot() showed a figure"))
    yield
    plt.close("all")


@pytest.fixture
def ax():
    return Figure(figsize=(6, 4), layout="constrained").subplots()


@pytest.fixture(scope="session")
def table():
    rng = np.random.default_rng(3)
    z = rng.normal(size=(200, 2))
    X2 = np.column_stack([z[:, 0], 0.8 * z[:, 0] + 0.6 * z[:, 1]])
    return X2, X2 @ [1.5, -1.0] + 0.3 * rng.normal(size=200)
