"""A run as an animation of two linked pictures."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from fastgd import checks
from fastgd.plots.cost import plot_cost
from fastgd.plots.line import plot_line
from fastgd.plots.path import MINIMUM, draw_parabola, draw_path
from fastgd.plots.steps import Steps, history_of
from fastgd.plots.style import PALETTE, RUN, Run, Style, require_matplotlib
from fastgd.plots.tangent import ARROW, ROW, tangent

if TYPE_CHECKING:
    from matplotlib.animation import FuncAnimation
    from matplotlib.axes import Axes

KINDS = "path", "tangent", "fit"
MOST_FRAMES = 80
"""Of longer runs the first epochs each have a frame, and later ones are skipped more and more."""
DOT: Style = {"marker": "o", "markersize": 8, "color": PALETTE[1], "linestyle": "", "zorder": 5}
Frame = Callable[[int], None]
"""Draws what moves, at an epoch."""


def animate(fit: Run, path: Any = None, kind: str = "path", fps: int = 10) -> FuncAnimation:
    """Draw the animation, and write it to a file; see `FitResult.animate`."""
    checks.choice("kind", kind, KINDS)
    fps = checks.whole("fps", fps, 1)
    require_matplotlib()
    from matplotlib.animation import FuncAnimation
    from matplotlib.figure import Figure

    writer = None if path is None else _writer(os.fspath(path), fps)
    if fit.w_history is None:
        raise ValueError('animate() needs the weights of every epoch: fit with history="epochs"')
    if kind == "fit" and np.size(fit.w) > 1:
        raise ValueError(
            f'animate(kind="fit") draws the line over one column, and this fit has {np.size(fit.w)}: '
            'use plot("fit")'
        )
    steps = None if kind == "fit" else Steps.of(fit, f'animate(kind="{kind}")')
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    is_line = np.size(fit.w) == 1
    first = _line(left, fit) if is_line or kind == "fit" else _cost(left, fit)
    if steps is None:
        second = _cost(right, fit)
    else:
        second = _path(right, steps) if kind == "path" else _tangent(right, steps)
    last = int(right.lines[0].get_xdata()[-1]) if steps is None else steps.view.n - 1

    def draw(epoch: int) -> None:
        left.set_title(f"epoch {epoch} of {fit.n_epochs}", fontsize="medium")
        first(epoch)
        second(epoch)

    left.set_title("epoch", fontsize="medium")
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # all stays in its place from here on
    for ax in (left, right):
        _fix_legend(ax)
    shown = frames(last) + [last] * fps  # the end stays for a second
    animation = FuncAnimation(figure, draw, frames=shown, interval=1000.0 / fps)
    if writer is not None:
        animation.save(os.fspath(path), writer=writer, dpi=80)
    return animation


def frames(last: int) -> list[int]:
    """The epochs 0 to `last` that have a frame."""
    if last < MOST_FRAMES:
        return list(range(last + 1))
    k = np.arange(MOST_FRAMES)
    # The first epochs, where most happens, are 1 apart.
    return np.round(k + (last - k[-1]) * (k / k[-1]) ** 4).astype(int).tolist()


def _writer(path: str, fps: int) -> Any:
    """The writer of a file with this ending."""
    from matplotlib.animation import FFMpegWriter, PillowWriter

    suffix = os.path.splitext(path)[1].lower()
    if suffix not in (".gif", ".mp4"):
        raise ValueError(f"{path} is not an animation: name a file that ends in .gif or .mp4")
    if suffix == ".gif":
        return PillowWriter(fps=fps)
    if not FFMpegWriter.isAvailable():
        raise ValueError(f"{path} needs the program ffmpeg: install it, or name a file that ends in .gif")
    return FFMpegWriter(fps=fps)


def _fix_limits(ax: Axes) -> None:
    ax.set(xlim=ax.get_xlim(), ylim=ax.get_ylim())


def _fix_legend(ax: Axes) -> None:
    """Keep the legend where it was drawn: its best place would change from frame to frame."""
    if (legend := ax.get_legend()) is not None:
        place = legend.get_window_extent().transformed(ax.transAxes.inverted())
        legend.set_loc((place.x0, place.y0))


def _line(ax: Axes, fit: Run) -> Frame:
    """The samples and the line of the epoch."""
    plot_line(fit, ax, "line of the epoch")
    moving = next((line for line in ax.lines if line.get_gid() == RUN), None)
    if moving is None:  # of a run that diverges, whose line leaves the picture
        (moving,) = ax.plot([], [], color=PALETTE[0], linewidth=2.0)
    _fix_limits(ax)
    ends, points = np.array(ax.get_xlim()), history_of(fit)

    def draw(epoch: int) -> None:
        w, *intercept = points[epoch]
        moving.set_data(ends, w * ends + sum(intercept))

    return draw


def _cost(ax: Axes, fit: Run) -> Frame:
    """The curve of the costs, and a dot on it."""
    plot_cost(fit, ax)
    curve = np.array(ax.lines[0].get_xydata())
    (dot,) = ax.plot([], [], **DOT)

    def draw(epoch: int) -> None:
        dot.set_data(*curve[np.searchsorted(curve[:-1, 0], epoch)][:, None])

    return draw


def _path(ax: Axes, steps: Steps) -> Frame:
    """The bowl, and the steps up to the epoch."""
    draw_path(ax, steps, None)
    (path,) = (line for line in ax.lines if line.get_gid() == RUN)
    places = np.array(path.get_xydata())
    (dot,) = ax.plot([], [], **DOT)
    rest = [line for line in ax.lines if line.get_label() == "end" or line.get_linestyle() == ":"]
    _fix_limits(ax)

    def draw(epoch: int) -> None:
        path.set_data(*places[: epoch + 1].T)
        dot.set_data(*places[epoch][:, None])
        for line in rest:
            line.set_visible(epoch == len(places) - 1)

    return draw


def _tangent(ax: Axes, steps: Steps) -> Frame:
    """The bowl of one weight, the tangent at the epoch, and its step along the w axis."""
    if steps.points.shape[1] != 1:
        raise ValueError('animate(kind="tangent") draws one weight without an intercept: use kind="path"')
    n, w, lowest = steps.view.n, steps.points[:, 0], steps.lowest
    draw_parabola(ax, steps.bowl, w[:n], float(steps.minimum[0]))
    bowl = ax.lines[0]
    width, height = float(np.ptp(bowl.get_xdata())), float(np.ptp(bowl.get_ydata())) or 1.0
    floor = lowest - ROW * height
    (line,) = ax.plot([], [], color=PALETTE[1], label="∂cost/∂w")
    (dot,) = ax.plot([], [], **DOT)
    arrow = ax.annotate("", (w[0], floor), (w[0], floor), arrowprops={"color": PALETTE[1], **ARROW})
    ax.plot([steps.minimum[0]], [lowest], color="black", linestyle="", label="minimum", **MINIMUM)
    ax.set(xlabel=steps.names[0], ylabel="cost", ylim=(lowest - 2 * ROW * height, None))
    _fix_limits(ax)
    steps.view.say(ax)
    ax.legend(fontsize="small", loc="upper center")

    def draw(epoch: int) -> None:
        across, up, _slope = tangent(steps, epoch, width, height)
        line.set_data(across, up)
        dot.set_data([w[epoch]], [steps.costs[epoch]])
        arrow.set_position((w[epoch], floor))
        arrow.xy = w[min(epoch + 1, n - 1)], floor

    return draw
