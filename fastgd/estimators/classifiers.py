"""GDClassifier and SGDClassifier."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from fastgd import callers, display, losses
from fastgd.data.arrays import as_sample_weight
from fastgd.data.chunks import Source
from fastgd.data.dataset import Dataset
from fastgd.data.labels import WeightedClasses, keep_labels, labels, labels_of_codes, one_against_rest
from fastgd.data.together import Together
from fastgd.engine.blocks import Floats
from fastgd.estimators.inputs import (
    Matrix,
    as_matrix,
    as_weights,
    class_weights,
    like,
    listing,
    refuse_missing_labels,
    times_class_weights,
)
from fastgd.estimators.linear import EstimatorConvergenceWarning, Linear, Stochastic
from fastgd.losses import Loss
from fastgd.solver.inputs import as_dataset
from fastgd.solver.options import Report, of_kind
from fastgd.solver.results import FitResult


def _gives_probabilities(classifier: _Classifier) -> bool:
    """Return True if the loss gives probabilities. Otherwise raise scikit-learn's error."""
    if not classifier._loss().gives_probabilities:
        raise AttributeError(f"probability estimates are not available for loss={classifier.loss!r}")
    return True


class _Classifier(ClassifierMixin, Linear):
    class_weight: Any
    _parameter_constraints: ClassVar[dict[str, Any]] = Linear._parameter_constraints | {
        "loss": [StrOptions(set(losses.names(of_classes=True)))],
        "class_weight": [StrOptions({"balanced"}), dict, None],
    }

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        coef_init: Any = None,
        intercept_init: Any = None,
    ) -> Self:
        """Fit to X (n, d) and labels y (n,). More than two classes are each fitted against the rest.

        The fit starts at coef_init and intercept_init, which have the shapes of coef_ and intercept_. For two
        classes they may also be (d,) and a number. The default is 0, or the end of the last fit with
        warm_start. Pass both as keywords, since scikit-learn puts them before sample_weight.

        X may be a source (`fastgd.chunks`, `fastgd.read_table`), which has its own targets and weights. Its
        targets must be whole numbers. One more pass finds its classes.
        """
        before = getattr(self, "results_", None) if self.warm_start else None
        X, y = self._checked_data(X, y, reset=before is None)
        codes: Any = None
        if isinstance(X, Source):
            rows = as_dataset(X, y, sample_weight)  # refuses y and sample_weight
            found = labels(rows)
            classes = found.named(X.coding)
        else:
            refuse_missing_labels(y)
            check_classification_targets(y)
            classes, codes = np.unique(y, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(
                f"y holds one class only, {listing(classes)}; {type(self).__name__} needs two or more"
            )
        if before is not None and not np.array_equal(classes, self.classes_):
            raise ValueError(
                f"y holds the classes {listing(classes)}, and the warm start {listing(self.classes_)}; "
                "they must agree"
            )
        self.classes_: Any = classes
        starts = self._starts(coef_init, intercept_init, before, len(self._modelled()))
        if codes is not None:
            rows = self._rows_of_arrays(X, codes, as_weights(sample_weight, X))
            return self._fit_all(X, rows, np.arange(len(classes)), starts)
        if self.class_weight is not None:
            factors = self._class_factors(found.weights)
            rows = as_dataset(WeightedClasses(X, found.values, factors), None)
            found = found._replace(weights=found.weights * factors)
        keep_labels(rows, found)
        return self._fit_all(X, rows, found.values, starts)

    def _fit_all(self, X: Any, rows: Dataset, labels: Any, before: Any, *, is_part: bool = False) -> Self:
        """Fit a model of each class. `rows` are those of X, with the `labels` of the classes as targets."""
        modelled = self._modelled()
        reports: list[list[Report]] = [[] for _ in modelled]
        together = Together() if self._shares_reads(rows) else None

        def fit(k: int) -> FitResult:
            one = one_against_rest(rows, float(labels[modelled[k]]), together)
            start = before[k] if before else None
            return self._fitted(one, None, None, start, is_part=is_part, reports=reports[k])

        fits = [functools.partial(fit, k) for k in range(len(modelled))]
        results = [fit() for fit in fits] if together is None else together.run(fits)
        self.results_ = results
        self.coef_ = like(X, np.array([np.atleast_1d(result.w) for result in results]))
        self.intercept_ = like(X, np.array([result.intercept for result in results]))
        self.n_iter_ = max(result.n_epochs for result in results)
        costs = [self._costs(result) for result in results]
        self.history_ = costs[0] if len(results) == 1 else costs
        for warning in _summaries(reports, self.classes_):
            callers.warn(warning)
        return self

    def _shares_reads(self, rows: Dataset) -> bool:
        """Whether classes share reads: not those of SGD, each in its own order, nor short ones of a block."""
        return len(self.classes_) > 2 and self._solver == "gradient_descent" and not rows.is_one_block

    def _modelled(self) -> range:
        """The indices of the classes that have a model: all classes, or the second of two."""
        n_classes = len(self.classes_)
        return range(1, 2) if n_classes == 2 else range(n_classes)

    def _rows_of_arrays(self, X: Any, codes: Any, sample_weight: Any) -> Dataset:
        """The rows of X with their weights. The targets are `codes`, indices into classes_."""
        n, n_classes = len(codes), len(self.classes_)
        weights = None if sample_weight is None else as_sample_weight(sample_weight, n)
        if self.class_weight is not None:
            weights = np.ones(n) if weights is None else weights
            factors = self._class_factors(labels_of_codes(codes, n_classes, weights).weights)
            weights = times_class_weights(weights, factors[codes])
        rows = as_dataset(X, codes.astype(np.float64), weights)
        if self._shares_reads(rows):
            keep_labels(rows, labels_of_codes(codes, n_classes, weights))
        return rows

    def _class_factors(self, sums: Floats) -> Floats:
        """The weight of each class. "balanced" weights give all classes the same total weight."""
        if self.class_weight == "balanced":
            return np.divide(sums.sum(), len(sums) * sums, out=np.zeros(len(sums)), where=sums > 0.0)
        return class_weights(self.class_weight, self.classes_)

    def _decision(self, X: Matrix) -> Floats:
        scores = [self._scores(X, w, b) for w, b in zip(self.coef_, self.intercept_, strict=True)]
        return scores[0] if len(scores) == 1 else np.column_stack(scores)

    def decision_function(self, X: Any) -> Floats:
        """Scores X·coef_ᵀ + intercept_: (n,) for two classes, otherwise (n, n_classes)."""
        check_is_fitted(self)
        X = as_matrix(self, X, reset=False)
        return like(X, self._decision(X))

    def predict(self, X: Any) -> Any:
        """The class with the highest score, (n,)."""
        scores = self.decision_function(X)
        return self.classes_[scores.argmax(axis=1) if scores.ndim == 2 else (scores > 0.0).astype(int)]

    @available_if(_gives_probabilities)
    def predict_proba(self, X: Any) -> Floats:
        """Probabilities (n, n_classes). For more than two classes each row is scaled to the sum 1.

        The probability is 1/(1 + exp(−score)) for log_loss, and (1 + score)/2 clipped to [0, 1] for
        modified_huber. Other losses have no such method.
        """
        check_is_fitted(self)
        X = as_matrix(self, X, reset=False)
        return like(X, probabilities(self._loss(), self._decision(X)))

    @available_if(_gives_probabilities)
    def predict_log_proba(self, X: Any) -> Floats:
        """The logarithm of `predict_proba`.

        For log_loss it is finite even if the probability underflows, and 0 if the probability rounds to 1.
        """
        check_is_fitted(self)
        X = as_matrix(self, X, reset=False)
        loss, scores = self._loss(), self._decision(X)
        rounds_to_1 = like(X, probabilities(loss, scores)) == 1.0
        return like(X, np.where(rounds_to_1, 0.0, log_probabilities(loss, scores)))


def _summaries(reports: list[list[Report]], classes: Any) -> Iterator[EstimatorConvergenceWarning]:
    """One warning of each kind. If models differ, it reports the worst class and the number of classes."""
    by_kind: dict[str, list[tuple[Report, int]]] = {}
    for k, class_reports in enumerate(reports):
        for report in class_reports:
            by_kind.setdefault(report.kind, []).append((report, k))
    for kind, same in by_kind.items():
        worst, k = max(same, key=lambda pair: pair[0].badness)
        message = worst.message
        if len(same) < len(reports) or len({report.message for report, _ in same}) > 1:
            label = listing(classes[k : k + 1])
            message = f"{len(same)} of {len(reports)} classes, the worst {label}: {message}"
        yield of_kind(EstimatorConvergenceWarning, kind, message)


def probabilities(loss: Loss, scores: Floats) -> Floats:
    """Probabilities of all classes (n, n_classes) from scores (n,) or (n, n_classes)."""
    share = loss.probability(scores)
    if scores.ndim == 1:
        return np.column_stack([loss.probability(-scores), share])
    total = share.sum(axis=1, keepdims=True)
    even = total == 0.0  # every probability underflows
    return np.where(even, 1.0 / scores.shape[1], share / np.where(even, 1.0, total))


def log_probabilities(loss: Loss, scores: Floats) -> Floats:
    """The logarithm of `probabilities`, finite where these underflow."""
    logarithms = loss.log_probability(scores)
    if scores.ndim == 1:
        return np.column_stack([loss.log_probability(-scores), logarithms])
    total = np.logaddexp.reduce(logarithms, axis=1, keepdims=True)
    even = np.isneginf(total)
    return np.where(even, -np.log(scores.shape[1]), logarithms - np.where(even, 0.0, total))


class GDClassifier(_Classifier):
    """Linear classification by full-batch gradient descent, binary or one-vs-rest.

    The models of more than two classes share their passes, up to 16 at a time, and keep their bits.

    Parameters
    ----------
    loss : str, default "log_loss"
        "log_loss" (logistic regression), "hinge" (linear support vector machine), "squared_hinge" or
        "modified_huber"; see `fastgd.losses`. "log_loss" and "modified_huber" give probabilities.
    alpha : float, default 1e-4
        Strength of the penalty, as in SGDClassifier. It is 1/(C n) for the C of LogisticRegression.
    class_weight : dict, "balanced" or None
        The weight of each class by its label, 1 if the label is left out. It multiplies sample_weight.
    precondition : bool or "auto", default "auto"
        As in `GDRegressor`. The default fit takes some six passes over the data, whatever the number of
        classes.
    max_iter : int, default 1000
        The largest number of epochs. Each epoch is a pass over the data.
    penalty, l1_ratio, fit_intercept, standardize, tol, learning_rate, eta0, power_t, momentum, nesterov, \
early_stopping, validation_fraction, n_iter_no_change, warm_start, n_jobs
        As in `GDRegressor`.

    Attributes
    ----------
    classes_ : ndarray (n_classes,)
    coef_ : ndarray (1, d) or (n_classes, d)
        In X's dtype, float32 or float64, like `intercept_`, scores and probabilities.
    intercept_ : ndarray (1,) or (n_classes,)
    n_iter_ : int
        The largest number of epochs of a model.
    history_ : ndarray, or list of ndarrays (one for each class)
        The objective at the start and after each epoch. With preconditioning the start is the optimum of a
        sample.
    results_ : list of FitResult
        One for each model.
    n_features_in_, feature_names_in_

    Examples
    --------
    >>> from fastgd.estimators import GDClassifier
    >>> model = GDClassifier().fit([[0.0], [1.0], [3.0], [4.0]], ["a", "a", "b", "b"])
    >>> model.predict([[0.5], [3.5]]).tolist()
    ['a', 'b']
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = _Classifier._parameter_constraints | {
        "precondition": ["boolean", StrOptions({"auto"})],
    }

    def __init__(
        self,
        loss: str = "log_loss",
        *,
        penalty: str | None = "l2",
        alpha: float = 1e-4,
        l1_ratio: float = 0.15,
        fit_intercept: bool = True,
        standardize: bool = True,
        precondition: bool | str = "auto",
        max_iter: int = 1000,
        tol: Any = "auto",
        learning_rate: str = "constant",
        eta0: Any = "auto",
        power_t: float = 0.5,
        momentum: float = 0.0,
        nesterov: bool = True,
        class_weight: Any = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        warm_start: bool = False,
        n_jobs: int | None = None,
    ):
        self._set(locals())


class SGDClassifier(Stochastic, _Classifier):
    """Linear classification by stochastic gradient descent, binary or one-vs-rest.

    Sample weights scale steps, as in `SGDRegressor`, with the same consequence for scikit-learn's checks.

    Parameters
    ----------
    class_weight : dict, "balanced" or None
        As in `GDClassifier`.
    loss, penalty, alpha, l1_ratio, fit_intercept, standardize, max_iter, tol, shuffle, random_state, \
learning_rate, eta0, power_t, momentum, nesterov, batch_size, average, early_stopping, validation_fraction, \
n_iter_no_change, warm_start, n_jobs
        As in `SGDRegressor`. The loss is one of those of `GDClassifier`, "log_loss" by default.

    Attributes
    ----------
    classes_, coef_, intercept_, n_iter_, history_, results_, n_features_in_, feature_names_in_
        As in `GDClassifier`.

    Examples
    --------
    >>> from fastgd.estimators import SGDClassifier
    >>> X, y = [[0.0], [1.0], [3.0], [4.0]] * 50, ["a", "a", "b", "b"] * 50
    >>> model = SGDClassifier(random_state=0).fit(X, y)
    >>> model.predict([[0.5], [3.5]]).tolist()
    ['a', 'b']
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = (
        _Classifier._parameter_constraints | Stochastic._parameter_constraints
    )

    def __init__(
        self,
        loss: str = "log_loss",
        *,
        penalty: str | None = "l2",
        alpha: float = 1e-4,
        l1_ratio: float = 0.15,
        fit_intercept: bool = True,
        standardize: bool = True,
        max_iter: int = 1000,
        tol: Any = 1e-3,
        shuffle: Any = True,
        random_state: Any = None,
        learning_rate: str = "invscaling",
        eta0: Any = "auto",
        power_t: float = 0.5,
        momentum: float = 0.0,
        nesterov: bool = False,
        batch_size: int = 1,
        average: Any = False,
        class_weight: Any = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        warm_start: bool = False,
        n_jobs: int | None = None,
    ):
        self._set(locals())

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Run one epoch over these rows, as `SGDRegressor.partial_fit`. The first call needs all classes."""
        if self.class_weight == "balanced":
            raise ValueError(
                'class_weight="balanced" is not known from a part of the data: pass the weights as a dict'
            )
        before = getattr(self, "results_", None)
        X, y = self._checked_data(X, y, reset=before is None, is_part=True)
        refuse_missing_labels(y)
        if before is None:
            if classes is None:
                raise ValueError("classes must be passed on the first call to partial_fit")
            self.classes_ = np.unique(classes)
            if len(self.classes_) < 2:
                raise ValueError(
                    f"classes holds one class only, {listing(self.classes_)}; two or more are needed"
                )
        elif classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise ValueError(
                f"classes={display.value(classes, 60)} is not the same as on the last call to partial_fit: "
                f"{listing(self.classes_)}"
            )
        codes = np.searchsorted(self.classes_, y)
        is_known = self.classes_[np.minimum(codes, len(self.classes_) - 1)] == y
        if not np.all(is_known):
            row = int(np.argmin(is_known))
            raise ValueError(
                f"y[{row}] is {display.value(y[row])}, which is not among the classes "
                f"{listing(self.classes_)}"
            )
        rows = self._rows_of_arrays(X, codes, as_weights(sample_weight, X))
        return self._fit_all(X, rows, np.arange(len(self.classes_)), before, is_part=True)
