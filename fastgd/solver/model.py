"""Load saved fits and summaries. A fit holds everything but the caller's data.

A run that continues a loaded fit passes its arrays to compiled code. `npz.read` checks the types of all
fields; this module checks the sizes of the arrays.
"""

from __future__ import annotations

import json
import math
import os
from typing import Any, NoReturn

import numpy as np

from fastgd.checks import InvalidDataError, check_regular, path_text
from fastgd.data.coding import Coding, check_coding
from fastgd.data.files import Path
from fastgd.io import npz
from fastgd.public import public
from fastgd.solver import exchange, groups, results, summary, targets
from fastgd.solver.groups import Stored
from fastgd.solver.results import FitResult
from fastgd.solver.state import FitState
from fastgd.solver.summary import Summary
from fastgd.solver.table import is_by_sample
from fastgd.solver.targets import MultiTargetFit


@public
def load(path: Path) -> Any:
    """Load what `save` of a fit or a summary wrote, or a fit that `FitResult.to_json` wrote.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    FitResult, MultiTargetFit, Summary or GroupedSummary
        All attributes equal the saved ones to the bit. As `w0` of another call a fit continues as the saved
        one would. Of pictures only `plot("cost")` is available, since others draw the caller's data. A fit
        from JSON has no histories, and another call begins at its weights.

    Raises
    ------
    InvalidDataError
        If `save` or `to_json` did not write the file, or it is damaged. Nothing in the file is ever executed.
    FileNotFoundError
        If the file does not exist.

    Examples
    --------
    >>> import os, tempfile, fastgd
    >>> fit = fastgd.gradient_descent([1.0, 2.0, 3.0], [2.0, 4.0, 6.0], w0=1.0, learning_rate=0.01)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "lesson.npz")
    ...     fit.save(path)
    ...     fastgd.load(path).w == fit.w
    True
    """
    kinds = {
        results.KIND: FitResult, targets.KIND: MultiTargetFit, summary.KIND: Summary, groups.KIND: Stored,
    }  # fmt: skip
    return _loaded(path, kinds)


def load_fit(path: Path) -> FitResult:
    """Load a fit. A file with a summary is refused."""
    fit: FitResult = _loaded(path, {results.KIND: FitResult})
    return fit


def _loaded(path: Path, kinds: dict[str, type]) -> Any:
    check_regular(path)
    if _is_json(path):
        return _read_json(path)
    found = npz.read(path, kinds)
    try:
        if type(found) is Summary:
            found.check_sizes()
        elif type(found) is Stored:
            return found.grouped()
        else:
            fits = found.fits if type(found) is MultiTargetFit else (found,)
            _need("value", bool(fits) and all(type(fit) is FitResult and fit._rows is None for fit in fits))
            for fit in fits:
                _check(fit)
            if type(found) is MultiTargetFit:
                _need("names", len(found.target_names) in (0, len(fits)))
                _need("fits", len({(np.shape(fit.w), fit.feature_names) for fit in fits}) == 1)
    except InvalidDataError as error:
        raise InvalidDataError(f"{os.fspath(path)} {error}") from None
    return found


def _is_json(path: Path) -> bool:
    """Whether a file begins as a JSON object does."""
    with open(path, "rb") as file:
        return file.read(64).lstrip()[:1] == b"{"


def _read_json(path: Path) -> FitResult:
    """The fit in a file that `FitResult.to_json` wrote."""
    name = path_text(path)
    with open(path, "rb") as file:
        content = file.read()
    try:
        about = json.loads(content, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise InvalidDataError(f"{name} is damaged, and not JSON: write it again with to_json") from None
    if about.get("format") != exchange.FORMAT:
        raise InvalidDataError(f"{name} is not a fit of fastgd, but other JSON")
    if (version := about.get("version")) != exchange.VERSION:
        raise InvalidDataError(
            f"{name} has version {version!r:.20} of the format, and this fastgd reads version "
            f"{exchange.VERSION}: update fastgd"
        )
    try:
        return _fit(about)
    except InvalidDataError as error:
        raise InvalidDataError(f"{name} {error}") from None
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError):
        raise InvalidDataError(f"{name} holds what to_json does not write") from None


def _fit(about: dict[str, Any]) -> FitResult:
    """The fit of an object of JSON, each part checked."""
    weights, is_one = about["weights"], about["one_dimension"]
    names: tuple[str, ...] = ()
    _need("one_dimension", type(is_one) is bool)
    if type(weights) is dict:
        names, weights = tuple(weights), list(weights.values())
    elif is_one:
        weights = [weights]
    w = np.array([_number("weights", value) for value in weights])
    intercept, cost = _number("intercept", about["intercept"]), about["cost"]
    fields = {name: about[name] for name in exchange.FIELDS}
    fields["elapsed"] = _number("elapsed", fields["elapsed"])
    fit = FitResult(
        w=float(w[0]) if is_one else w,
        intercept=intercept,
        learning_rates=np.empty(0),
        feature_names=names,
        coding=_coding(about),
        _last=(w, intercept),
        _cost=None if cost is None else _number("cost", cost),
        _options=about["options"],
        _status=about["status"],
        **fields,
    )
    _need("weights", len(w) == 1 if is_one else len(w) > 0)
    npz.check_types(fit)
    check_coding(fit.coding)
    for name in exchange.COUNTS:
        _need(name, 0 <= getattr(fit, name) < 1 << 63)
    return fit


def _coding(about: dict[str, Any]) -> Coding:
    """The coding in an object of JSON, which an earlier fastgd wrote without."""
    categories = {name: tuple(levels) for name, levels in about.get("categories", {}).items()}
    return Coding(about.get("target", ""), categories, tuple(about.get("classes", ())))


def _number(name: str, value: Any) -> float:
    """A number of JSON as a float. null stands for a number that is not finite."""
    if value is None:
        return math.nan
    _need(name, type(value) in (int, float) and math.isfinite(value))
    return float(value)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _check(fit: FitResult) -> None:
    """Refuse numbers and arrays that do not fit together."""
    d, epochs = np.size(fit.w), fit.n_epochs
    shape_of_w = () if isinstance(fit.w, float) else (d,)
    _need("w", d > 0 and np.shape(fit.w) == shape_of_w)
    for name in ("n_epochs", "n_samples", "n_updates", "n_passes"):
        _need(name, getattr(fit, name) >= 0)
    shapes = {
        "w_history": (epochs + 1, *shape_of_w),
        "intercept_history": (epochs + 1,),
        "cost_history": (epochs + 1,),
        "validation_history": (epochs,),
        "loss_history": (epochs,),
        "gradient_history": (epochs, *([fit.n_samples] if is_by_sample(fit) else []), *shape_of_w),
        "intercept_gradient_history": (epochs,),
        "learning_rates": (0,) if fit._status else (epochs,),  # JSON has none
    }
    for name, shape in shapes.items():
        _need_shape(name, getattr(fit, name), *shape)
    check_coding(fit.coding)
    _need("_order", 0 <= fit._order.seed < 1 << 64)
    _need_shape("_last", fit._last[0], d)
    if fit._state is not None:
        _check_state(fit._state, d)


def _check_state(state: FitState, d: int) -> None:
    """Refuse a state whose arrays do not fit d columns."""
    size, to, carried = d, state.scaling, state.carried
    _need("epoch", state.epoch >= 0)
    _need("order", 0 <= state.order.seed < 1 << 64)
    if to is not None:
        _need_shape("scaling", to.shift, d)
        _need_shape("scaling", to.scale, d)
        size = to.size
    if carried is not None:
        _need("carried", to is not None)
        _need_shape("carried", carried.point, size)
        _need_shape("carried", carried.before, size)
        _need_shape("carried", carried.momentum, 6)
        _need_shape("carried", carried.counts, 2)
        _need_shape("carried", carried.average, 0 if carried.counts[1] < 0 else size)
        _need_shape("carried", carried.epoch_start, 0)
        _need_shape("carried", carried.gradient, 0)
        _need("carried", carried[7:11] == (0, 0, 0, False))  # epoch, passes, stage, has_converged
        _need("carried", carried.metric.shape in ((0,), (size, size)) and carried.cost == 0.0)
        _need_shape("carried", carried.first_gradient, size if len(carried.metric) else 0)
    _need_shape("null", state.null, size)
    if state.reference is not None:
        _need_shape("reference", state.reference.x_ref, d if len(state.reference.x_ref) else 0)
        _need_shape("reference", state.reference.w_ref, size)
    if state.moments is not None:
        _need_shape("moments", state.moments.mean, d)
        _need_shape("moments", state.moments.squares, d)


def _need(name: str, is_so: bool) -> None:
    if not is_so:
        raise InvalidDataError(f"holds an invalid {name}")


def _need_shape(name: str, value: Any, *shape: int) -> None:
    _need(name, value is None or value.shape == shape)
