"""Signatures stay what they are, and tracebacks show the user's line."""

from __future__ import annotations

import inspect
import pickle
import traceback

import numpy as np
import pytest

import fastgd
from fastgd.estimators import GDRegressor, SGDClassifier
from fastgd.public import FULL, public

XS, YS = [1.0, 2.0, 3.0], [2.0, 4.0, 6.0]
NAN = np.full((10_000, 2), np.nan)


def frames(call):
    """The files and functions of an error's traceback, without this function's own."""
    try:
        call()
    except Exception as error:
        return [(frame.filename, frame.name) for frame in traceback.extract_tb(error.__traceback__)][1:]
    raise AssertionError("no error")


CALLS = [
    lambda: fastgd.gradient_descent(XS, YS, learning_rate=1.0, n_epochs=1000),
    lambda: fastgd.sgd(XS, YS, learning_rate=1.0, n_epochs=1000),
    lambda: fastgd.gradient_descent(NAN, np.ones(10_000)),
    lambda: fastgd.gradient_descent([1.0, float("nan")], [2.0, 4.0]),
    lambda: fastgd.gradient_descent([[1, 2], [3]], YS),
    lambda: fastgd.cost([1.0, float("nan")], [2.0, 4.0], 1.0),
    lambda: fastgd.gradient_descent(XS, YS, learning_rate=0.1).predict(["a"]),
    lambda: GDRegressor().fit(NAN, np.ones(10_000)),
    lambda: SGDClassifier().fit(NAN, np.arange(10_000) % 2),
]


@pytest.mark.parametrize("call", CALLS)
def test_a_traceback_has_the_users_line_and_one_of_fastgd(call):
    (file, name), (inner, _) = frames(call)
    assert (file, name) == (__file__, "<lambda>")
    assert inner.endswith("public.py")


def test_nothing_is_chained():
    """The error of the conversion that failed is no help."""
    with pytest.raises(fastgd.InvalidDataError) as caught:
        fastgd.gradient_descent([[1, 2], [3]], YS)
    assert "During handling" not in "".join(traceback.format_exception(caught.value))


def test_a_variable_of_the_environment_keeps_the_lines_inside(monkeypatch):
    monkeypatch.setenv(FULL, "full")
    assert any(name == "report_divergence" for _, name in frames(CALLS[0]))


def test_other_errors_keep_their_lines():
    def stop(state):
        raise ZeroDivisionError

    found = frames(lambda: fastgd.gradient_descent(XS, YS, n_epochs=3, callback=stop))
    assert found[-1] == (__file__, "stop")


def test_a_wrong_keyword_has_a_short_traceback_too():
    assert len(frames(lambda: fastgd.gradient_descent(XS, YS, lr=0.1))) == 2


def test_functions_keep_their_names_and_signatures():
    @public
    def function(X, y=None, *, rate: float = 0.5) -> float:
        """What it does."""
        return rate

    assert str(inspect.signature(function)) == "(X, y=None, *, rate: 'float' = 0.5) -> 'float'"
    assert (function.__name__, function.__doc__, function(1, rate=2.0)) == ("function", "What it does.", 2.0)
    assert pickle.loads(pickle.dumps(fastgd.gradient_descent)) is fastgd.gradient_descent
    assert GDRegressor(alpha=2.0).get_params()["alpha"] == 2.0


def test_a_class_of_the_user_is_left_alone():
    class Own(GDRegressor):
        def fit(self, X, y):
            return super().fit(X, y)

    found = frames(lambda: Own().fit(NAN, np.ones(10_000)))
    assert [name for _, name in found] == ["<lambda>", "fit", "call"]


def test_an_error_in_a_function_of_the_user_keeps_its_lines():
    def callback(state):
        fastgd.gradient_descent([1.0, float("nan")], [1.0, 2.0])

    with pytest.raises(fastgd.InvalidDataError) as caught:
        fastgd.gradient_descent([1.0, 2.0], [1.0, 2.0], callback=callback)
    assert "callback" in [entry.name for entry in caught.traceback]
