"""Forecast what gradient descent will do on given data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike

from fastgd import checks, display
from fastgd.checks import InvalidDataError
from fastgd.data.backend import Backend, resolve
from fastgd.data.chunks import Source
from fastgd.engine import threads
from fastgd.engine.blocks import Floats
from fastgd.public import public
from fastgd.solver import linalg, planner
from fastgd.solver.curvature import ratio, table_of
from fastgd.solver.forecast import named
from fastgd.solver.inputs import as_dataset, check_weights
from fastgd.solver.maps import MAPS_BYTES, maps_bytes
from fastgd.solver.objective import SINGLE_STEPS, as_objective
from fastgd.solver.options import Solver
from fastgd.solver.preconditioning import unserved
from fastgd.solver.problem import Problem
from fastgd.solver.summarized import Summarized

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_COLUMNS_OF_A_MAP = 64


@dataclass(frozen=True, slots=True, eq=False)
class Diagnosis:
    """Limits of the learning rate, the optimum and a forecast of convergence.

    λ are the eigenvalues of XᵀX/n, and the Hessian is 2 XᵀX/n + l2. With an intercept, sample weights s or
    standardised columns, X stands for the scaled rows √s·[x̃, 1], n for Σ s, and l2 for l2·scale² of a column
    (the penalty is on weights in the caller's units) and 0 for the intercept.

    Attributes
    ----------
    solver : {"gradient_descent", "sgd"}
    n_samples, n_features, n_passes : int
        The numbers of rows and columns, and of passes that the diagnosis took.
    largest_eigenvalue, smallest_eigenvalue : float
        λmax, and the smallest λ that is not 0, since nothing moves along directions without data. A column is
        a linear combination of others if they explain all but 1e-13 of its square.
    is_estimate : bool
        Whether λ are estimates by Lanczos' iteration, for more than 1024 columns: λmax is accurate to about
        0.1 %, λmin is an upper bound.
    condition_number : float
        The condition number of the Hessian, which is λmax/λmin without l2.
    stability_limit : float
        For full-batch descent, constant rates converge below 2/(largest eigenvalue of the Hessian), which is
        1/λmax without l2. For SGD, every single step is stable below 1/max‖x‖².
    learning_rate : float
        The rate of the forecast: the given one, or the automatic one.
    spectral_radius : float or None
        The factor by which an epoch multiplies the slowest error in the long run. The run converges if it is
        below 1. For SGD, epochs are in order; None for more than 64 columns.
    optimum, optimum_intercept : float or ndarray (d,), float; or None
        Weights with the least cost (one choice if there are several), and the intercept, 0 unless fitted.
        None if `is_estimate`.
    optimum_cost : float or None
        The cost of the optimum, including l2.
    dependent_columns : tuple of str or int
        Columns that are linear combinations of others up to rounding, and those others. Their weights are not
        determined.
    constant_columns : tuple of str or int
        Columns without variance, which standardizing leaves out.
    """

    solver: Solver
    n_samples: int
    n_features: int
    n_passes: int
    largest_eigenvalue: float
    smallest_eigenvalue: float
    is_estimate: bool
    condition_number: float
    stability_limit: float
    learning_rate: float
    spectral_radius: float | None
    optimum: float | Floats | None
    optimum_intercept: float | None
    optimum_cost: float | None
    dependent_columns: tuple[str | int, ...] = ()
    constant_columns: tuple[str | int, ...] = ()

    def epochs_to(self, tolerance: float) -> float:
        """The forecast number of epochs until the slowest error has fallen to `tolerance` times its start.

        ln(tolerance)/ln(spectral_radius), rounded up; inf if the run does not converge. For full-batch
        descent it is an upper bound from any start: the error is the distance to the optimum in scaled
        weights and intercept, and the excess cost falls by tolerance². For SGD the error is the distance to
        the fixed point of an epoch.
        """
        tolerance = checks.number("tolerance", tolerance)
        if not 0.0 < tolerance < 1.0:
            raise ValueError(f"tolerance must be between 0 and 1, not {display.value(tolerance)}")
        radius = self.spectral_radius
        if radius is None:
            raise ValueError(
                "no forecast for SGD: maps of more than 64 columns, or of too many rows, are not made"
            )
        if not radius < 1.0:
            return math.inf
        return 1 if radius == 0.0 else max(1, math.ceil(math.log(tolerance) / math.log(radius)))

    @public
    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Draw with matplotlib how an epoch of full-batch descent multiplies the error, and return the axes.

        The factor of the error along an eigenvector of the Hessian with eigenvalue h is |1 − α h| at the rate
        α. The slowest error has the largest factor of the extreme eigenvalues. The rate of the diagnosis, the
        fastest rate 2/(h_min + h_max) and the stability limit 2/h_max are marked.

        Parameters
        ----------
        ax : matplotlib axes, optional
            Where to draw; by default a new figure.

        Returns
        -------
        matplotlib axes

        Raises
        ------
        ValueError
            If the diagnosis is of SGD.
        ModuleNotFoundError
            If matplotlib is not installed: pip install 'fastgd[plot]'.

        Examples
        --------
        >>> import fastgd
        >>> diagnosis = fastgd.diagnose([1.0, 2.0, 3.0], [2.0, 4.0, 6.0])
        >>> diagnosis.plot().get_xlabel()
        'learning rate α'
        """
        from fastgd.plots.diagnosis import plot_diagnosis

        return plot_diagnosis(self, ax)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"

    def __str__(self) -> str:
        lines = [
            f"{self.n_samples} samples, {self.n_features} features, {self.solver}",
            f"eigenvalues of XᵀX/n: {self.smallest_eigenvalue:.6g} to {self.largest_eigenvalue:.6g}"
            + (" (estimated)" if self.is_estimate else ""),
            f"condition number: {self.condition_number:.6g}",
            f"stability limit of the learning rate: {self.stability_limit:.6g}",
        ]
        if self.spectral_radius is None:
            lines.append(f"learning rate: {self.learning_rate:.6g}")
        else:
            epochs = self.epochs_to(1e-6)
            lines.append(
                f"at learning rate {self.learning_rate:.6g} an epoch leaves {self.spectral_radius:.6g} "
                f"of the slowest error: {epochs} epoch{'s' * (epochs != 1)} to 1e-6 of it"
            )
        if self.optimum_cost is not None:
            lines.append(f"cost at the optimum: {self.optimum_cost:.6g}")
        if self.constant_columns:
            lines.append(f"constant, so of weight 0: column {_listed(self.constant_columns)}")
        if self.dependent_columns:
            lines.append(
                f"some columns of X are sums of others, to rounding ({_listed(self.dependent_columns)}): "
                "their weights are not determined (predictions are)"
            )
        return "\n".join(lines)


@public
def diagnose(
    X: ArrayLike | Source,
    y: ArrayLike | None = None,
    *,
    solver: Solver = "gradient_descent",
    learning_rate: float | Literal["auto"] = "auto",
    fit_intercept: bool = False,
    standardize: bool = False,
    precondition: bool = False,
    sample_weight: ArrayLike | None = None,
    l2: float = 0.0,
    backend: str = "auto",
    n_threads: int | None = None,
) -> Diagnosis:
    """Which learning rates converge on this data for squared errors, how fast, and to what.

    Parameters
    ----------
    X, y, fit_intercept, standardize, precondition, sample_weight
        As in `gradient_descent`.
    solver : {"gradient_descent", "sgd"}, default "gradient_descent"
    learning_rate : "auto" or float, default "auto"
        The constant rate of the forecast.
    l2 : float, default 0.0
        Strength of the penalty (l2/2) Σ w²; for full-batch descent only.
    backend : {"auto", "numba", "python"}, default "auto"
    n_threads : int, optional
        The largest number of threads; by default one for each processor. The result does not depend on it.

    Returns
    -------
    Diagnosis

    Raises
    ------
    InvalidDataError
        If X or y cannot be used, holds NaN or infinity, or overflows when squared.

    Notes
    -----
    Cost: one pass for the statistics, or up to 31 passes of Lanczos' iteration for more than 1024 columns.
    SGD takes one pass for max‖x‖² and, up to 64 columns, one for the map of an epoch. The latter includes the
    statistics, unless one of the options from fit_intercept to l2 is used. The statistics take a second pass
    if the first rows do not represent the columns or y. Checking the weights of a source takes one more.

    Examples
    --------
    >>> import fastgd
    >>> diagnosis = fastgd.diagnose([1.0, 2.0, 3.0], [2.0, 4.0, 6.0], learning_rate=0.01)
    >>> round(diagnosis.stability_limit, 6), diagnosis.epochs_to(1e-3)
    (0.214286, 71)
    """
    checks.choice("solver", solver, ("gradient_descent", "sgd"))
    runs_on = resolve(backend)
    n_threads = threads.checked_threads(n_threads)
    if not (isinstance(learning_rate, str) and learning_rate == "auto"):
        learning_rate = checks.positive("learning_rate", learning_rate)
    rows = as_dataset(X, y, sample_weight)
    check_weights(rows)
    objective = as_objective(
        "squared_error", 0.0, l2, fit_intercept, standardize, checks.flag("precondition", precondition),
        has_weights=rows.has_weights,
    )  # fmt: skip
    for name, value in (("l2", objective.l2), ("precondition", objective.precondition)):
        if value and solver == "sgd":
            raise ValueError(f'{name} is for full-batch descent only: pass solver="gradient_descent"')
    if objective.precondition and (reason := unserved(objective, rows)):
        raise ValueError(f"precondition=True is not possible: {reason}")
    if isinstance(rows, Summarized) and solver == "sgd":
        rows.refuse('solver="sgd"')
    if solver == "sgd" or rows.d > planner.MOST_COLUMNS or runs_on == "python":
        rows.refuse_reads(f"this diagnosis of {solver}")
    problem = Problem(rows, objective, SINGLE_STEPS, runs_on, n_threads)
    return _diagnosed(problem, solver, learning_rate, runs_on)


def _diagnosed(
    problem: Problem, solver: Solver, learning_rate: float | Literal["auto"], backend: Backend
) -> Diagnosis:
    """The diagnosis of a problem. `learning_rate` is "auto" or a positive number."""
    rows = problem.rows
    has_statistics = rows.d <= planner.MOST_COLUMNS or backend == "python" or not rows.has_rows
    # For plain rows, SGD's maps come with the statistics. Otherwise the scaling follows from the statistics.
    if problem.is_plain and solver == "sgd":
        problem.begin_single_steps(np.zeros(rows.d))
    elif has_statistics:
        _refuse_overflow(problem)
    limit = problem.limit(solver)
    rate = problem.auto_rate(solver) if learning_rate == "auto" else float(learning_rate)
    radius = _radius_of_an_epoch(problem, rate, backend) if solver == "sgd" else None
    optimum = intercept = cost = None
    if has_statistics:
        _refuse_overflow(problem)
        optimum, intercept, cost = problem.optimum()
    involved: list[int] = problem.statistics.factor.involved() if has_statistics else []
    constant: list[int] = np.flatnonzero(problem.scaling.scale == 0.0).tolist()
    names: Sequence[str | int] = rows.columns or range(rows.d)
    smallest, largest, is_estimate = problem.eigenvalues
    least, most = problem.curvatures
    if solver == "gradient_descent":
        radius = max(abs(1.0 - rate * curvature) for curvature in (least, most)) if most else 0.0
    return Diagnosis(
        solver=solver,
        n_samples=rows.n,
        n_features=rows.d,
        n_passes=rows.passes + problem.n_passes,
        largest_eigenvalue=largest,
        smallest_eigenvalue=smallest,
        is_estimate=is_estimate,
        condition_number=ratio(most, least) if most > 0.0 else math.nan,
        stability_limit=limit,
        learning_rate=rate,
        spectral_radius=radius,
        optimum=float(optimum[0]) if optimum is not None and rows.is_scalar else optimum,
        optimum_intercept=intercept,
        optimum_cost=cost,
        dependent_columns=tuple(names[j] for j in involved if j < rows.d),
        constant_columns=tuple(names[j] for j in constant),
    )


def _listed(columns: Sequence[str | int]) -> str:
    return named(range(len(columns)), [str(column) for column in columns])


@np.errstate(over="ignore", invalid="ignore")
def _refuse_overflow(problem: Problem) -> None:
    if not problem.statistics.is_finite:
        raise InvalidDataError("X or y is too large to diagnose: its squares overflow; scale it")


def _radius_of_an_epoch(problem: Problem, rate: float, backend: str) -> float | None:
    """The spectral radius of A, where w ← A w + b is an epoch of SGD in order."""
    rows = problem.descent_rows
    d = rows.d
    if d > MOST_COLUMNS_OF_A_MAP or (backend == "numba" and maps_bytes(rows.n, d, 1) > MAPS_BYTES):
        return None
    summaries = problem.summaries or problem.begin_single_steps(np.zeros(d))
    A = np.eye(d)
    with np.errstate(over="ignore", invalid="ignore"):
        if backend == "python":
            for x in table_of(rows):
                A -= np.outer(2.0 * rate * x, x @ A)
        else:
            A = linalg.product(summaries.maps(np.array([rate])).a[0])
    if not np.isfinite(A).all():
        return math.inf
    values, rank = linalg.general_eigenvalues(A), summaries.statistics.factor.rank
    moving = np.argsort(np.abs(values - 1.0))[d - rank :]  # the eigenvalue is 1 along directions without data
    return float(np.abs(values[moving]).max(initial=0.0))
