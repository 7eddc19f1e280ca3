"""The frames of an animation, against the histories of the run."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from matplotlib import animation as of_matplotlib
from PIL import Image

import fastgd
from fastgd.plots.animation import frames
from tests.plots.drawn import X, Y, lesson

DOT = "#D55E00"


@pytest.fixture
def animated():
    """A function that animates a fit, and whose animations are drawn once, as matplotlib wants."""
    made = []

    def animate(fit, *arguments, **options):
        made.append(fit.animate(*arguments, **options))
        return made[-1]

    yield animate
    for one in made:
        one._draw_was_started = True  # or its end warns


def at(animation, epoch):
    """The axes as the frame of an epoch draws them."""
    animation._func(epoch)
    return animation._fig.axes


def dot(ax):
    (found,) = [one for one in ax.lines if one.get_color() == DOT and one.get_marker() == "o"]
    return np.ravel(found.get_xydata())


def moving(ax, label="line of the epoch"):
    return next(one for one in ax.lines if one.get_label() == label).get_xydata()


@pytest.mark.parametrize("epoch", [0, 7, 100])
@pytest.mark.parametrize("kind", ["path", "tangent", "fit"])
def test_both_pictures_show_the_epoch(animated, kind, epoch):
    fit = lesson()
    left, right = at(animated(fit, kind=kind), epoch)
    (x0, y0), (x1, y1) = moving(left)
    assert y0 == pytest.approx(fit.w_history[epoch] * x0)
    assert y1 == pytest.approx(fit.w_history[epoch] * x1)
    assert left.get_title() == f"epoch {epoch} of 100"
    place = epoch if kind == "fit" else fit.w_history[epoch]
    np.testing.assert_array_equal(dot(right), (place, fit.cost_history[epoch]))
    if kind == "path":
        np.testing.assert_array_equal(moving(right, "each epoch")[:, 0], fit.w_history[: epoch + 1])
    if kind == "tangent":
        (left_end, low), (right_end, high) = moving(right, "∂cost/∂w")
        slope = (high - low) / (right_end - left_end)
        assert slope == pytest.approx(fastgd.gradient(X, Y, fit.w_history[epoch]), abs=1e-9)
        (arrow,) = right.texts
        after = fit.w_history[min(epoch + 1, 100)]
        assert (arrow.xyann[0], arrow.xy[0]) == (fit.w_history[epoch], after)


def test_two_weights_have_the_costs_on_the_left(animated, table):
    fit = fastgd.gradient_descent(*table, learning_rate=0.1, n_epochs=12)
    left, right = at(animated(fit), 5)
    np.testing.assert_array_equal(dot(left), (5, fit.cost_history[5]))
    np.testing.assert_array_equal(dot(right), fit.w_history[5])


def test_an_intercept_and_other_losses_have_a_line(animated):
    column = np.reshape(X, (3, 1))
    for options, kind in (({}, "path"), ({"loss": "huber"}, "fit")):
        fit = fastgd.gradient_descent(column, Y, fit_intercept=True, n_epochs=9, **options)
        (x, y), _ = moving(at(animated(fit, kind=kind), 4)[0])
        assert y == pytest.approx(fit.w_history[4, 0] * x + fit.intercept_history[4])


@pytest.mark.parametrize("kind", ["path", "tangent", "fit"])
def test_a_run_that_diverges_ends_where_it_leaves_the_picture(animated, kind):
    fit = lesson(learning_rate=0.3, n_epochs=1000, on_divergence="ignore")
    animation = animated(fit, kind=kind)
    last = max(animation.new_frame_seq())
    assert last == (1 if kind == "fit" else 2)
    for ax in at(animation, last):
        assert np.isfinite([*ax.get_xlim(), *ax.get_ylim()]).all()
        assert max(np.abs([*ax.get_xlim(), *ax.get_ylim()])) < 20 * fit.cost_history[0]


@pytest.mark.parametrize("last", [0, 1, 79, 80, 81, 5000, 10**6])
def test_frames_are_few_and_begin_with_each_epoch(last):
    shown = frames(last)
    assert shown == sorted(set(shown))
    assert (shown[0], shown[-1]) == (0, last)
    assert len(shown) == min(last + 1, 80)
    assert shown[:2] == [0, 1][: last + 1]


def test_a_gif_has_the_frames_and_their_speed(tmp_path, animated):
    animated(lesson(n_epochs=4), tmp_path / "lesson.gif", fps=2)
    with Image.open(tmp_path / "lesson.gif") as image:
        assert image.n_frames == 5  # the last one is longer
        durations = []
        for k in range(5):
            image.seek(k)
            durations.append(image.info["duration"])
    assert durations == [500] * 4 + [1500]


def test_an_mp4_needs_ffmpeg(tmp_path, animated, monkeypatch):
    file = tmp_path / "lesson.mp4"
    if of_matplotlib.FFMpegWriter.isAvailable():
        animated(lesson(n_epochs=2), file, fps=2)
        assert file.read_bytes()[4:8] == b"ftyp"
    monkeypatch.setattr(of_matplotlib.FFMpegWriter, "isAvailable", lambda: False)
    with pytest.raises(
        ValueError, match="needs the program ffmpeg: install it, or name a file that ends in .gif"
    ):
        lesson(n_epochs=2).animate(file)


def test_refusals_name_the_remedy(tmp_path, table):
    two = fastgd.gradient_descent(*table, n_epochs=2)
    for fit, options, message in (
        (lesson(), {"path": tmp_path / "a.png"}, "name a file that ends in .gif or .mp4"),
        (lesson(), {"kind": "cost"}, "kind must be 'path' or 'tangent' or 'fit'"),
        (lesson(), {"fps": 0}, "fps must be at least 1"),
        (lesson(history="costs"), {}, 'fit with history="epochs"'),
        (two, {"kind": "tangent"}, 'one weight without an intercept: use kind="path"'),
        (two, {"kind": "fit"}, 'over one column, and this fit has 2: use plot."fit".'),
        (
            fastgd.gradient_descent(np.eye(3), Y, n_epochs=2),
            {},
            '^animate.kind="path". draws 1 or 2 weights, .*, not 3: use plot."cost".',
        ),
    ):
        with pytest.raises(ValueError, match=message):
            fit.animate(**options)
    assert list(tmp_path.iterdir()) == []


def test_pyplot_is_not_imported(tmp_path):
    program = (
        "import sys, fastgd\n"
        "fit = fastgd.gradient_descent([1.0], [2.0], backend='python', n_epochs=1)\n"
        f"fit.animate({str(tmp_path / 'a.gif')!r}, fps=1)\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)
