"""Least squares on summaries, which add up: `partial_fit`, and several targets of one pass."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Self

from sklearn.base import _fit_context
from sklearn.utils.metaestimators import available_if

from fastgd import losses
from fastgd.checks import InvalidDataError
from fastgd.data.frames import names_of
from fastgd.estimators.inputs import as_weights
from fastgd.estimators.linear import Linear
from fastgd.solver.inputs import has_targets, refuse_others
from fastgd.solver.options import Options
from fastgd.solver.planner import MOST_COLUMNS
from fastgd.solver.summarize import summarize
from fastgd.solver.summary import Summary
from fastgd.solver.targets import fit_summaries, summarize_targets


def _is_additive(regressor: Additive) -> bool:
    """Whether the fit needs products of the rows alone, which add up."""
    return isinstance(regressor._loss(), losses.SquaredError) and not regressor.early_stopping


class Additive(Linear):
    """A regressor that keeps the summary of its rows where it fits squared errors without early stopping."""

    summary_: Summary | tuple[Summary, ...]
    """The summary of the rows of all calls, or of each target."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = _is_additive(self)
        return tags

    def _takes_several_targets(self) -> bool:
        return _is_additive(self)

    def _keeps_summary(self) -> bool:
        return _is_additive(self) and self.n_features_in_ <= MOST_COLUMNS

    def _run(self, X: Any, y: Any, weights: Any, objective: dict[str, Any], options: Options) -> Any:
        """The fit of one target, or of several; X is a tuple of their summaries, or y has two dimensions."""
        if not (isinstance(X, tuple) or has_targets(y)):
            return super()._run(X, y, weights, objective, options)
        options.check()
        names, n_passes = names_of(y), 0
        if not isinstance(X, tuple):
            X, n_passes = summarize_targets(X, y, weights, options.n_threads)
        if options.summaries is not None:
            options.summaries += X
        return fit_summaries(X, names, n_passes, objective, self._rule(), options)

    @available_if(_is_additive)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Add these rows to those of earlier calls of `fit` and `partial_fit`, and fit to all of them.

        The fit is that of all rows at once to rounding, in any order of the calls. The model keeps d² numbers
        of its rows, for at most 1024 columns. It is there for squared errors without early stopping. X may be
        a `fastgd.Summary`.
        """
        is_first = not hasattr(self, "result_")
        X, y = self._checked_data(X, y, reset=is_first, is_part=True)
        if not self._keeps_summary():
            raise InvalidDataError(
                f"X has {self.n_features_in_} columns, and partial_fit keeps the products of at most "
                f"{MOST_COLUMNS}: fit to a source of all rows, or use SGDRegressor"
            )
        weights, n_threads = as_weights(sample_weight, X), self._threads()
        is_several = has_targets(y)
        new: tuple[Summary, ...]
        if isinstance(X, Summary):
            refuse_others("a Summary", y, sample_weight)
            new = (X,)
        elif is_several:
            new = tuple(summarize_targets(X, y, weights, n_threads)[0])
        else:
            new = (summarize(X, y, sample_weight=weights, n_threads=n_threads),)
        if not is_first:
            if not hasattr(self, "summary_"):
                raise ValueError("the last fit kept no summary of its rows: fit again with these parameters")
            old = self.summary_ if isinstance(self.summary_, tuple) else (self.summary_,)
            if len(old) != len(new) or is_several != isinstance(self.summary_, tuple):
                shapes = [f"(n, {len(part)})" if is_2d else "(n,)" for part, is_2d in (
                    (new, is_several), (old, isinstance(self.summary_, tuple)),
                )]  # fmt: skip
                raise InvalidDataError(f"y has shape {shapes[0]}, and that of earlier calls had {shapes[1]}")
            new = tuple(map(_added, old, new))
        whole = new if is_several else new[0]
        result = self._fitted(whole, None, None, None)
        self.summary_ = whole
        return self._keep(X, result)


def _added(old: Summary, new: Summary) -> Summary:
    """The rows of both. Rows without weights have weight 1."""
    common: dict[str, Any] = dict(
        has_weights=old.has_weights or new.has_weights, is_scalar=False, target_name="y", folds=()
    )
    return replace(old, **common) + replace(new, **common)
