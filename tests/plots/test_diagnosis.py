"""The error factors, against descents that are run."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib import pyplot as plt

import fastgd
from tests.plots.drawn import X, Y, line


def test_the_curve_is_the_factor_of_the_slowest_error_of_a_run(ax, table):
    diagnosis = fastgd.diagnose(*table, learning_rate=0.1)
    assert diagnosis.plot(ax=ax) is ax
    rates, factors = line(ax, "slowest error")
    best = np.linalg.lstsq(*table)[0]
    for k in (40, 150, 300, 399):  # one epoch from the optimum plus an eigenvector multiplies its error
        ref = max(
            np.linalg.norm(
                fastgd.gradient_descent(
                    *table, w0=best + v, learning_rate=rates[k], n_epochs=1, on_divergence="ignore"
                ).w
                - best
            )
            for v in np.linalg.eigh(np.cov(table[0].T, bias=True) + np.outer(*2 * [table[0].mean(axis=0)]))[
                1
            ].T
        )
        assert factors[k] == pytest.approx(ref, abs=1e-9)


def test_limit_and_rates_are_marked(ax, table):
    diagnosis = fastgd.diagnose(*table, learning_rate=0.1)
    diagnosis.plot(ax=ax)
    marks = {one.get_label().split(":")[0]: np.ravel(one.get_xydata()) for one in ax.lines}
    np.testing.assert_array_equal(marks["rate 0.1"], (0.1, diagnosis.spectral_radius))
    assert marks[f"stability limit {diagnosis.stability_limit:.3g}"][0] == diagnosis.stability_limit
    (fastest,) = [point for name, point in marks.items() if name.startswith("fastest")]
    assert fastest[1] == pytest.approx(line(ax, "slowest error")[1].min())
    faster = fastgd.diagnose(*table, learning_rate=float(fastest[0])).spectral_radius
    assert fastest[1] == pytest.approx(faster)


def test_a_rate_far_beyond_the_limit_is_named_and_not_drawn(ax):
    fastgd.diagnose(X, Y, learning_rate=1e9).plot(ax=ax)
    assert ax.get_xlim()[1] < 1.0
    assert "at rate 1e+09, beyond this picture" in ax.get_title()


def test_one_weight_has_one_curve(ax):
    fastgd.diagnose(X, Y, learning_rate=0.01).plot(ax=ax)
    assert len([one for one in ax.lines if len(one.get_xdata()) > 2]) == 1


def test_refusals_name_the_remedy():
    with pytest.raises(ValueError, match='diagnose with solver="gradient_descent"'):
        fastgd.diagnose(X, Y, solver="sgd").plot()
    with pytest.raises(ValueError, match="every column is 0"):
        fastgd.diagnose([0.0, 0.0], [1.0, 2.0]).plot()
    assert plt.get_fignums() == []
