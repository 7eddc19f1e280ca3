"""The steps and the bowl, against the run and against the cost itself."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import fastgd
from fastgd.data.arrays import ArrayRows
from tests.plots.drawn import (
    X,
    Y,
    assert_bowl_is_the_cost,
    assert_contours_are_the_cost,
    assert_same_path,
    bowl,
    lesson,
    line,
)

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
        "end",
        "minimum",
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
    assert_contours_are_the_cost(ax, lambda w: fastgd.cost(X2, y2, w))
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
    ax.figure.draw_without_rendering()
    np.testing.assert_allclose(np.ravel(line(ax, "minimum")), fit.w, atol=1e-9)


def test_columns_in_unlike_units_are_no_valley(ax):
    columns = np.column_stack([X, [1e9, 5e9, 2e9]])
    fastgd.gradient_descent(columns, columns @ [2.0, 3e-9], learning_rate=1e-20, n_epochs=3).plot(ax=ax)
    np.testing.assert_allclose(np.ravel(line(ax, "minimum")), [2.0, 3e-9], rtol=1e-9)


# an intercept, weights, a penalty, other sources


def cost_at(X, y, **options):
    """The cost of a point (w, intercept)."""
    return lambda point: fastgd.cost(X, y, point[:1], intercept=point[1], **options)


@pytest.mark.parametrize(
    "options", [{}, {"l2": 0.3}, {"standardize": True}], ids=["plain", "l2", "standardize"]
)
@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("far", [0.0, 1000.0])
def test_a_weight_and_an_intercept_are_a_path_on_contours(ax, options, is_weighted, far):
    rng = np.random.default_rng(5)
    x = far + rng.normal(size=(60, 1))
    y = 2 * x[:, 0] + 1 - 2 * far + rng.normal(size=60)
    weights = {"sample_weight": rng.uniform(0.5, 3.0, 60)} if is_weighted else {}
    fit = fastgd.gradient_descent(x, y, fit_intercept=True, n_epochs=30, **options, **weights)
    fit.plot(ax=ax)
    assert_same_path(ax, fit.w_history[:, 0], fit.intercept_history)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("w[0]", "intercept")
    l2 = options.get("l2", 0.0)
    assert_contours_are_the_cost(ax, cost_at(x, y, l2=l2, **weights))
    s = weights.get("sample_weight", np.ones(60))
    middle, level = np.average(x[:, 0], weights=s), np.average(y, weights=s)
    slope = np.sum(s * (x[:, 0] - middle) * (y - level)) / (
        np.sum(s * (x[:, 0] - middle) ** 2) + l2 / 2 * s.sum()
    )
    best = slope, level - slope * middle
    np.testing.assert_allclose(np.ravel(line(ax, "minimum")), best, rtol=1e-9)


def test_weights_and_l2_are_in_the_bowl_of_one_weight(ax):
    weights = [1.0, 0.0, 5.0]
    fit = fastgd.gradient_descent(X, [1.0, 5.0, 4.0], sample_weight=weights, l2=2.0, n_epochs=10)
    fit.plot(ax=ax)
    w, heights = bowl(ax)
    ref = [fastgd.cost(X, [1.0, 5.0, 4.0], one, sample_weight=weights, l2=2.0) for one in w]
    np.testing.assert_allclose(heights, ref, rtol=1e-9)
    assert_same_path(ax, fit.w_history, fit.cost_history)


def test_the_bowl_of_a_validated_fit_is_that_of_its_training_rows(ax):
    x = np.arange(40.0)
    fit = fastgd.gradient_descent(x, np.where(x < 30, x, 5 * x), validation_fraction=0.25, n_epochs=10)
    fit.plot(ax=ax)
    w, heights = bowl(ax)
    near = np.interp(fit.w_history, w, heights)
    np.testing.assert_allclose(near, fit.cost_history, rtol=0.02)  # straight between points of the curve


def test_chunks_and_summaries_have_a_bowl_and_rows_read_once_have_none(ax):
    x, y = np.arange(1.0, 9.0)[:, None], np.arange(1.0, 9.0) ** 2
    fit = fastgd.gradient_descent(fastgd.chunks(lambda: iter([(x[:3], y[:3]), (x[3:], y[3:])])), n_epochs=5)
    of_summary = fastgd.gradient_descent(fastgd.summarize(x, y), n_epochs=5)
    for one in (fit, of_summary):
        axes = Figure().subplots()
        one.plot(ax=axes)
        assert_bowl_is_the_cost(axes, x, y)
    with pytest.raises(ValueError, match='needs the rows.*use plot."cost".'):
        of_summary.plot("fit")


def test_names_of_columns_are_on_the_axes_as_text(ax):
    frame = pd.DataFrame({"price in $": [1.0, 2.0, 4.0], "$x^2$": [1.0, 0.0, 3.0]})
    fastgd.gradient_descent(frame, [1.0, 2.0, 3.0], n_epochs=5).plot(ax=ax)
    ax.figure.draw_without_rendering()
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("weight of price in \\$", "weight of \\$x^2\\$")


# steps


def test_one_unit_is_as_long_on_both_axes(ax, table):
    fastgd.gradient_descent(*table, learning_rate=0.05, n_epochs=20).plot(ax=ax)
    ax.figure.draw_without_rendering()
    (x, y), (right, _), (_, up) = ax.transData.transform([(0, 0), (1, 0), (0, 1)])
    assert right - x == pytest.approx(up - y)


def test_axes_in_unlike_units_fill_the_picture(ax):
    columns = np.column_stack([X, [1e4, 5e4, 2e4]])
    fastgd.gradient_descent(columns, columns @ [2.0, 3e-4], n_epochs=9, standardize=True).plot(ax=ax)
    assert ax.get_aspect() == "auto"


@pytest.mark.parametrize("columns", [X, np.column_stack([X, [1.0, 0.0, -1.0]])], ids=["one", "two"])
def test_single_steps_of_sgd_are_those_of_the_loop(ax, columns):
    scalar = np.ndim(columns) == 1
    fit = fastgd.sgd(columns, Y, learning_rate=0.02, n_epochs=4, history="samples")
    fit.plot("path", ax=ax)
    w, path = np.zeros(1 if scalar else 2), [np.zeros(1 if scalar else 2)]
    for _ in range(4):
        for x, y in zip(np.reshape(columns, (3, -1)), Y, strict=True):
            w = w - 0.02 * 2 * x * (x @ w - y)
            path.append(w)
    across, up = line(ax, "each step")
    np.testing.assert_allclose(across, np.array(path)[:, 0], rtol=1e-12)
    if scalar:
        np.testing.assert_allclose(up, [fastgd.cost(X, Y, one[0]) for one in path], rtol=1e-9)
    else:
        np.testing.assert_allclose(up, np.array(path)[:, 1], rtol=1e-12)


def test_the_minimum_is_above_the_end(ax):
    lesson().plot(ax=ax)
    mark, end = (next(one for one in ax.lines if one.get_label() == name) for name in ("minimum", "end"))
    assert mark.get_zorder() > end.get_zorder()
    assert mark.get_markersize() > end.get_markersize()


def test_runs_that_share_axes_share_one_bowl_around_all(ax, table):
    near = fastgd.gradient_descent(*table, learning_rate=0.1, n_epochs=20)
    far = fastgd.gradient_descent(*table, w0=[-6.0, 6.0], learning_rate=0.1, n_epochs=20)
    near.plot(ax=ax, label="near")
    far.plot(ax=ax, label="far")
    assert_contours_are_the_cost(ax, lambda w: fastgd.cost(*table, w))
    assert ax.get_xlim()[0] < -6.0
    assert ax.get_ylim()[1] > 6.0
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "near",
        "start",
        "end",
        "far",
        "minimum",
    ]
    for fit, name in ((near, "near"), (far, "far")):
        np.testing.assert_array_equal(line(ax, name), fit.w_history.T)
