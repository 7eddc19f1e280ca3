"""Fits for other programs: JSON, and models of scikit-learn."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

from fastgd.data.coding import values_of
from fastgd.data.files import Path
from fastgd.io import npz

FORMAT, VERSION = "fastgd fit", 1
COUNTS = "n_epochs", "n_samples", "n_updates", "n_passes"
FIELDS = "converged", "diverged", *COUNTS, "solver", "backend", "method", "elapsed"
"""The fields of a result that stand in JSON under their own names."""


def as_json(fit: Any) -> str:
    """The text of `FitResult.to_json`."""
    weights: Any = np.asarray(fit.w).tolist()
    if fit.feature_names:
        weights = dict(zip(fit.feature_names, np.ravel(fit.w).tolist(), strict=True))
    about = {"format": FORMAT, "version": VERSION, "status": fit.status, "cost": fit._cost}
    about |= {"weights": weights, "one_dimension": np.ndim(fit.w) == 0, "intercept": fit.intercept}
    about |= fit.coding._asdict()
    about |= {name: getattr(fit, name) for name in FIELDS} | {"options": fit._options}
    return json.dumps(_without_nonfinite(about), indent=1, allow_nan=False)


def write_json(fit: Any, path: Path) -> str:
    """Write the text to a file, whole or not at all."""
    text = as_json(fit)
    with npz.replacing(path) as file:
        file.write(text.encode() + b"\n")
    return text


def _without_nonfinite(value: Any) -> Any:
    """The value with None for numbers that are not finite."""
    if isinstance(value, dict):
        return {key: _without_nonfinite(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_without_nonfinite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def as_sklearn(fit: Any) -> Any:
    """The model of `FitResult.to_sklearn`."""
    loss = fit._options.get("loss")
    if loss not in ("squared_error", "log_loss"):
        what = f"this fit has loss={loss!r}" if loss else "this fit does not say its loss"
        raise ValueError(
            "to_sklearn() makes a LinearRegression of squared_error or a LogisticRegression of log_loss, and "
            f"{what}: use fit.predict"
        )
    try:
        from sklearn.linear_model import LinearRegression, LogisticRegression
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("to_sklearn() needs scikit-learn: pip install 'fastgd[sklearn]'") from error
    fit_intercept, w = fit._options["fit_intercept"], np.array(fit.w, np.float64).ravel()
    if loss == "squared_error":
        model = LinearRegression(fit_intercept=fit_intercept)
        model.coef_, model.intercept_ = w, fit.intercept
    else:
        model = LogisticRegression(fit_intercept=fit_intercept)
        model.coef_, model.intercept_ = w[None], np.array([fit.intercept])
        model.classes_ = values_of(fit.coding.classes or ("0", "1"))
        model.n_iter_ = np.array([fit.n_epochs], np.int32)
    model.n_features_in_ = len(w)
    if fit.feature_names:
        model.feature_names_in_ = np.array(fit.feature_names, dtype=object)
    return model
