"""What the four estimators share: the translation between scikit-learn's terms and fastgd's, and one fit.

scikit-learn's objective halves squared errors,

    (1/Σ s) Σ s·loss + alpha·(l1_ratio Σ|w| + (1 − l1_ratio)/2 Σ w²),    loss = r²/2 (squared_error, huber),

and fastgd's does not: `_translated` is where one becomes the other.
"""

from __future__ import annotations

import functools
import numbers
from typing import Any, ClassVar, Literal

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning as SklearnConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils._param_validation import Options as Among
from sklearn.utils.validation import validate_data

from fastgd import losses
from fastgd.data.chunks import Source
from fastgd.estimators.inputs import as_matrix, as_targets
from fastgd.fitting import fit
from fastgd.functions import forward
from fastgd.grid import Floats
from fastgd.objective import as_rule
from fastgd.options import ConvergenceWarning, Options, Report, Words
from fastgd.results import FitResult
from fastgd.schedules import LearningRate, TimesAuto


class EstimatorConvergenceWarning(ConvergenceWarning, SklearnConvergenceWarning):
    """max_iter ran out before tol was reached, or few digits are to be expected: a warning of both."""


_HALVED = {"squared_error": losses.SquaredError, "huber": losses.Huber}
"""The losses of which scikit-learn's are the half."""


class Linear(BaseEstimator):
    """What the four share; the parameters that a class has of its own are in its `__init__`."""

    _depth = 0
    """Calls between the public one and `_fitted`, beside one."""
    _solver: Literal["gradient_descent", "sgd"] = "gradient_descent"
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "penalty": [StrOptions({"l2", "l1", "elasticnet"}), None],
        "alpha": [Interval(numbers.Real, 0, None, closed="left")],
        "l1_ratio": [Interval(numbers.Real, 0, 1, closed="both"), None],
        "fit_intercept": ["boolean"],
        "standardize": ["boolean"],
        "max_iter": [Interval(numbers.Integral, 1, None, closed="left")],
        "tol": [Interval(numbers.Real, 0, None, closed="left"), StrOptions({"auto"}), None],
        "learning_rate": [StrOptions({"constant", "invscaling"})],
        "eta0": [Interval(numbers.Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "power_t": [Interval(numbers.Real, None, None, closed="neither")],
        "momentum": [Interval(numbers.Real, 0, 1, closed="left")],
        "nesterov": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(numbers.Real, 0, 0.5, closed="right")],
        "n_iter_no_change": [Interval(numbers.Integral, 1, None, closed="left")],
        "warm_start": ["boolean"],
        "n_jobs": [
            Interval(numbers.Integral, 1, None, closed="left"),
            Among(numbers.Integral, {-1}),
            None,
        ],
    }

    @classmethod
    @functools.cache
    def _get_param_names(cls) -> list[str]:
        """scikit-learn looks at the signature in every fit, which takes longer than all its checks of X."""
        return list(super()._get_param_names())

    def _checked_data(self, X: Any, y: Any, *, reset: bool, is_part: bool = False) -> tuple[Any, Any]:
        """X and y as they are, but for shape and names; what is not finite the fit finds."""
        if isinstance(X, Source):
            if is_part:
                raise TypeError(f"partial_fit takes arrays; {X.name} goes to fit")
            self.n_features_in_ = X.d
            if X.columns:
                self.feature_names_in_ = np.array(X.columns, dtype=object)
            elif hasattr(self, "feature_names_in_"):
                del self.feature_names_in_
            return X, y
        if y is None:
            return validate_data(self, X, y)  # which says that y is needed
        return as_matrix(self, X, reset=reset), as_targets(y)

    @property
    def _names(self) -> tuple[str, ...]:
        """The names of the columns that the model was fitted to, of any type."""
        result = getattr(self, "result_", None) or getattr(self, "results_", (None,))[0]
        return () if result is None else result.feature_names

    def _validate_params(self) -> None:
        with np.printoptions(legacy="1.25"):  # sentences show NumPy's scalars as Python's
            super()._validate_params()

    def _translated(self) -> tuple[dict[str, Any], float]:
        """The objective in fastgd's terms, and what turns its cost into scikit-learn's."""
        loss: Any = losses.as_loss(self._loss())
        half = 0.5 if isinstance(loss, tuple(_HALVED.values())) else 1.0
        if self.penalty == "elasticnet" and self.l1_ratio is None:
            raise ValueError('penalty="elasticnet" needs an l1_ratio from 0 to 1, not None')
        ratio = {"l2": 0.0, "l1": 1.0, "elasticnet": self.l1_ratio, None: 0.0}[self.penalty]
        alpha = 0.0 if self.penalty is None else self.alpha / half
        goal: dict[str, Any] = dict(
            loss=loss, l1=alpha * ratio, l2=alpha * (1.0 - ratio), fit_intercept=self.fit_intercept,
            standardize=self.standardize,
        )  # fmt: skip
        if self._solver == "gradient_descent":
            goal["precondition"] = self.precondition
        return goal, half

    def _rate(self, half: float, eta0: Any) -> LearningRate:
        """A rate for each epoch: eta0, or eta0/(k + 1)^power_t in epoch k."""
        power = 0.0 if self.learning_rate == "constant" else float(self.power_t)
        if eta0 == "auto":
            return "auto" if power == 0.0 else TimesAuto(lambda epoch: (epoch + 1.0) ** -power)
        rate = half * float(eta0)
        return rate if power == 0.0 else lambda epoch: rate * (epoch + 1.0) ** -power

    def _fitted(
        self,
        X: Any,
        y: Any,
        weights: Any,
        before: FitResult | None,
        *,
        is_part: bool = False,
        reports: list[Report] | None = None,
    ) -> FitResult:
        """One model, from where `before` ended; of a part of the data one pass, without stopping rules."""
        goal, half = self._translated()
        is_sgd = self._solver == "sgd"
        rule = as_rule(self.momentum, self.nesterov, *((self.batch_size, self.average) if is_sgd else ()))
        how: dict[str, Any] = dict(
            w0=before, learning_rate=self._rate(half, self.eta0), n_epochs=self.max_iter, tol=self.tol,
            patience=self.n_iter_no_change,
            validation_fraction=self.validation_fraction if self.early_stopping else None,
            callback=None, method="auto", history="costs", on_divergence="raise", backend="auto",
            n_threads=self._threads(), warning=EstimatorConvergenceWarning, depth=6 + self._depth,
            words=Words("max_iter", "eta0", 1.0 / half), reports=reports,
        )  # fmt: skip
        if is_sgd:
            how |= dict(shuffle=self.shuffle, seed=self._seed(before))
        if is_part:
            how |= dict(n_epochs=1, tol=None, validation_fraction=None, is_part=True)
            if self.eta0 == "auto" and before is not None:  # the rate found from the first rows is kept
                how["learning_rate"] = self._rate(1.0, before._first_rate)
        result = fit(self._solver, X, y, weights, goal, rule, Options(**how))
        result._rows = None  # a model does not keep the data that it was fitted to
        return result

    def _threads(self) -> int | None:
        return None if self.n_jobs == -1 else self.n_jobs

    def _seed(self, before: FitResult | None) -> int | None:
        if self.shuffle is False or (before is not None and before.seed is not None):
            return None
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _costs(self, result: FitResult) -> Floats | None:
        history = result.cost_history
        return None if history is None else history * self._translated()[1]

    def _scores(self, X: Any, w: Floats, intercept: float) -> Floats:
        return np.asarray(forward(X, w, intercept=float(intercept), n_threads=self._threads()))


class Stochastic(Linear):
    """What SGD has beside: the order of the rows, batches, averaging, and `partial_fit`."""

    _solver = "sgd"
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "shuffle": ["boolean", StrOptions({"blocks"})],
        "batch_size": [Interval(numbers.Integral, 1, None, closed="left")],
        "average": ["boolean", Interval(numbers.Real, 0, None, closed="neither")],
        "random_state": ["random_state"],
    }
