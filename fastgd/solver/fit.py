"""The one body of every fit: validate, take a track, run the epochs, make the result."""

from __future__ import annotations

import math
import sys
import time
from typing import Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike

from fastgd import reference
from fastgd.checks import InvalidDataError
from fastgd.data import split
from fastgd.data.arrays import as_weights
from fastgd.data.backend import Backend, resolve
from fastgd.data.dataset import Dataset
from fastgd.data.frames import differ
from fastgd.engine.blocks import Floats
from fastgd.losses import as_loss, identity
from fastgd.solver import caveats, forecast, loop, scaling
from fastgd.solver.checkpoint import Checkpoint, vars_of
from fastgd.solver.cost import Cost
from fastgd.solver.inputs import as_dataset, check_weights
from fastgd.solver.loop import Run, Watch
from fastgd.solver.objective import Objective, UpdateRule, as_objective, check_loss, lone_class
from fastgd.solver.options import Options, Plan, Solver, Start
from fastgd.solver.orders import Order, as_order
from fastgd.solver.outcome import from_run, not_begun, report_divergence
from fastgd.solver.planner import Choice
from fastgd.solver.results import FitResult
from fastgd.solver.state import State
from fastgd.solver.tracks import Track, has_grown, track
from fastgd.wording import listed

NOTE = "fastgd: the run up to this epoch is this error's .result"
LEAST_RATE = 1e-6
"""An adaptive rate is lowered no further, in the caller's unit, as in scikit-learn."""


def fit(
    solver: Solver,
    X: Any,
    y: Any,
    sample_weight: Any,
    given: dict[str, Any],
    rule: UpdateRule,
    options: Options,
) -> FitResult:
    """`given` are the arguments of `as_objective`."""
    began = time.perf_counter()
    options.check()
    backend, rows = resolve(options.backend), as_dataset(X, y, sample_weight)
    checkpoint = None
    try:
        if options.is_kept:
            loss = {"loss": str(identity(as_loss(given["loss"])))}
            others = {"solver": solver, "backend": backend} | given | loss | vars_of(rule)
            checkpoint = Checkpoint(rows, options, others)
            rows.log = checkpoint.journal
        samples = (_listed(X), _listed(y)) if options.history == "samples" and rows.is_random else None
        return _fit(solver, rows, samples, given, rule, options, backend, checkpoint, began)
    except KeyboardInterrupt as interrupt:
        if not hasattr(interrupt, "result"):  # before the first epoch
            if checkpoint is not None:
                checkpoint.write()
            result = not_begun(
                solver, rows, _start(options.w0, rows)[:2], backend, time.perf_counter() - began
            )
            _raise_with(interrupt, result)
        raise
    except InvalidDataError as error:
        error.reword(options.words)
        raise
    finally:
        if checkpoint is not None:
            checkpoint.end()


def _fit(
    solver: Solver,
    everything: Dataset,
    samples: tuple[list[Any], list[Any]] | None,
    given: dict[str, Any],
    rule: UpdateRule,
    options: Options,
    backend: Backend,
    checkpoint: Checkpoint | None,
    began: float,
) -> FitResult:
    rows = everything
    objective = as_objective(**given, has_weights=rows.has_weights)
    check_weights(rows)
    check_loss(objective.loss, rows, backend)
    if not options.is_part and (sentence := lone_class(objective, rows)):
        options.warn("one class", sentence)
    w, intercept, state = _start(options.w0, rows)
    order = as_order(options.shuffle, options.seed)
    if state is not None and options.seed is None and options.shuffle == state.order.shuffle:
        order = state.order
    if checkpoint is not None:
        order = checkpoint.order(order)
    if intercept and not objective.fit_intercept:
        raise ValueError(
            f"w0 is a fit with the intercept {intercept:.6g}: pass fit_intercept=True, or its weights, "
            "w0=fit.w"
        )
    check_method(solver, options, backend, order, objective, rule)
    if options.history == "samples" and not rows.is_random:
        raise ValueError('history="samples" keeps X and y too, for the trace: pass them as arrays')
    if order.shuffle is True and not rows.is_random:
        rows.reader()  # which refuses
    held = None
    if options.validation_fraction is not None:
        rows, held = _held_out(rows, objective, options.validation_fraction, backend, options.n_threads)
    n_samples = rows.n if options.history == "samples" else 0
    loop.check_history(options.history, options.n_epochs, n_samples, rows.d)
    plan = Plan(solver, objective, rule, options, order, backend)
    taken = track(plan, rows, w, intercept, state)
    stepper, is_sgd = taken.stepper, taken.kind == "sgd"
    before = stepper.w.copy() if options.is_part else stepper.w
    if checkpoint is not None:
        checkpoint.watch(taken.rates, taken.problem, taken.cost_scale)
    tolerance = options.tolerance("stream" if taken.kind == "sgd" else stepper.method)
    by_cost = options.tol is not None and (is_sgd or not objective.is_smooth)
    run = loop.run_epochs(
        stepper,
        taken.rates,
        options.history,
        want_costs=options.track_cost or stepper.has_costs or options.n_epochs == 0 or by_cost,
        want_losses=is_sgd,
        n_samples=n_samples,
        stop_when_diverged=options.on_divergence != "ignore",
        check_data=rows.refuse_nonfinite,
        watch=_watch(taken, options, held, rows.is_scalar, by_cost),
        want_norms=options.tol is not None and not by_cost,
        keeper=checkpoint,
    )
    if run.converged and not run.has_stalled and options.tol is not None:
        run.stopped = forecast.reached(tolerance, options.patience, by_cost)
    condition = caveats.revoke(run, taken, rows, options, tolerance)
    scale_costs(run, taken.cost_scale)
    grown = False
    try:
        if options.is_part:
            grown = not (run.diverged or run.is_interrupted) and taken.has_outgrown(before)
        else:
            grown = not (is_sgd or run.is_interrupted) and has_grown(
                run, taken.rates, stepper.w, rows, taken.problem
            )
    except KeyboardInterrupt as interrupt:
        run.error, run.is_interrupted = interrupt, True
    if run.is_interrupted:
        run.stopped, run.is_revoked = "it was interrupted", False
    run.diverged |= grown
    steps = -(-rows.n // rule.batch_size) if solver == "sgd" and rows.known_n is not None else 1
    result = from_run(
        run,
        point=stepper.w,
        result_point=taken.result_point(),
        model=taken.model,
        rates=taken.rates,
        rows=everything if everything.is_random else None,
        is_scalar=everything.is_scalar,
        n_samples=rows.known_n or 0,
        steps=steps,
        has_intercept=objective.fit_intercept,
        is_lesson=objective.is_plain,
        solver=solver,
        backend=backend,
        method=stepper.method,
        n_passes=taken.passes + everything.passes + _validating(run, everything),
        elapsed=time.perf_counter() - began,
        samples=samples,
        w0=None if isinstance(options.w0, FitResult) else options.w0,
        order=order,
        state=None if run.is_interrupted else taken.state(run.n_epochs, order),
        constant=taken.constant(),
        feature_names=everything.columns,
    )
    if run.error is not None:
        _raise_with(run.error, result)
    if run.diverged:
        try:
            if options.on_divergence != "ignore":
                report_divergence(
                    result, run.first_cost, taken, grown, rule.is_plain, options, objective.has_weights
                )
        except KeyboardInterrupt as interrupt:  # while it looks for a safe rate
            _raise_with(interrupt, result)
        return result
    is_small = objective.is_squared and run.first_cost is not None and run.first_cost < sys.float_info.min
    if options.tol is not None and is_small and everything.facts.squares_vanish:
        options.warn("small y", f"y is {everything.facts.largest:g} at most: {forecast.VANISHES}")
    for kind, sentence, badness in caveats.of(run, taken, everything, plan, tolerance, condition):
        options.warn(kind, sentence, badness)
    return result


def _validating(run: Run, rows: Dataset) -> int:
    """The reads of the held-out rows, which in a source lie between the others: each goes through all."""
    return 0 if rows.is_random or run.validation_costs is None else len(run.validation_costs)


def _raise_with(error: BaseException, result: FitResult) -> NoReturn:
    """Raise what ended the run, with what it had come to."""
    vars(error)["result"] = result
    if NOTE not in getattr(error, "__notes__", ()):
        error.add_note(NOTE)
    raise error


def check_method(
    solver: Solver, options: Options, backend: Backend, order: Order, objective: Objective, rule: UpdateRule
) -> None:
    """Refuse a method, or a history, that cannot do what is asked."""
    if options.history == "samples" and not (objective.is_plain and rule.is_plain):
        raise ValueError(
            'history="samples" keeps the steps of the lesson\'s loop: of squared errors, without intercept, '
            "weights, penalty, momentum and batches"
        )
    check_summary(options.method, backend, options.history, order)
    if options.method == "summary" and not objective.is_squared:
        raise ValueError('method="summary" knows squared errors alone; other losses stream')
    is_single = rule.is_plain and objective.is_quadratic
    if options.method == "summary" and solver == "sgd" and not is_single:
        raise ValueError(
            'method="summary" of SGD takes the single steps of squared errors; penalties, momentum, batches '
            "and averages stream"
        )
    if solver == "sgd" and rule.nesterov and not rule.momentum:
        raise ValueError("nesterov=True of SGD needs a momentum; pass one, momentum=0.9 say")


def check_summary(method: Choice, backend: Backend, history: loop.History, order: Order) -> None:
    """Refuse method="summary" where there is none."""
    if method != "summary":
        return
    if backend == "python":
        raise ValueError('method="summary" needs the compiled kernels; backend="python" is the plain loop')
    if history == "samples":
        raise ValueError('history="samples" keeps every step, and method="summary" takes none: stream')
    if order.shuffle is True:
        raise ValueError(
            'shuffle=True takes every row anew: method="summary" needs shuffle=False or "blocks"'
        )


def _start(w0: Any, rows: Dataset) -> tuple[Floats, float, State | None]:
    """The weights and the intercept to begin with, and where an earlier run stood."""
    if w0 is None:
        return np.zeros(rows.d), 0.0, None
    if isinstance(w0, Start):
        return as_weights("w0", w0.w, rows.d, rows.is_scalar), w0.intercept, None
    if isinstance(w0, FitResult):
        if np.size(w0.w) != rows.d or (np.ndim(w0.w) == 0) != rows.is_scalar:
            shapes = [
                "(n,)" if is_line else f"(n, {d})"
                for is_line, d in ((np.ndim(w0.w) == 0, np.size(w0.w)), (rows.is_scalar, rows.d))
            ]
            raise InvalidDataError(f"w0 is a fit of X of shape {shapes[0]}, and this X has shape {shapes[1]}")
        if differ(w0.feature_names, rows.columns):
            raise InvalidDataError(
                f"w0 is a fit of the columns {listed(w0.feature_names)}, and this X has "
                f"{listed(rows.columns)}: pass those, in that order"
            )
        return w0._last[0].copy(), w0._last[1], w0._state
    return as_weights("w0", w0, rows.d, rows.is_scalar), 0.0, None


class _Held:
    """The cost of the held-out rows, without penalties."""

    def __init__(self, rows: Any, objective: Objective, backend: Backend, n_threads: int | None):
        self._rows, self._goal, self._backend = rows, objective, backend
        if backend == "numba":
            to = scaling.plain(rows.d, True)
            self._fold = Cost(rows, objective.loss, to, n_threads)

    def __call__(self, w: Floats, intercept: float) -> float:
        cost = self._cost(w, intercept)
        if not math.isfinite(cost):
            self._rows.refuse_nonfinite()
            return math.inf
        return cost

    def _cost(self, w: Floats, intercept: float) -> float:
        if self._backend == "numba":
            return self._fold(np.append(w, intercept))[0]
        xs, ys, weights = self._rows.lists()
        xs = [[*np.atleast_1d(x).tolist(), 1.0] for x in xs]
        return reference.mean_loss(xs, ys, weights, [*w.tolist(), intercept], self._goal.loss)


def _held_out(
    rows: Dataset, objective: Objective, fraction: float, backend: Backend, n_threads: int | None
) -> tuple[Dataset, _Held]:
    """The rows that are left, and the cost of those held out."""
    kept, held = split.split(rows, fraction)
    for which, part in (("held-out", held), ("other", kept)):
        if part.has_weights and not part.total_weight:
            raise InvalidDataError(f"sample_weight is zero for every one of the {which} rows")
    return kept, _Held(held, objective, backend, n_threads)


def _watch(
    taken: Track, options: Options, held: _Held | None, is_scalar: bool, by_cost: bool
) -> Watch | None:
    if options.callback is None and held is None and not by_cost:
        return None

    def model() -> tuple[Floats, float]:
        """Where the fit would end if it ended now."""
        point = taken.result_point()
        if taken.model is None:
            return point, 0.0
        w, intercept = taken.model(point)
        return w, float(intercept)

    def shaped() -> tuple[float | Floats, float]:
        w, intercept = model()
        return (float(w[0]) if is_scalar else w.copy()), intercept

    return Watch(
        tol=options.tolerance("stream") if by_cost else None,
        patience=options.patience,
        is_adaptive=options.is_adaptive,
        least_rate=LEAST_RATE / options.words.rate_unit,
        callback=options.callback,
        validate=None if held is None else lambda: held(*model()),
        improvement=max(0.0, options.tolerance("stream")),
        model=shaped,
        first_epoch=taken.epoch,
        cost_scale=taken.cost_scale,
    )


def scale_costs(run: Run, scale: float) -> None:
    """Costs that are means over rows, made means over weights."""
    if scale == 1.0:
        return
    run.costs = None if run.costs is None else run.costs * scale
    run.first_cost = None if run.first_cost is None else run.first_cost * scale
    run.last_cost = None if run.last_cost is None else run.last_cost * scale


def _listed(values: ArrayLike) -> list[Any]:
    """The numbers as they were given, in a list of their own, for the trace."""
    return list(values) if isinstance(values, (list, tuple)) else np.asarray(values).tolist()
