"""Results in a terminal and in a notebook: a few short lines, whatever their size."""

from __future__ import annotations

import html.parser

import numpy as np
import pandas as pd
import pytest

import fastgd
from fastgd import display

LESSON = [1.0, 2.0, 3.0], [2.0, 4.0, 6.0]
RNG = np.random.default_rng(0)


def wide(d):
    X = RNG.normal(size=(200, d))
    return X, X @ np.arange(1.0, d + 1.0) + 3.0


def texts(page):
    """The texts of an HTML page, and its tags."""
    tags, found = [], []

    class Parser(html.parser.HTMLParser):
        def handle_starttag(self, tag, attrs):
            tags.append(tag)

        def handle_data(self, data):
            found.append(data)

    Parser().feed(page)
    return [text for text in found if text.strip()], set(tags)


def test_a_fit_is_one_line():
    fit = fastgd.gradient_descent(*LESSON, w0=1.0, learning_rate=0.01)
    assert repr(fit) == str(fit) == "FitResult(w=1.99994, 100 epochs, cost 1.44e-08, not converged)"
    one = fastgd.gradient_descent(*LESSON, learning_rate=0.01, n_epochs=1)
    assert repr(one) == f"FitResult(w={one.w:.6g}, 1 epoch, cost {one.cost_history[-1]:.3g}, not converged)"
    assert "cost" not in repr(fastgd.gradient_descent(*LESSON, n_epochs=3, history=None))


def test_a_fit_says_how_it_ended():
    assert repr(fastgd.gradient_descent(*LESSON, tol="auto")).endswith(", converged)")
    diverged = fastgd.gradient_descent(*LESSON, learning_rate=1.0, on_divergence="ignore")
    assert repr(diverged).endswith("diverged)")
    stopped = fastgd.gradient_descent(*LESSON, learning_rate=0.01, callback=lambda state: state.epoch == 4)
    assert repr(stopped).startswith("FitResult(w=")
    assert repr(stopped).endswith("stopped)")
    assert "5 epochs" in repr(stopped)


@pytest.mark.parametrize("d", [1, 2, 6, 7, 900])
def test_a_fit_of_many_columns_is_one_line_too(d):
    X, y = wide(d)
    fit = fastgd.gradient_descent(X, y, fit_intercept=True, n_epochs=2)
    text = repr(fit)
    assert "\n" not in text
    assert len(text) <= 160
    assert f"intercept={fit.intercept:.6g}, 2 epochs" in text
    assert f"{fit.w[0]:.6g}" in text
    assert f"{fit.w[-1]:.6g}" in text
    assert (f" of {d}" in text) == (d > 6)


def test_a_fit_in_a_notebook_names_its_columns():
    X, y = wide(3)
    names = ["a<b", "<script>alert(1)</script>", "c & d"]
    fit = fastgd.gradient_descent(pd.DataFrame(X, columns=names), y, fit_intercept=True, history=None)
    found, tags = texts(fit._repr_html_())
    assert tags == {"table", "caption", "tr", "th", "td"}
    assert found[1:5] == ["feature", "weight", "intercept", f"{fit.intercept:.6g}"]
    assert found[5::2] == names
    assert found[6::2] == [display.number(value) for value in fit.w]
    lesson, _ = texts(fastgd.gradient_descent(*LESSON, history=None)._repr_html_())
    assert lesson[3:] == ["w", "2"]


def test_a_table_in_a_notebook_is_short():
    X, y = wide(50)
    found, _ = texts(fastgd.gradient_descent(X, y, n_epochs=2, history=None)._repr_html_())
    assert found[-1] == "and 30 more"
    assert len(found) == 1 + 2 + 2 * 20 + 1


def test_a_sweep_is_one_line():
    sweep = fastgd.sweep(*LESSON, learning_rates=[0.01, 0.05, 1.0])
    assert repr(sweep) == (
        f"SweepResult(3 fits, 1 diverged, best at learning rate 0.05: cost {sweep.costs.min():.3g})"
    )
    assert repr(fastgd.sweep(*LESSON, learning_rates=[1.0])) == "SweepResult(1 fit, 1 diverged)"
    none = fastgd.sweep(*LESSON, learning_rates=[0.1], n_epochs=0)
    assert repr(none) == "SweepResult(1 fit, best at learning rate (no epochs): cost 18.7)"
    falling = fastgd.sweep(*LESSON, learning_rates=[lambda epoch: 0.1 / (epoch + 1)], n_epochs=4)
    assert "best at learning rate 0.1 … 0.025: cost " in repr(falling)


def test_a_sweep_in_a_notebook_has_a_row_for_each_fit():
    sweep = fastgd.sweep(*LESSON, learning_rates=[0.01, 1.0])
    found, _ = texts(sweep._repr_html_())
    assert found[1:5] == ["learning rate", "epochs", "cost", "outcome"]
    assert found[5:9] == ["0.01", "100", f"{sweep.costs[0]:.3g}", "not converged"]
    assert found[9] == "1"
    assert found[11:] == ["inf", "diverged"]


def test_a_diagnosis_is_what_it_prints():
    diagnosis = fastgd.diagnose(*LESSON)
    assert repr(diagnosis) == str(diagnosis)
    found, tags = texts(diagnosis._repr_html_())
    assert (found, tags) == ([str(diagnosis)], {"pre"})
