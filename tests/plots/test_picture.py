"""Which picture is drawn, on which axes, of how much of a run, and what is refused."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest
from matplotlib import pyplot as plt

import fastgd
from tests.plots.drawn import X, Y, lesson


@pytest.mark.parametrize("kind", ["path", "cost"])
def test_a_run_that_starts_at_infinity_is_refused(kind):
    fit = lesson(w0=1e200, n_epochs=2, on_divergence="ignore")
    with pytest.raises(ValueError, match="no finite cost to draw"):
        fit.plot(kind)
    assert plt.get_fignums() == []


# which picture, and on which axes


@pytest.mark.parametrize(
    ("fit", "label"),
    [
        (lambda: lesson(), "w"),
        (lambda: lesson(history="costs"), "epoch"),
        (lambda: pickle.loads(pickle.dumps(lesson())), "epoch"),
        (lambda: fastgd.gradient_descent([[1.0, 0.5]], [2.0]), "w[0]"),
        (lambda: fastgd.gradient_descent(np.eye(3), Y), "epoch"),
    ],
    ids=["one", "no-path", "no-data", "two", "three"],
)
def test_the_default_kind(ax, fit, label):
    assert fit().plot(ax=ax).get_xlabel() == label


def test_without_axes_pyplot_gets_one_new_figure():
    first = lesson().plot()
    second = lesson().plot("cost")
    assert plt.get_fignums() == [1, 2]
    assert plt.figure(1) is first.figure
    assert plt.figure(2) is second.figure
    assert first.figure.get_size_inches().tolist() == [6, 4]


def test_two_pictures_side_by_side():
    figure, (left, right) = plt.subplots(1, 2)
    assert lesson().plot("path", ax=left) is left
    assert lesson().plot("cost", ax=right) is right
    assert figure.axes == [left, right]
    assert plt.get_fignums() == [figure.number]


def test_own_axes_need_no_pyplot():
    program = (
        "import sys, fastgd; from matplotlib.figure import Figure\n"
        "fit = fastgd.gradient_descent([1.0], [2.0], backend='python')\n"
        "fit.plot('path', ax=Figure().subplots()); fit.plot('cost', ax=Figure().subplots())\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_rates_that_change_are_named_first_and_last(ax):
    fit = lesson(learning_rate=[0.1, 0.05, 0.02], n_epochs=3)
    assert fit.plot(ax=ax).get_title() == "gradient descent\nlearning rate 0.1 to 0.02, 3 epochs"


# refusals


def test_refusals_name_the_remedy():
    with pytest.raises(
        ValueError, match="kind must be None or 'cost' or 'path' or 'fit' or 'tangent', not 'bowl'"
    ):
        lesson().plot("bowl")
    with pytest.raises(ValueError, match='not 3: use plot."cost".'):
        fastgd.gradient_descent(np.eye(3), Y).plot("path")
    with pytest.raises(ValueError, match='squared errors and l2, and this fit has l1: use plot."cost".'):
        fastgd.gradient_descent(X, Y, l1=0.1).plot("path")
    with pytest.raises(ValueError, match="and this fit has loss='huber'"):
        fastgd.gradient_descent(X, Y, loss="huber").plot("path")
    with pytest.raises(ValueError, match='scale="log" is for kind="cost", and this is kind="path"'):
        lesson().plot(scale="log")
    with pytest.raises(ValueError, match='residuals is for kind="fit", and this is kind="path"'):
        lesson().plot(residuals=True)
    with pytest.raises(ValueError, match='epochs is for kind="fit" or "tangent", and this is kind="cost"'):
        lesson().plot("cost", epochs=[0])
    with pytest.raises(ValueError, match="scale must be 'linear' or 'log', not 'sqrt'"):
        lesson().plot("cost", scale="sqrt")
    with pytest.raises(ValueError, match='weights of every epoch: fit with history="epochs"'):
        lesson(history="costs").plot("path")
    with pytest.raises(ValueError, match=r'kept none: fit with history="epochs"$'):
        lesson(history=None).plot()
    with pytest.raises(ValueError, match='history="epochs" and, for SGD, track_cost=True'):
        fastgd.sgd(X, Y, history=None).plot()
    with pytest.raises(ValueError, match='needs the data, which stored fits.*use plot."cost".'):
        pickle.loads(pickle.dumps(lesson())).plot("path")
    with pytest.raises(ValueError, match="X is too large"):
        fastgd.gradient_descent([1e160, 1.0], [1.0, 2.0], n_epochs=0).plot("path")
    assert plt.get_fignums() == []


@pytest.mark.parametrize("kind", ["path", "cost"])
def test_a_missing_matplotlib_is_named_with_the_install_line(monkeypatch, kind):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ModuleNotFoundError, match=r"^plots need matplotlib: pip install 'fastgd\[plot\]'$"):
        lesson().plot(kind)
