"""X, y and weights as the estimators take them: scikit-learn's checks, with sentences that name columns."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.utils import check_array, column_or_1d
from sklearn.utils.validation import validate_data

from fastgd import display
from fastgd.checks import DROP, InvalidDataError, RowPlace, first_nonfinite, refused_nonfinite
from fastgd.data import frames, rounding
from fastgd.data.arrays import as_array, kernel_dtype
from fastgd.data.chunks import Source
from fastgd.data.frames import ColumnTable, NamedArray
from fastgd.distributed.collections import is_dask
from fastgd.engine.blocks import Floats
from fastgd.wording import SHOWN, cell, listed

Matrix = NDArray[Any] | NamedArray


def as_matrix(estimator: Any, X: Any, *, reset: bool) -> Matrix:
    """X as an array (n, d) of numbers, finite or not, with the names of its columns where it has some.

    Sets or checks `n_features_in_` and `feature_names_in_`, as scikit-learn's `validate_data` does.
    """
    if issparse(X):
        raise TypeError(
            f"X is sparse, and {type(estimator).__name__} takes dense data: in a pipeline pass "
            "OneHotEncoder(sparse_output=False) or ColumnTransformer(..., sparse_threshold=0); of a matrix "
            "pass X.toarray()"
        )
    if is_dask(X):
        X = X.compute()
    names, table = frames.names_of(X), frames.as_table("X", X)
    if table is None:
        return _floats(_checked(estimator, X, reset))
    if twice := [one for one in names if names.count(one) > 1]:
        problem = f"has {names.count(twice[0])} columns {listed(twice[:1])}"
        raise InvalidDataError(problem, what="X", remedy="rename them")
    if isinstance(table, ColumnTable):
        table.warn_of_rounding("X")
    values = table.whole() if isinstance(table, ColumnTable) else _floats(table)
    values = check_array(values, input_name="X", estimator=estimator, ensure_all_finite=False)
    validate_data(estimator, X, reset=reset, skip_check_array=True)
    if not reset:
        _check_names(estimator, names)
    return NamedArray(names, values) if names else values


def check_source(estimator: Any, X: Source) -> None:
    """Refuse a source of other columns than the estimator was fitted to, as `as_matrix` refuses arrays."""
    if X.d != estimator.n_features_in_:
        raise InvalidDataError(
            f"X has {X.d} features, but {type(estimator).__name__} is expecting {estimator.n_features_in_} "
            "features as input."
        )
    _check_names(estimator, X.columns)


def _check_names(estimator: Any, names: tuple[str, ...]) -> None:
    if frames.differ(known := estimator._names, names):
        raise InvalidDataError(
            f"X has the columns {listed(names)}, and {type(estimator).__name__} was fitted to "
            f"{listed(known)}: pass those, in that order"
        )


def _floats(values: NDArray[Any]) -> NDArray[Any]:
    """The array, or its floats where some whole number has been warned of: several fits warn once."""
    if rounding.may_round(values.dtype) and rounding.first_rounded(values) is not None:
        rounding.warn_of_rounded(("X", values))
        return values.astype(np.float64)
    return values


def _checked(estimator: Any, X: Any, reset: bool) -> NDArray[Any]:
    is_of_objects = isinstance(X, np.ndarray) and X.dtype.kind == "O"
    try:
        values = validate_data(estimator, X, reset=reset, ensure_all_finite=False)
    except ValueError:
        if is_of_objects:
            as_array("X", X)  # which names the place of what is no number
        raise
    if is_of_objects:
        rounding.warn_of_objects(X, values, lambda at: cell("X", *at))
    return values


def as_targets(y: Any) -> NDArray[Any]:
    """y as an array (n,), of numbers or of labels."""
    if is_dask(y):
        y = y.compute()
    if not (type(y) is np.ndarray and y.ndim == 1):
        y = column_or_1d(y, warn=True)
    if y.dtype.kind == "O" and all(isinstance(one, (numbers.Real, np.bool_)) for one in y):
        y = np.array(y.tolist())
    return y


def as_weights(sample_weight: Any, X: Any) -> Any:
    """Weights of the rows of X; one number is that of each row, as in scikit-learn."""
    if isinstance(sample_weight, numbers.Real) and not isinstance(X, Source):
        return np.full(len(X.values if isinstance(X, NamedArray) else X), float(sample_weight))
    return sample_weight


def as_start(name: str, value: Any, shape: tuple[int, ...]) -> Floats:
    """Initial weights (n_models, d), or intercepts (n_models,); one model takes a row, or one number, too."""
    values = as_array(name, value).astype(np.float64)
    taken = [shape, shape[1:]] if shape[0] == 1 else [shape]
    if values.shape not in taken:
        expected = " or ".join("a number" if one == () else str(one) for one in reversed(taken))
        raise InvalidDataError(f"has shape {values.shape}; it must be {expected}", what=name)
    values = values.reshape(shape)
    if (bad := first_nonfinite(values.reshape(len(values), -1))) is not None:
        row, column, value = bad
        raise refused_nonfinite(
            name, value, column=column if values.ndim == 2 else None, at=RowPlace("", row),
            remedy="a fit begins at finite numbers",
        )  # fmt: skip
    return values


def like(X: Any, values: Floats) -> NDArray[Any]:
    """What was computed for X: in float32 for a float32 X, unless that overflows; else in float64."""
    if isinstance(X, Source):
        dtype = X.dtypes[0]
    else:
        dtype = kernel_dtype((X.values if isinstance(X, NamedArray) else X).dtype)
    with np.errstate(over="ignore", under="ignore"):
        cast = values.astype(dtype, copy=False)
    return cast if np.isfinite(cast).all() else values


def refuse_missing_labels(y: NDArray[Any]) -> None:
    """Labels may be numbers, but NaN, infinity and None are none."""
    if y.dtype.kind == "f" and (bad := first_nonfinite(y[:, None])) is not None:
        raise refused_nonfinite("y", bad[2], at=RowPlace("", bad[0]))
    if y.dtype.kind == "O" and (rows := [i for i, one in enumerate(y) if one is None or one != one]):
        raise InvalidDataError("is missing", what="y", remedy=DROP, at=RowPlace("", rows[0]))


def told(classes: Any) -> str:
    """Classes, for sentences: not more than a dozen."""
    shown = [display.value(one, 60) for one in np.asarray(classes).tolist()[:SHOWN]]
    more = f" and {len(classes) - SHOWN} more" if len(classes) > SHOWN else ""
    return ", ".join(shown) + more


def class_weights(given: dict[Any, Any], classes: Any) -> Floats:
    """The weight of each class: as `class_weight` gives it, 1 where it does not."""
    known = np.asarray(classes).tolist()
    for label, weight in given.items():
        name = f"class_weight[{display.value(label)}]"
        if label not in known:
            raise ValueError(f"{name} names no class; the classes are {told(classes)}")
        if isinstance(weight, (bool, np.bool_)) or not isinstance(weight, numbers.Real):
            raise ValueError(f"{name} must be a number, not {display.value(weight, 60)}")
        if not 0.0 <= float(weight) < np.inf:
            raise ValueError(f"{name} is {display.value(weight)}; it must be finite and not negative")
    return np.array([float(given.get(label, 1.0)) for label in known])


def times_class_weights(each: Floats, factors: Floats) -> Floats:
    """The weights of rows times those of their classes."""
    with np.errstate(over="ignore"):
        weights = each * factors
        total = np.sum(weights)
    if not np.isfinite(total):
        raise ValueError("class_weight times sample_weight adds up to more than a float holds; scale them")
    if not total > 0.0:
        raise ValueError("class_weight leaves every row a weight of zero; at least one row must count")
    return weights
