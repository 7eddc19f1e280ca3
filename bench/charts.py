"""Two charts from the results of bench_growth: time against samples, and time against epochs.

`python -m bench.charts` draws the picture of the lesson.
"""

from __future__ import annotations

import io
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure
from PIL import Image

import fastgd

AXES = {"samples": "samples (one column, float64)", "epochs": "epochs (a million samples, ten columns)"}

# Okabe and Ito's colours. A library has one colour in all panels.
STYLES = {
    "fastgd": ("#0072B2", "o"),
    "fastgd, float32": ("#0072B2", "D"),
    "numpy": ("#E69F00", "s"),
    "numba-parallel": ("#D55E00", "^"),
    "numba": ("#D55E00", "^"),
    "SGDRegressor": ("#009E73", "v"),
    "numpy, normal equations": ("#E69F00", "P"),
    "Ridge": ("#CC79A7", "X"),
}
DIRECT = ("numpy, normal equations", "Ridge")
LABELS = {
    "numpy": "numpy loop",
    "numba": "numba loop",
    "numba-parallel": "parallel numba loop",
    "Ridge": "Ridge (no epochs)",
    "numpy, normal equations": "normal equations (no epochs)",
}


def draw(benchmarks, footing, folder):
    """Draw the charts and return their paths. `footing` describes the machine and the versions."""
    folder.mkdir(parents=True, exist_ok=True)
    return [_chart(name, panels, footing, folder) for name, panels in _panels(benchmarks).items()]


def _panels(benchmarks):
    """chart → panel → line → [(x, seconds)]."""
    charts = {}
    for b in benchmarks:
        info = b["extra_info"]
        if "chart" in info:
            lines = charts.setdefault(info["chart"], {}).setdefault(info["panel"], {})
            lines.setdefault(info["line"], []).append((info["x"], b["stats"]["median"]))
    return charts


def _chart(name, panels, footing, folder):
    with mpl.rc_context({"font.size": 9, "svg.fonttype": "none"}):
        figure = Figure(figsize=(4.0 * len(panels), 4.8), layout="constrained")
        axes = figure.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
        for ax, (panel, lines) in zip(axes, panels.items(), strict=True):
            _draw_panel(ax, panel, lines, AXES[name])
        axes[0].set_ylabel("time of the whole call")
        figure.suptitle(footing, fontsize=7, color="0.35")
        handles = {}
        for ax in axes:
            handles |= {label: handle for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}
        order = [LABELS.get(line, line) for line in STYLES]
        labels = sorted(handles, key=order.index)
        figure.legend(
            [handles[label] for label in labels], labels, loc="outside lower center", ncols=4, frameon=False
        )
        path = folder / f"time-against-{name}.png"
        figure.savefig(path, dpi=150)
    return path


def _draw_panel(ax, panel, lines, x_label):
    for line in sorted(lines, key=list(STYLES).index):
        colour, marker = STYLES[line]
        is_ours, is_direct = line.startswith("fastgd"), line in DIRECT
        ax.plot(
            *zip(*sorted(lines[line]), strict=True),
            color=colour,
            marker=marker,
            markersize=5,
            markerfacecolor="white" if is_direct else colour,
            linewidth=2.4 if is_ours else 1.3,
            linestyle="--" if is_direct else "-",
            label=LABELS.get(line, line),
            zorder=3 if is_ours else 2,
        )
    ax.set(xscale="log", yscale="log", xlabel=x_label, title=panel)
    ax.yaxis.set_major_formatter(lambda seconds, _: _time(seconds))
    ax.grid(color="0.9", linewidth=0.8)
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(which="both", labelleft=True)


def _time(seconds):
    for unit, size in (("s", 1), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= 0.999 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds * 1e9:.0f} ns"


def draw_lesson(path):
    """The picture at the top of the README: the lesson's line over its samples, and its steps in the bowl."""
    fit = fastgd.gradient_descent([1.0, 2.0, 3.0], [2.0, 4.0, 6.0], w0=1.0, learning_rate=0.01, n_epochs=100)
    with mpl.rc_context({"font.size": 9}):
        figure = Figure(figsize=(9.0, 3.4), layout="constrained")
        left, right = figure.subplots(1, 2)
        fit.plot("fit", ax=left, epochs=[0, 1, 2, 5, 10], residuals=False)
        fit.plot("tangent", ax=right, epochs=[0, 3, 8])
        left.set(xlabel="x (hours)", ylabel="y (points)")
        left.set_title("ŷ = x·w turns to the samples", fontsize="medium")
        right.set_title("w ← w − α ∂cost/∂w goes down the bowl", fontsize="medium")
        figure.savefig(file := io.BytesIO(), dpi=100)
    Image.open(file).quantize(128).save(path, optimize=True)
    return path


if __name__ == "__main__":  # python -m bench.charts
    print(draw_lesson(Path(__file__).parent / "charts" / "lesson.png"))
