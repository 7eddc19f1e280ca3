"""The steps and the bowl, against the run and against the cost itself."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.contour import ContourSet

import fastgd
from fastgd.data.arrays import ArrayRows
from tests.plots.drawn import X, Y, assert_bowl_is_the_cost, assert_same_path, bowl, lesson, line

# the path of one weight


@pytest.mark.parametrize("rate", [0.01, 0.1, 0.2])
@pytest.mark.parametrize("fit_with", [fastgd.gradient_descent, fastgd.sgd])
def test_path_walks_down_the_bowl(ax, fit_with, rate):
    fit = fit_with(X, Y, w0=0.0, learning_rate=rate if fit_with is fastgd.gradient_descent else rate / 10)
    fit.plot("path", ax=ax)
    assert_bowl_is_the_cost(ax, X, Y)
    assert_same_path(ax, fit.w_history, fit.cost_history)
    np.testing.assert_allclose(np.ravel(line(ax, "minimum")), (2, 0), rtol=1e-15, atol=1e-30)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("w", "cost")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "each epoch",
        "start",
        "minimum",
        "end",
    ]
    w, _ = bowl(ax)
    assert w.min() < fit.w_history.min()
    assert w.max() > fit.w_history.max()


def test_a_column_is_one_weight_too(ax):
    column = np.array(X)[:, None]
    fit = fastgd.gradient_descent(column, Y, w0=[1.0])
    fit.plot(ax=ax)
    assert_bowl_is_the_cost(ax, column, Y)
    assert_same_path(ax, fit.w_history[:, 0], fit.cost_history)


@pytest.mark.parametrize(("shift", "scale"), [(1e9, 1.0), (0.0, 1e-6), (5.0, 1e6)])
def test_bowls_far_from_one_keep_their_digits(ax, shift, scale):
    x, y = scale * np.array(X), np.array([2.0, 4.5, 6.0]) + shift
    fastgd.gradient_descent(x, y, learning_rate=0.01 / scale**2).plot(ax=ax)
    assert_bowl_is_the_cost(ax, x, y)


def test_python_backend_and_integers(ax):
    fit = fastgd.gradient_descent([1, 2, 3], [2, 4, 7], w0=1, backend="python", n_epochs=5)
    fit.plot(ax=ax)
    assert_bowl_is_the_cost(ax, [1, 2, 3], [2, 4, 7])


def test_sgd_over_many_rows_has_its_costs_from_the_bowl(ax):
    rng = np.random.default_rng(1)
    x = rng.normal(size=20_000)
    y = 3 * x + rng.normal(size=20_000)
    fit = fastgd.sgd(x, y, learning_rate=1e-5, n_epochs=4, method="stream")
    assert fit.cost_history is None
    fit.plot(ax=ax)
    assert_bowl_is_the_cost(ax, x, y)
    w, costs = line(ax, "each epoch")
    np.testing.assert_array_equal(w, fit.w_history)
    np.testing.assert_allclose(costs, [fastgd.cost(x, y, one) for one in w], rtol=1e-9)
    np.testing.assert_allclose(line(ax, "minimum")[0], x @ y / (x @ x), rtol=1e-12)


def test_a_start_at_the_minimum_has_a_bowl_around_it(ax):
    fit = lesson(w0=2.0, n_epochs=0)
    assert fit.plot("path", ax=ax).get_title() == "gradient descent\n0 epochs"
    assert_bowl_is_the_cost(ax, X, Y)
    assert np.ptp(bowl(ax)[0]) > 1


# the path of two weights


def test_two_weights_on_contours(ax, table):
    X2, y2 = table
    fit = fastgd.gradient_descent(X2, y2, w0=[-2.0, 2.0], learning_rate=0.1, n_epochs=50)
    assert fit.plot("path", ax=ax) is ax
    assert_same_path(ax, *fit.w_history.T)
    np.testing.assert_allclose(np.ravel(line(ax, "minimum")), np.linalg.lstsq(X2, y2)[0], rtol=1e-12)
    (contours,) = [one for one in ax.collections if isinstance(one, ContourSet)]
    assert len(contours.levels) > 5
    checked = 0
    for level, path in zip(contours.levels, contours.get_paths(), strict=True):
        for point in path.vertices[::25]:
            assert fastgd.cost(X2, y2, point) == pytest.approx(level, rel=0.01)  # straight between grid lines
            checked += 1
    assert checked > 20
    low, high = np.transpose([ax.get_xlim(), ax.get_ylim()])
    assert (low < fit.w_history).all()
    assert (fit.w_history < high).all()
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("w[0]", "w[1]")


def test_a_path_takes_one_read_of_the_data(ax, monkeypatch):
    rng = np.random.default_rng(1)
    X2 = rng.normal(size=(20_000, 2))
    fit = fastgd.gradient_descent(X2, X2 @ [1.0, 2.0], n_epochs=3)
    reads, begin = [], ArrayRows.begin
    monkeypatch.setattr(ArrayRows, "begin", lambda rows, pieces: reads.append(1) or begin(rows, pieces))
    fit.plot("path", ax=ax)
    assert len(reads) == 1
    np.testing.assert_allclose(np.ravel(line(ax, "minimum")), [1.0, 2.0], rtol=1e-9)


@pytest.mark.parametrize(
    "columns",
    [
        np.column_stack([X, 2 * np.array(X)]),
        np.column_stack([X, np.array(X) / 3 + [1e-7, 0, 0]]),
        np.zeros((3, 2)),
        np.column_stack([X, np.zeros(3)]),
    ],
    ids=["collinear", "collinear-to-rounding", "zeros", "one-zero"],
)
def test_valleys_mark_the_minimum_next_to_the_path(ax, columns):
    fit = fastgd.gradient_descent(columns, Y, w0=[1.0, -1.0], learning_rate=0.02, n_epochs=500)
    fit.plot(ax=ax)
    ax.figure.canvas.draw()
    np.testing.assert_allclose(np.ravel(line(ax, "minimum")), fit.w, atol=1e-9)


def test_columns_in_unlike_units_are_no_valley(ax):
    columns = np.column_stack([X, [1e9, 5e9, 2e9]])
    fastgd.gradient_descent(columns, columns @ [2.0, 3e-9], learning_rate=1e-20, n_epochs=3).plot(ax=ax)
    np.testing.assert_allclose(np.ravel(line(ax, "minimum")), [2.0, 3e-9], rtol=1e-9)
