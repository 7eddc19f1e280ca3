"""Estimators for scikit-learn: GDRegressor, GDRegressorCV, GDClassifier, SGDRegressor and SGDClassifier."""

try:
    import sklearn  # noqa: F401
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        "fastgd.estimators needs scikit-learn: pip install 'fastgd[sklearn]'"
    ) from missing

from fastgd.estimators.classifiers import GDClassifier, SGDClassifier
from fastgd.estimators.cross_validated import GDRegressorCV
from fastgd.estimators.linear import EstimatorConvergenceWarning
from fastgd.estimators.regressors import GDRegressor, SGDRegressor

__all__ = [
    "EstimatorConvergenceWarning",
    "GDClassifier",
    "GDRegressor",
    "GDRegressorCV",
    "SGDClassifier",
    "SGDRegressor",
]
