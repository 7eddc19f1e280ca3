"""The body of every fit: check the arguments, begin a descent, run its epochs, make the result."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike

from fastgd import reference
from fastgd.checks import InvalidDataError
from fastgd.data.arrays import as_weights
from fastgd.data.backend import Backend, resolve
from fastgd.data.dataset import Dataset
from fastgd.data.frames import differ
from fastgd.engine.blocks import Floats
from fastgd.losses import as_loss, identity
from fastgd.solver import caveats, loop, once, scaling, summarized
from fastgd.solver.callbacks import AdaptiveRate, CostRule, Separable, UserCallback, Validation
from fastgd.solver.cost import Cost
from fastgd.solver.descents import Descent, begin_descent, run_descent
from fastgd.solver.inputs import as_dataset, check_weights
from fastgd.solver.loop import Callback, Run
from fastgd.solver.objective import Objective, UpdateRule, as_objective, check_loss, lone_class
from fastgd.solver.options import Options, Plan, Solver, Start
from fastgd.solver.orders import as_order
from fastgd.solver.outcome import not_begun, report_divergence, result_of
from fastgd.solver.results import FitResult
from fastgd.solver.state import FitState
from fastgd.solver.summarized import Summarized
from fastgd.wording import listed

if TYPE_CHECKING:
    from fastgd.solver.checkpoint import Checkpoint

NOTE = "fastgd: the run up to this epoch is this error's .result"
LEAST_RATE = 1e-6
"""The lower limit of adaptive rates, in the caller's unit, as in scikit-learn."""


def fit(
    solver: Solver,
    X: Any,
    y: Any,
    sample_weight: Any,
    objective_options: dict[str, Any],
    rule: UpdateRule,
    options: Options,
) -> FitResult:
    """Fit a model. `objective_options` are the arguments of `as_objective`."""
    began = time.perf_counter()
    options.check()
    backend, rows = resolve(options.backend), as_dataset(X, y, sample_weight)
    checkpoint = None
    try:
        if options.is_logged:
            from fastgd.solver.checkpoint import Checkpoint, vars_of

            if isinstance(rows, Summarized) and (options.checkpoint or options.resume):
                rows.refuse("a checkpoint")
            loss = {"loss": str(identity(as_loss(objective_options["loss"])))}
            others = {"solver": solver, "backend": backend} | objective_options | loss | vars_of(rule)
            checkpoint = Checkpoint(rows, options, others)
            rows.log = checkpoint.journal
        samples = (_listed(X), _listed(y)) if options.history == "samples" and rows.is_random else None
        plan, start = planned(solver, rows, objective_options, rule, options, backend, checkpoint)
        return _fit(plan, start, rows, samples, checkpoint, began)
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
    plan: Plan,
    start: tuple[Floats, float, FitState | None],
    dataset: Dataset,
    samples: tuple[list[Any], list[Any]] | None,
    checkpoint: Checkpoint | None,
    began: float,
) -> FitResult:
    """Run a plan on a dataset, and raise or warn of what went wrong."""
    options, n_passes = plan.options, 0
    if options.summaries is not None and not (plan.objective.fit_intercept and dataset.has_rows):
        dataset, n_passes = _summarized(plan, dataset)
    rows, held = _held_out(plan, dataset)
    kept = options.n_gradients(rows, plan.solver == "gradient_descent")
    loop.check_history(options.history, options.n_epochs, kept, rows.d)
    descent = begin_descent(plan, rows, *start)
    callbacks, validation = _callbacks(descent, plan, held)
    if checkpoint is not None:
        checkpoint.watch(descent)
    run = run_descent(
        descent, plan, callbacks, rows.refuse_nonfinite, checkpoint,
        stop_when_diverged=options.on_divergence != "ignore",
    )  # fmt: skip
    n_passes += descent.problem.n_passes + run.state.passes + dataset.passes
    if validation is not None:
        run.validation_costs = np.array(validation.costs)
        n_passes += 0 if dataset.is_random else len(validation.costs)  # each is a pass over the whole source
    if options.summaries is not None and dataset.has_rows:
        from fastgd.solver import summarize

        options.summaries.append(summarize.of_statistics(descent.problem.centred, dataset))
    if options.problems is not None:
        options.problems.append(descent.problem)
    condition = caveats.revoke(run, descent, rows, options)
    has_grown = _has_grown(run, descent, options)
    result = result_of(run, descent, plan, dataset, n_passes, began, samples)
    if run.error is not None:
        _raise_with(run.error, result)
    if run.diverged:
        try:
            if options.on_divergence != "ignore":
                report_divergence(result, run.first_cost, descent, has_grown, plan)
        except KeyboardInterrupt as interrupt:  # while a safe rate is computed
            _raise_with(interrupt, result)
        return result
    for kind, sentence, badness in caveats.of(run, descent, dataset, plan, condition):
        options.warn(kind, sentence, badness)
    return result


def _summarized(plan: Plan, dataset: Dataset) -> tuple[Dataset, int]:
    """The summary of a dataset in its place, and the passes that it took. The passes of a fit without an
    intercept make none."""
    from fastgd.solver import summarize

    if isinstance(dataset, Summarized):
        summary, n_passes = dataset.summary, 0
    else:
        summary, n_passes = summarize.of_rows(dataset, plan.options.n_threads)
    assert plan.options.summaries is not None
    plan.options.summaries.append(summary)
    dataset = Summarized(summary)
    summarized.check(plan, dataset)
    return dataset, n_passes


def planned(
    solver: Solver,
    dataset: Dataset,
    objective_options: dict[str, Any],
    rule: UpdateRule,
    options: Options,
    backend: Backend,
    checkpoint: Checkpoint | None,
) -> tuple[Plan, tuple[Floats, float, FitState | None]]:
    """The checked plan, and the start: weights, intercept and the state of an earlier run."""
    objective = as_objective(**objective_options, has_weights=dataset.has_weights)
    check_weights(dataset)
    check_loss(objective.loss, dataset, backend)
    if not options.is_part and (sentence := lone_class(objective, dataset)):
        options.warn("one class", sentence)
    w, intercept, state = _start(options.w0, dataset)
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
    plan = Plan(solver, objective, rule, options, order, backend)
    check_method(plan)
    summarized.check(plan, dataset)
    once.check(plan, dataset)
    if options.history == "samples" and not dataset.is_random:
        raise ValueError('history="samples" keeps X and y too, for the trace: pass them as arrays')
    if order.shuffle is True and not dataset.is_random:
        dataset.reader()  # raises the error
    return plan, (w, intercept, state)


def _has_grown(run: Run, descent: Descent, options: Options) -> bool:
    """Whether a finite run has diverged because its cost or scores grew. Sets `run.diverged`."""
    has_grown = False
    try:
        if options.is_part:
            has_grown = not (run.diverged or run.is_interrupted) and descent.has_outgrown(run)
        else:
            has_grown = not run.is_interrupted and descent.has_grown(run)
    except KeyboardInterrupt as interrupt:
        run.error, run.is_interrupted = interrupt, True
    if run.is_interrupted:
        run.stopped, run.is_revoked = "it was interrupted", False
    run.diverged |= has_grown
    return has_grown


def _raise_with(error: BaseException, result: FitResult) -> NoReturn:
    """Raise the error that ended the run. Its attribute `result` is the result so far."""
    vars(error)["result"] = result
    if NOTE not in getattr(error, "__notes__", ()):
        error.add_note(NOTE)
    raise error


def check_method(plan: Plan) -> None:
    """Refuse a method or a history that does not support the other options."""
    objective, rule, method = plan.objective, plan.rule, plan.options.method
    if plan.options.history == "samples" and not (objective.is_plain and rule.is_plain):
        raise ValueError(
            'history="samples" records the steps of the plain loop: squared errors without intercept, '
            "sample weights, penalty, momentum and batches"
        )
    if method == "summary":
        _check_summary(plan)
    if plan.solver == "sgd" and rule.nesterov and not rule.momentum:
        raise ValueError("nesterov=True of SGD needs a momentum; pass momentum=0.9, say")


def _check_summary(plan: Plan) -> None:
    """Refuse method="summary" for options that it does not support."""
    if plan.backend == "python":
        raise ValueError('method="summary" needs the compiled kernels; backend="python" is the plain loop')
    if plan.options.history == "samples":
        raise ValueError('history="samples" records single steps: pass method="stream", which takes them')
    if plan.order.shuffle is True:
        raise ValueError(
            'shuffle=True shuffles single rows: method="summary" needs shuffle=False or "blocks"'
        )
    if not plan.objective.is_squared:
        raise ValueError('method="summary" is for squared errors only; pass method="stream" for other losses')
    if plan.solver == "sgd" and not (plan.rule.is_plain and plan.objective.is_quadratic):
        raise ValueError(
            'method="summary" of SGD takes single steps on squared errors only; for penalties, momentum, '
            'batches and averages pass method="stream"'
        )


def _start(w0: Any, rows: Dataset) -> tuple[Floats, float, FitState | None]:
    """The first weights and intercept, and the state of the earlier run if w0 is a fit."""
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
    if getattr(w0, "is_of_targets", False):
        raise InvalidDataError(
            f"w0 is a fit of {len(w0)} targets, and y is one: pass the fit of one, as w0[0]"
        )
    return as_weights("w0", w0, rows.d, rows.is_scalar), 0.0, None


class _HeldOutCost:
    """The cost of the held-out rows, without penalties."""

    def __init__(self, rows: Any, objective: Objective, backend: Backend, n_threads: int | None):
        self._rows, self._objective, self._backend = rows, objective, backend
        if backend == "numba":
            to = scaling.plain(rows.d, True)
            self._cost_and_gradient = Cost(rows, objective.loss, to, n_threads)

    def __call__(self, w: Floats, intercept: float) -> float:
        cost = self._cost(w, intercept)
        if not math.isfinite(cost):
            self._rows.refuse_nonfinite()
            return math.inf
        return cost

    def _cost(self, w: Floats, intercept: float) -> float:
        if self._backend == "numba":
            return self._cost_and_gradient(np.append(w, intercept))[0]
        xs, ys, weights = self._rows.lists()
        xs = [[*np.atleast_1d(x).tolist(), 1.0] for x in xs]
        return reference.mean_loss(xs, ys, weights, [*w.tolist(), intercept], self._objective.loss)


def _held_out(plan: Plan, dataset: Dataset) -> tuple[Dataset, _HeldOutCost | None]:
    """The rows to fit, and the cost of the held-out rows."""
    fraction = plan.options.validation_fraction
    if fraction is None:
        return dataset, None
    from fastgd.data import split

    kept, held = split.split(dataset, fraction)
    for which, part in (("held-out", held), ("other", kept)):
        if part.has_weights and not part.total_weight:
            raise InvalidDataError(f"sample_weight is zero for every one of the {which} rows")
    return kept, _HeldOutCost(held, plan.objective, plan.backend, plan.options.n_threads)


def _callbacks(
    descent: Descent, plan: Plan, held: _HeldOutCost | None
) -> tuple[list[Callback], Validation | None]:
    """The callbacks of the run, and the one that validates, if any."""
    options, by_cost = plan.options, descent.is_judged_by_cost(plan.options.tol)
    callbacks: list[Callback] = []
    if options.tol is not None and (limit := _separated(descent)):
        callbacks.append(Separable(limit))
    if options.callback is None and held is None and not by_cost:
        return callbacks, None
    is_scalar = descent.problem.rows.is_scalar

    def model(run: Run) -> tuple[Floats, float]:
        """w and intercept of the fit if it ended now."""
        return descent.at(run.state.result_point())

    def shaped(run: Run) -> tuple[float | Floats, float]:
        w, intercept = model(run)
        return (float(w[0]) if is_scalar else w.copy()), intercept

    cost_rule = validation = None
    tolerance = options.tolerance("stream")
    if by_cost:
        cost_rule = CostRule(tolerance, options.patience)
    if held is not None:
        validation = Validation(lambda run: held(*model(run)), max(0.0, tolerance), options.patience)
    rules = [rule for rule in (cost_rule, validation) if rule is not None]
    callbacks += rules
    if rules and options.is_adaptive:
        callbacks.append(AdaptiveRate(descent.rates, rules, LEAST_RATE / options.words.rate_unit))
    if options.callback is not None:
        shown = options.callback, shaped, descent.start.epoch, descent.cost_scale, validation
        callbacks.append(UserCallback(*shown))
    return callbacks, validation


def _separated(descent: Descent) -> float:
    """A cost that only separated classes have, if they leave the cost without a minimum; otherwise 0."""
    problem = descent.problem
    objective, rows, loss = problem.objective, problem.rows, problem.objective.loss
    is_open = objective.has_metric_of_sample and len(loss.without_minimum) > 1
    if not is_open or objective.l2:
        return 0.0
    return rows.least_weight * min(loss.value(0.0, y) for y in loss.without_minimum) / problem.total


def _listed(values: ArrayLike) -> list[Any]:
    """A list of the caller's numbers, for the trace."""
    return list(values) if isinstance(values, (list, tuple)) else np.asarray(values).tolist()
