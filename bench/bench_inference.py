"""Least squares with standard errors, beside statsmodels' OLS on the same rows."""

from __future__ import annotations

import numpy as np
import pytest

import fastgd
from bench.contenders import Contender
from bench.harness import SMOKE, Case, assert_close, data, measure_whole, seconds_of

TOLERANCE = 1e-9
CASES = [Case(5000, d, "float64") for d in (10, 50)] if SMOKE else [
    Case(1_000_000, 10, "float64"), Case(200_000, 50, "float64"),
]  # fmt: skip
COV_TYPES = ["classical", "HC1", "HC3", "cluster"]


def groups_of(y):
    return np.arange(len(y)) % 1000


def fastgd_inference(X, y, cov_type):
    options = {"clusters": groups_of(y)} if cov_type == "cluster" else {}
    return lambda: fastgd.inference(X, y, fit_intercept=True, cov_type=cov_type, **options).standard_errors


def statsmodels_ols(X, y, cov_type):
    """By the pseudo-inverse, which is the default and mostly faster than QR."""
    import statsmodels.api as sm

    Z = np.column_stack([X, np.ones(len(y))])
    name = "nonrobust" if cov_type == "classical" else cov_type
    keywords = {"groups": groups_of(y)} if cov_type == "cluster" else {}
    return lambda: sm.OLS(y, Z).fit(cov_type=name, cov_kwds=keywords, use_t=True).bse


CONTENDERS = [Contender("fastgd", fastgd_inference), Contender("statsmodels", statsmodels_ols, "statsmodels")]


@pytest.mark.short(case=CASES[:1], cov_type=["classical", "HC3"])
@pytest.mark.parametrize("cov_type", COV_TYPES)
@pytest.mark.parametrize("contender", CONTENDERS, ids=str)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_standard_errors(benchmark, case, contender, cov_type):
    X, y, _ = data(case)
    call = contender.prepare(X, y, cov_type)
    few = slice(0, 3000)
    ours, theirs = (one.prepare(X[few], y[few], cov_type)() for one in (CONTENDERS[0], contender))
    assert_close(theirs, ours, TOLERANCE, "standard errors of the first rows")
    group = f"standard errors, {cov_type} {case}"
    summary = {"summarize": lambda: fastgd.summarize(X, y)} if contender.name == "fastgd" else None
    measure_whole(benchmark, group, contender.name, call, seconds_of(call), X=X, y=y, beside=summary)
