"""A fit kept in a file, and read again: all of it but the caller's data.

What is read is checked before it is a FitResult: types, and the sizes that belong together, since a run that
goes on from it hands its arrays to compiled code.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from fastgd.checks import InvalidDataError
from fastgd.io import archive, packing
from fastgd.io.archive import Path
from fastgd.results import FitResult
from fastgd.solver.centred import Origin
from fastgd.solver.orders import SHUFFLES, Order
from fastgd.solver.scaling import Scaling
from fastgd.solver.seen import Seen
from fastgd.solver.state import State
from fastgd.solver.steppers.base import StepperState
from fastgd.solver.survey import Kept

KIND, VERSION = "fit", 1
CLASSES = State, Order, StepperState, Scaling, Origin, Kept, Seen
NAMES = set(FitResult.__slots__) - {"_rows"}
FEW_BYTES = archive.MOST_HEADER_BYTES // 4
"""What is kept as it was given takes no more of the header than this."""


def save(fit: FitResult, path: Path) -> None:
    """The body of `FitResult.save`."""
    values = fit.__getstate__()
    for name in ("_w0", "_samples"):
        values[name] = _as_given(values[name])
    tree, arrays = packing.pack(values)
    archive.write(path, KIND, VERSION, {"result": tree}, arrays)


def _as_given(value: Any) -> Any:
    """The value, or, where it is of a kind that files do not have, its numbers."""
    try:
        tree, arrays = packing.pack(value)
        if len(arrays) <= 16 and len(str(tree)) <= FEW_BYTES:
            return value
    except TypeError:
        pass
    if isinstance(value, tuple):
        return tuple(np.asarray(part, np.float64).tolist() for part in value)
    return np.asarray(value, np.float64)


def load(path: Path) -> FitResult:
    """A fit that `FitResult.save` wrote.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    FitResult
        With every attribute and every bit of the one that was saved. As `w0` of another call it goes on as
        that one would. Only `plot("path")` cannot be had: it draws the caller's data.

    Raises
    ------
    InvalidDataError
        If the file is not one that `save` wrote, or not whole; nothing in it is ever executed.
    FileNotFoundError
        If there is none.

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
    header, arrays = archive.read(path, KIND, VERSION)
    try:
        values = packing.unpack(header.get("result"), arrays, CLASSES)
        if type(values) is not dict or values.keys() != NAMES:
            raise InvalidDataError("holds other values than those of a fit")
        fit = FitResult(**values)
        try:
            _check(fit)
        except (AttributeError, TypeError):
            raise InvalidDataError("holds values that no fit has") from None
    except InvalidDataError as error:
        raise InvalidDataError(f"{os.fspath(path)} {error}") from None
    return fit


def _check(fit: FitResult) -> None:
    """Refuse parts that are not of their types or not of one model."""
    d = np.size(fit.w) if isinstance(fit.w, np.ndarray) else 1
    of_rows = () if isinstance(fit.w, float) else (d,)
    epochs = fit.n_epochs
    _need("w", d > 0 and (isinstance(fit.w, float) or _is_floats(fit.w, d)))
    for name in ("n_epochs", "n_samples", "n_updates", "n_passes"):
        _need(name, type(getattr(fit, name)) is int and getattr(fit, name) >= 0)
    for name in ("converged", "diverged", "_is_revoked", "_is_lesson"):
        _need(name, type(getattr(fit, name)) is bool)
    for name in ("intercept", "elapsed"):
        _need(name, isinstance(getattr(fit, name), float))
    shapes = {
        "w_history": (epochs + 1, *of_rows),
        "intercept_history": (epochs + 1,),
        "cost_history": (epochs + 1,),
        "validation_history": (epochs,),
        "loss_history": (epochs,),
        "gradient_history": (epochs, fit.n_samples, *of_rows),
    }
    for name, shape in shapes.items():
        _need(name, getattr(fit, name) is None or _is_floats(getattr(fit, name), *shape))
    _need("learning_rates", _is_floats(fit.learning_rates, epochs))
    _need("solver", _is_among(fit.solver, "gradient_descent", "sgd"))
    _need("backend", _is_among(fit.backend, "numba", "python"))
    _need("method", _is_among(fit.method, "summary", "stream"))
    _need("_stopped", type(fit._stopped) is str)
    _need("_constant", type(fit._constant) is tuple and all(type(one) is int for one in fit._constant))
    names = fit.feature_names
    _need("feature_names", type(names) is tuple and all(type(name) is str for name in names))
    samples = fit._samples
    _need("_samples", samples is None or (type(samples) is tuple and list(map(type, samples)) == [list] * 2))
    _need("_order", _is_order(fit._order))
    _need("_last", type(fit._last) is tuple and len(fit._last) == 2)
    _need("_last", _is_floats(fit._last[0], d) and isinstance(fit._last[1], float))
    if fit._state is not None:
        _need("_state", isinstance(fit._state, State))
        _check_state(fit._state, d)


def _check_state(state: State, d: int) -> None:
    _need("solver", _is_among(state.solver, "gradient_descent", "sgd"))
    _need("method", _is_among(state.method, "summary", "stream"))
    _need("epoch", type(state.epoch) is int and state.epoch >= 0)
    _need("order", _is_order(state.order))
    _need("first_rate", isinstance(state.first_rate, float))
    _need("about", type(state.about) is tuple)
    size, to, memory = d, state.scaling, state.memory
    if to is not None:
        _need("scaling", isinstance(to, Scaling) and type(to.has_intercept) is bool)
        _need("scaling", _is_floats(to.shift, d) and _is_floats(to.scale, d))
        size = to.size
    if memory is not None:
        _need("memory", isinstance(memory, StepperState) and to is not None)
        _need("memory", _is_floats(memory.point, size) and _is_floats(memory.before, size))
        _need("memory", _is_floats(memory.momentum, 4))
        _need("memory", _is_floats(memory.average, 0) or _is_floats(memory.average, size))
        _need("memory", isinstance(memory.counts, np.ndarray) and memory.counts.dtype == np.int64)
        _need("memory", memory.counts.shape == (2,))
        _need("memory", bool(memory.counts[1] < 0) == (len(memory.average) == 0))
    _need("null", state.null is None or _is_floats(state.null, size))
    if (origin := state.origin) is not None:
        _need("origin", isinstance(origin, Origin) and type(origin.is_final) is bool)
        _need("origin", _is_floats(origin.x_ref, d) and _is_floats(origin.weights, size))
        _need("origin", isinstance(origin.squares, float))
    if (seen := state.seen) is not None:
        _need("seen", isinstance(seen, Seen) and type(seen.n) is int)
        _need("seen", _is_floats(seen.mean, d) and _is_floats(seen.squares, d))
        _need("seen", isinstance(seen.total, float) and isinstance(seen.longest, float))
        _need("seen", isinstance(seen.largest_target, float))
    if (kept := state.kept) is not None:
        _need("kept", isinstance(kept, Kept) and isinstance(kept.squares, float))
        _need("kept", _is_floats(kept.w_ref, size))


def _need(name: str, is_so: bool) -> None:
    if not is_so:
        raise InvalidDataError(f"holds a {name} that no fit has")


def _is_floats(value: Any, *shape: int) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == np.float64 and value.shape == shape


def _is_among(value: Any, *allowed: Any) -> bool:
    return any(type(value) is type(one) and value == one for one in allowed)


def _is_order(order: Any) -> bool:
    if not isinstance(order, Order) or not _is_among(order.shuffle, *SHUFFLES):
        return False
    return type(order.seed) is int and 0 <= order.seed < 1 << 64
