"""make_linear and alternatives. A call counts as an epoch, and writes each row once."""

from __future__ import annotations

import numpy as np
import pytest

import fastgd
from bench import contenders
from bench.harness import CASES, data, measure


def fastgd_data(case, **options):
    return fastgd.make_linear(case.n, case.d, noise=0.1, seed=1, **options)[:2]


def numpy_data(case):
    rng = np.random.default_rng(1)
    X = rng.standard_normal(case.n if case.d is None else (case.n, case.d))
    w = rng.standard_normal(case.d)  # a number where d is None
    return X, np.dot(X, w) + 0.1 * rng.standard_normal(case.n)


def sklearn_data(case):
    from sklearn.datasets import make_regression

    width = case.d or 1
    X, y = make_regression(case.n, width, n_informative=width, noise=0.1, shuffle=False, random_state=1)
    return (X[:, 0] if case.d is None else X), y


CONTENDERS = [
    contenders.Contender("fastgd", fastgd_data),
    contenders.Contender("python", lambda case: fastgd_data(case, backend="python"), most_numbers=1000),
    contenders.Contender("numpy", numpy_data),
    contenders.Contender("scikit-learn", sklearn_data, "sklearn"),
]


@pytest.mark.parametrize(("case", "contender"), contenders.parameters(CONTENDERS, CASES), ids=str)
def test_make_linear(benchmark, case, contender):
    X, y, _ = data(case)

    def call(n_calls):
        for _ in range(n_calls):
            result = contender.prepare(case)
        return result

    def check(result, _n):
        made_X, made_y = result
        assert (made_X.shape, made_y.shape) == (X.shape, y.shape)
        if contender.name in ("fastgd", "python"):
            np.testing.assert_array_equal(made_X, X)
            np.testing.assert_array_equal(made_y, y)
        elif case.n >= 1000:  # other random numbers: the same distribution within five standard errors
            error = 5 / np.sqrt(X.size)
            assert abs(made_X.mean()) <= error
            assert abs(made_X.std() - 1) <= error

    measure(benchmark, f"make_linear {case}", contender.name, call, check=check, X=X, y=y)
