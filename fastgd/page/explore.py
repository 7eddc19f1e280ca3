"""`fastgd.explore`: the lesson as a page with sliders, in one file without a server or a network.

Python writes numbers into the page: the bowl of the cost and some rows to draw. `lesson.js` takes the steps,
`pictures.js` draws them, and `page.js` has the sliders and the sentences.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import html
import json
import math
import pathlib
import string
from importlib import resources
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd import checks
from fastgd.checks import InvalidDataError
from fastgd.data import frames
from fastgd.data.arrays import as_weights
from fastgd.data.chunks import Source, rows_to_keep
from fastgd.data.dataset import Dataset
from fastgd.data.files import Path
from fastgd.engine import reduce, threads
from fastgd.engine.blocks import Array, Floats
from fastgd.io import npz
from fastgd.public import public
from fastgd.solver import sample, summarize
from fastgd.solver.diagnose import Diagnosis, diagnose
from fastgd.solver.inputs import as_dataset, check_weights
from fastgd.solver.summarized import Summarized
from fastgd.solver.summary import Summary

MOST_ROWS = 500
"""A page has at most this many rows."""
MOST_EPOCHS = 10_000
MOST_PARAMETERS = 2
HIGHEST = 1e200
"""The cost at w0 is below this, so that the pictures have numbers around it."""


@public
def explore(
    X: ArrayLike | Source | Summary,
    y: ArrayLike | None = None,
    path: Path | None = None,
    *,
    w0: ArrayLike | None = None,
    learning_rate: float | None = None,
    n_epochs: int = 100,
    fit_intercept: bool = False,
    sample_weight: ArrayLike | None = None,
    title: str | None = None,
    digits: int = 2,
    n_threads: int | None = None,
) -> pathlib.Path:
    """Write a page on which sliders set the learning rate, the start and the epochs of gradient descent.

    The page is one HTML file that needs no server and no network. It shows the data with the line, the bowl
    (1/n) Σ (x·w + b − y)² with the steps, the cost by epoch, and the text of `FitResult.trace`. It runs full
    batch, full batch with momentum, and SGD, and marks the stability limit of the learning rate.

    Parameters
    ----------
    X : array (n,), array (n, 1), array (n, 2), table, Source or Summary
        Samples with one weight or two; with an intercept, with one.
    y, fit_intercept, sample_weight, n_threads
        As in `gradient_descent`.
    path : str or path-like
        The HTML file. An existing one is replaced as a whole.
    w0 : float or array (d,), optional
        Where the sliders of the start begin; zeros by default. The intercept begins at 0.
    learning_rate : float, optional
        Where its slider begins; by default a tenth of the stability limit.
    n_epochs : int, default 100
        Where the slider of the epochs begins, 0 to 10,000.
    title : str, optional
        The title of the page.
    digits : int, default 2
        The decimals of the trace, 0 to 17.

    Returns
    -------
    pathlib.Path
        The path of the file.

    Raises
    ------
    ModuleNotFoundError
        If Plotly is not installed: pip install 'fastgd[html]'.
    InvalidDataError
        If X or y cannot be used, or there are more than two parameters.

    Notes
    -----
    Any number of rows: full batch and momentum run on the statistics of all rows, and up to 500 rows, evenly
    spaced, are drawn. SGD takes the drawn rows in order, which are all rows of up to 500. A summary has no
    rows, so its page has no SGD. One pass for a summary of the rows (rarely two), one for more than 500 rows.
    The file has 5 MB, nearly all of it Plotly.

    Examples
    --------
    >>> import fastgd, pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = fastgd.explore([1.0, 2.0, 3.0], [2.0, 4.0, 6.0], pathlib.Path(folder, "page.html"), w0=1.0)
    ...     page.name, page.read_text(encoding="utf-8")[:15]
    ('page.html', '<!DOCTYPE html>')
    """
    if path is None:
        raise TypeError('path is missing: name the file to write, path="page.html"')
    library = _plotly()
    digits = checks.whole("digits", digits, 0, 17)
    n_epochs = checks.whole("n_epochs", n_epochs, 0, MOST_EPOCHS)
    fit_intercept = checks.flag("fit_intercept", fit_intercept)
    n_threads = threads.checked_threads(n_threads)
    rows = as_dataset(X, y, sample_weight)
    _check_parameters(rows.d, fit_intercept)
    start = np.zeros(rows.d) if w0 is None else as_weights("w0", w0, rows.d, rows.is_scalar)
    check_weights(rows)
    summary = _summary(rows, rows.target_name or frames.name_of(y) or "y", n_threads)
    about = diagnose(cast(Any, summary), fit_intercept=fit_intercept)
    if not math.isfinite(about.stability_limit):
        raise InvalidDataError("X is 0 in every row, so no step moves w: pass rows that are not 0")
    if not summary.products.cost_and_gradient(start, 0.0)[0] < HIGHEST:
        raise InvalidDataError("the cost at w0 is too large to draw: scale X and y, or take a smaller w0")
    rate = float(f"{about.stability_limit / 10:.1g}") if learning_rate is None else learning_rate
    data = _described(summary, fit_intercept) | {
        "n": rows.n,
        "start": start.tolist() + [0.0] * fit_intercept,
        "rate": checks.positive("learning_rate", rate),
        "epochs": n_epochs,
        "digits": digits,
        "bowl": _bowl(summary, about, fit_intercept),
        "eigenvalues": [about.smallest_eigenvalue, about.largest_eigenvalue],
        "rows": None if isinstance(rows, Summarized) else _drawn(rows, fit_intercept, n_threads),
    }
    if title is not None:
        data["title"] = str(title)
    with npz.replacing(path) as file:
        file.write(_page(data, library).encode())
    return pathlib.Path(path)


def _plotly() -> str:
    """The text of Plotly's script."""
    try:
        from plotly.offline import get_plotlyjs
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("a page needs Plotly: pip install 'fastgd[html]'") from error
    return str(get_plotlyjs())


def _check_parameters(d: int, fit_intercept: bool) -> None:
    if d + fit_intercept <= MOST_PARAMETERS:
        return
    if d <= MOST_PARAMETERS:
        raise InvalidDataError(
            f"X has {d} columns, which makes {d + 1} parameters with an intercept, and the page shows "
            f"{MOST_PARAMETERS}: leave the intercept out, or choose one column"
        )
    raise InvalidDataError(f"X has {d} columns, and the page shows 1 or 2: choose at most two columns")


def _summary(rows: Dataset, target: str, n_threads: int | None) -> Summary:
    if isinstance(rows, Summarized):
        return rows.summary
    return summarize.of_rows(rows, n_threads, None, target)[0]


def _described(summary: Summary, fit_intercept: bool) -> dict[str, Any]:
    """Counts and names, and where the first column is: its mean and standard deviation."""
    d, products = summary.n_features, summary.products
    names = summary.feature_names
    if d == 1:
        features, weights = list(names) or ["x"], [f"w of {names[0]}"] if names else ["w"]
    else:
        features = list(names) or [f"x[{j}]" for j in range(d)]
        weights = [f"w of {name}" for name in names] or [f"w[{j}]" for j in range(d)]
    return {
        "title": f"Gradient descent: {summary.target_name} from {' and '.join(features)}",
        "features": features,
        "target": summary.target_name,
        "parameters": weights + ["intercept"] * fit_intercept,
        "is_scalar": summary.is_scalar,
        "has_intercept": fit_intercept,
        "mean": float(products.mean[0]),
        "deviation": math.sqrt(products.S[0, 0] / products.total),
    }


def _bowl(summary: Summary, about: Diagnosis, fit_intercept: bool) -> dict[str, Any]:
    """cost(θ) = cost + gradient·Δ + ½ Δᵀ hessian Δ, with Δ = θ − centre and the optimum as the centre."""
    w, intercept = np.atleast_1d(np.asarray(about.optimum)), about.optimum_intercept
    assert intercept is not None
    near = summary.products.about(np.zeros(len(w)), intercept, w).statistics(fit_intercept)
    return {
        "centre": near.w_ref.tolist(),
        "cost": near.s / near.n,
        "gradient": (-2.0 * near.c / near.n).tolist(),
        "hessian": (2.0 * near.G / near.n).tolist(),
    }


def _drawn(rows: Dataset, fit_intercept: bool, n_threads: int | None) -> dict[str, Any]:
    """At most MOST_ROWS rows, evenly spaced. Of rows that can be read once they are among the first."""
    kept = min(rows.n, rows_to_keep(rows.d)) if rows.is_once else rows.n
    chosen = np.arange(kept)
    if kept > MOST_ROWS:
        chosen = np.linspace(0, kept - 1, MOST_ROWS).round().astype(np.int64)
    if kept <= MOST_ROWS or rows.is_once:
        table = _taken(chosen, 0, *rows.head(kept))
    else:
        add = functools.partial(sample.joined, 0)
        table = reduce.reduce(rows, functools.partial(_taken, chosen), n_threads, add=add)
    ones = np.ones((len(table), int(fit_intercept)))
    return {
        "x": np.hstack([table[:, : rows.d], ones]).tolist(),
        "y": table[:, rows.d].tolist(),
        "weights": table[:, rows.d + 1].tolist() if rows.has_weights else None,
        "among": kept,
    }


def _taken(chosen: NDArray[np.int64], start: int, X: Array, y: Array, weights: Floats) -> Floats:
    """The chosen rows [x, y, s] of a run from row `start` on."""
    first, last = np.searchsorted(chosen, [start, start + len(y)])
    places = chosen[first:last] - start
    parts = [X[places], y[places, None], *([weights[places, None]] if len(weights) else [])]
    return np.hstack(parts).astype(np.float64)


def _page(data: dict[str, Any], library: str) -> str:
    """The template with its parts. Its policy allows the scripts of these hashes alone, and no connection."""
    folder = resources.files(__package__)
    style, template, *scripts = (
        folder.joinpath(name).read_text("utf-8")
        for name in ("page.css", "page.html", "lesson.js", "pictures.js", "page.js")
    )
    scripts = [library, *scripts]
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    return string.Template(template).substitute(
        title=html.escape(data["title"]),
        hashes=" ".join(f"'sha256-{code}'" for code in hashes),
        style=style,
        data=json.dumps(data, allow_nan=False).replace("<", "\\u003c"),
        **dict(zip(("library", "lesson", "pictures", "page"), scripts, strict=True)),
    )
