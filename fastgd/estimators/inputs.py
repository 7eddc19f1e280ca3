"""The inputs of the estimators: scikit-learn's checks, with errors that name the column."""

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
from fastgd.solver.inputs import has_targets
from fastgd.solver.summary import Summary
from fastgd.wording import SHOWN, cell, listed

Matrix = NDArray[Any] | NamedArray


def as_matrix(estimator: Any, X: Any, *, reset: bool) -> Matrix:
    """X as an array (n, d) of numbers, with the names of its columns if it has any. NaN is allowed.

    Sets `n_features_in_` and `feature_names_in_` of the estimator if `reset`, and checks them otherwise, as
    scikit-learn's `validate_data` does.
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
    frames.refuse_repeated("X", names, names)
    if isinstance(table, ColumnTable):
        table.warn_of_rounding("X")
    values = table.whole() if isinstance(table, ColumnTable) else _floats(table)
    values = check_array(values, input_name="X", estimator=estimator, ensure_all_finite=False)
    validate_data(estimator, X, reset=reset, skip_check_array=True)
    if not reset:
        _check_names(estimator, names)
    return NamedArray(names, values) if names else values


def check_source(estimator: Any, d: int, columns: tuple[str, ...]) -> None:
    """Refuse other columns than those of the fit, as `as_matrix` refuses arrays."""
    if d != estimator.n_features_in_:
        raise InvalidDataError(
            f"X has {d} features, but {type(estimator).__name__} is expecting {estimator.n_features_in_} "
            "features as input."
        )
    _check_names(estimator, columns)


def _check_names(estimator: Any, names: tuple[str, ...]) -> None:
    if frames.differ(known := estimator._names, names):
        raise InvalidDataError(
            f"X has the columns {listed(names)}, and {type(estimator).__name__} was fitted to "
            f"{listed(known)}: pass those, in that order"
        )


def _floats(values: NDArray[Any]) -> NDArray[Any]:
    """Convert integers that floats round, with a warning, so that later fits do not warn again."""
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
            as_array("X", X)  # raises an error that names the place
        raise
    if is_of_objects:
        rounding.warn_of_objects(X, values, lambda at: cell("X", *at))
    return values


def as_targets(y: Any, *, may_be_several: bool = False) -> Any:
    """y as an array (n,) of numbers or labels, or as it is if it has two dimensions and may have them."""
    if is_dask(y):
        y = y.compute()
    if may_be_several and has_targets(y):
        return y
    if not (type(y) is np.ndarray and y.ndim == 1):
        y = column_or_1d(y, warn=True)
    if y.dtype.kind == "O" and all(isinstance(value, (numbers.Real, np.bool_)) for value in y):
        y = np.array(y.tolist())
    return y


def as_weights(sample_weight: Any, X: Any) -> Any:
    """The weights of the rows of X. A number is the weight of every row, as in scikit-learn."""
    if isinstance(sample_weight, numbers.Real) and not isinstance(X, (Source, Summary)):
        return np.full(len(X.values if isinstance(X, NamedArray) else X), float(sample_weight))
    return sample_weight


def as_start(name: str, value: Any, shape: tuple[int, ...]) -> Floats:
    """Initial weights (n_models, d) or intercepts (n_models,). One model needs no first axis."""
    values = as_array(name, value).astype(np.float64)
    allowed = [shape, shape[1:]] if shape[0] == 1 else [shape]
    if values.shape not in allowed:
        expected = " or ".join("a number" if size == () else str(size) for size in reversed(allowed))
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
    """`values` in float32 if X is float32 and no value overflows, otherwise in float64."""
    if isinstance(X, Summary):
        return values
    if isinstance(X, Source):
        dtype = X.dtypes[0]
    else:
        dtype = kernel_dtype((X.values if isinstance(X, NamedArray) else X).dtype)
    with np.errstate(over="ignore", under="ignore"):
        cast = values.astype(dtype, copy=False)
    return cast if np.isfinite(cast).all() else values


def refuse_missing_labels(y: NDArray[Any]) -> None:
    """Refuse NaN, infinity and None as labels."""
    if y.dtype.kind == "f" and (bad := first_nonfinite(y[:, None])) is not None:
        raise refused_nonfinite("y", bad[2], at=RowPlace("", bad[0]))
    if y.dtype.kind == "O" and (rows := [i for i, label in enumerate(y) if label is None or label != label]):
        raise InvalidDataError("is missing", what="y", remedy=DROP, at=RowPlace("", rows[0]))


def listing(classes: Any) -> str:
    """The first dozen classes as text for messages."""
    shown = [display.value(label, 60) for label in np.asarray(classes).tolist()[:SHOWN]]
    more = f" and {len(classes) - SHOWN} more" if len(classes) > SHOWN else ""
    return ", ".join(shown) + more


def class_weights(weights: dict[Any, Any], classes: Any) -> Floats:
    """The weight of each class, 1 for a class without an entry in `weights`."""
    labels = np.asarray(classes).tolist()
    for label, weight in weights.items():
        name = f"class_weight[{display.value(label)}]"
        if label not in labels:
            raise ValueError(f"{name} is not a class; the classes are {listing(classes)}")
        if isinstance(weight, (bool, np.bool_)) or not isinstance(weight, numbers.Real):
            raise ValueError(f"{name} must be a number, not {display.value(weight, 60)}")
        if not 0.0 <= float(weight) < np.inf:
            raise ValueError(f"{name} is {display.value(weight)}; it must be finite and not negative")
    return np.array([float(weights.get(label, 1.0)) for label in labels])


def times_class_weights(sample_weight: Floats, factors: Floats) -> Floats:
    """The weight of each row times the weight of its class."""
    with np.errstate(over="ignore"):
        weights = sample_weight * factors
        total = np.sum(weights)
    if not np.isfinite(total):
        raise ValueError("class_weight times sample_weight adds up to more than a float holds; scale them")
    if not total > 0.0:
        raise ValueError("class_weight leaves every row a weight of zero; at least one row must count")
    return weights
