"""The pictures: what the drawn artists say, against the run and against the cost itself."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest

import fastgd
from fastgd.data.arrays import ArrayRows

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

from matplotlib import pyplot as plt  # noqa: E402
from matplotlib.contour import ContourSet  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

X, Y = [1.0, 2.0, 3.0], [2.0, 4.0, 6.0]


@pytest.fixture(autouse=True)
def _nothing_shown_nothing_left(monkeypatch):
    monkeypatch.setattr(plt, "show", lambda *_, **__: pytest.fail("plot() showed a figure"))
    yield
    plt.close("all")


@pytest.fixture
def ax():
    return Figure(figsize=(6, 4), layout="constrained").subplots()


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(3)
    z = rng.normal(size=(200, 2))
    X2 = np.column_stack([z[:, 0], 0.8 * z[:, 0] + 0.6 * z[:, 1]])
    return X2, X2 @ [1.5, -1.0] + 0.3 * rng.normal(size=200)


def lesson(**options):
    return fastgd.gradient_descent(X, Y, **{"w0": 1.0, "learning_rate": 0.01} | options)


def line(ax, label):
    (found,) = [one for one in ax.lines if one.get_label() == label]
    return np.asarray(found.get_xdata()), np.asarray(found.get_ydata())


def bowl(ax):
    """The parabola: the one line without a label of its own."""
    (found,) = [one for one in ax.lines if one.get_label().startswith("_")]
    return np.asarray(found.get_xdata()), np.asarray(found.get_ydata())


def assert_same_path(ax, across, up):
    np.testing.assert_array_equal(line(ax, "each epoch"), (across, up))
    np.testing.assert_array_equal(np.ravel(line(ax, "start")), (across[0], up[0]))
    np.testing.assert_array_equal(np.ravel(line(ax, "end")), (across[-1], up[-1]))


def assert_bowl_is_the_cost(ax, X, y):
    w, heights = bowl(ax)
    vector = np.ndim(X) == 2
    ref = [fastgd.cost(X, y, [one] if vector else one) for one in w]
    np.testing.assert_allclose(heights, ref, rtol=1e-9, atol=1e-12 * max(ref))


# cost against epoch


def test_cost_is_the_cost_history(ax):
    fit = lesson()
    assert fit.plot("cost", ax=ax) is ax
    (drawn,) = ax.lines
    np.testing.assert_array_equal(drawn.get_xdata(), np.arange(101))
    np.testing.assert_array_equal(drawn.get_ydata(), fit.cost_history)
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_yscale()) == ("epoch", "cost", "log")
    assert ax.get_title() == "gradient descent\nlearning rate 0.01, 100 epochs"


def test_cost_of_less_than_two_decades_is_linear(ax):
    assert lesson(n_epochs=10).plot("cost", ax=ax).get_yscale() == "linear"


@pytest.mark.parametrize(("x", "y"), [([1.0], [0.0]), ([0.0], [1.0])], ids=["zero", "flat"])
def test_a_cost_that_does_not_change_is_linear(ax, x, y):
    assert fastgd.gradient_descent(x, y, n_epochs=3).plot("cost", ax=ax).get_yscale() == "linear"
    ax.figure.canvas.draw()


def test_costs_of_exactly_zero_are_drawn_below_a_log_axis(ax):
    fit = lesson(learning_rate=0.1)
    assert (fit.cost_history[:10] > 0).all()
    assert fit.cost_history[-1] == 0
    fit.plot("cost", ax=ax)
    ax.figure.canvas.draw()
    assert ax.get_yscale() == "log"
    assert "exactly 0" in ax.get_ylabel()
    positive = fit.cost_history[fit.cost_history > 0]
    assert 0 < ax.get_ylim()[0] <= positive.min()
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), fit.cost_history)


def test_sgd_without_costs_shows_its_losses(ax):
    rng = np.random.default_rng(1)
    x = rng.normal(size=20_000)
    fit = fastgd.sgd(x, 3 * x + rng.normal(size=20_000), learning_rate=1e-4, n_epochs=4, method="stream")
    assert fit.cost_history is None
    fit.plot("cost", ax=ax)
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), [1, 2, 3, 4])
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), fit.loss_history)
    assert ax.get_ylabel() == "loss of the last sample"
    assert all(tick == round(tick) for tick in ax.get_xticks())
    assert ax.get_title() == "stochastic gradient descent\nlearning rate 0.0001, 4 epochs"


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


# diverging runs


def test_an_overshooting_run_is_drawn_whole(ax):
    fit = lesson(learning_rate=0.3, n_epochs=8, on_divergence="ignore")
    fit.plot(ax=ax)
    assert_same_path(ax, fit.w_history, fit.cost_history)
    assert_bowl_is_the_cost(ax, X, Y)


@pytest.mark.parametrize("kind", ["path", "cost"])
@pytest.mark.parametrize("columns", [X, np.column_stack([X, [1.0, 0.0, -1.0]])], ids=["one", "two"])
def test_an_overflowed_run_is_drawn_up_to_there(ax, columns, kind):
    w0 = 1.0 if np.ndim(columns) == 1 else [1.0, -1.0]
    fit = fastgd.gradient_descent(columns, Y, w0=w0, learning_rate=0.3, n_epochs=3000, on_divergence="ignore")
    assert not np.isfinite(fit.cost_history[-1])
    fit.plot(kind, ax=ax)
    ax.figure.canvas.draw()
    for drawn in ax.lines:
        assert np.isfinite(drawn.get_xydata()).all()
    if kind == "cost":
        drawn = ax.lines[0].get_ydata()
        np.testing.assert_array_equal(drawn, fit.cost_history[: len(drawn)])
        assert drawn[-1] > 1e190


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
    with pytest.raises(ValueError, match="kind must be None or 'cost' or 'path', not 'bowl'"):
        lesson().plot("bowl")
    with pytest.raises(ValueError, match='not 3: use kind="cost"'):
        fastgd.gradient_descent(np.eye(3), Y).plot("path")
    with pytest.raises(ValueError, match='weights of every epoch: fit with history="epochs"'):
        lesson(history="costs").plot("path")
    with pytest.raises(ValueError, match=r'kept none: fit with history="epochs"$'):
        lesson(history=None).plot()
    with pytest.raises(ValueError, match='history="epochs" and, for SGD, track_cost=True'):
        fastgd.sgd(X, Y, history=None).plot()
    with pytest.raises(ValueError, match="stored without its data"):
        pickle.loads(pickle.dumps(lesson())).plot("path")
    with pytest.raises(ValueError, match="X is too large"):
        fastgd.gradient_descent([1e160, 1.0], [1.0, 2.0], n_epochs=0).plot("path")
    assert plt.get_fignums() == []


@pytest.mark.parametrize("kind", ["path", "cost"])
def test_a_missing_matplotlib_is_named_with_the_install_line(monkeypatch, kind):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ModuleNotFoundError, match=r"^plots need matplotlib: pip install 'fastgd\[plot\]'$"):
        lesson().plot(kind)


# cross-validation


def crossed(**penalties):
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((60, 5))
    return fastgd.cross_validate(rows, rows[:, 0] + rng.standard_normal(60), **penalties)


@pytest.mark.parametrize("name", ["l1", "l2"])
def test_cross_validation_is_a_curve_with_bars_and_two_choices(ax, name):
    result = crossed(**{name: [0.3, 0.01, 0.1, 1.0]})
    assert result.plot(ax=ax) is ax
    (bars,) = ax.containers
    line, _, (segments,) = bars
    order = np.argsort(getattr(result, name))
    np.testing.assert_array_equal(line.get_xdata(), getattr(result, name)[order])
    np.testing.assert_array_equal(line.get_ydata(), result.mean.ravel()[order])
    lengths = [segment[1, 1] - segment[0, 1] for segment in segments.get_segments()]
    np.testing.assert_allclose(lengths, 2 * result.standard_error.ravel()[order])
    chosen = {line.get_xdata()[0] for line in ax.lines if line.get_label().startswith(("best", "within"))}
    assert chosen == {getattr(result.best, name), getattr(result.best_one_se, name)}
    assert (ax.get_xlabel(), ax.get_xscale(), ax.get_title()) == (name, "log", "5 folds")


def test_of_two_penalties_each_l2_has_a_curve(ax):
    result = crossed(l1=[0.1, 1.0], l2=[0.0, 0.1, 1.0])
    result.plot(ax=ax)
    assert [bars.get_label() for bars in ax.containers] == ["l2 = 0", "l2 = 0.1", "l2 = 1"]
    for k, bars in enumerate(ax.containers):
        np.testing.assert_array_equal(bars[0].get_ydata(), result.mean[:, k])
    text = [item.get_text() for item in ax.get_legend().get_texts()]
    assert f"best: l1 = {result.best.l1:.3g}, l2 = {result.best.l2:.3g}" in text


def test_a_penalty_of_0_is_on_the_axis(ax):
    crossed(l2=[0.0, 0.1, 1.0]).plot(ax=ax)
    assert ax.get_xscale() == "symlog"
    assert -0.1 < ax.get_xlim()[0] < 0.0
