"""Losses of one's own."""

from __future__ import annotations

import math
import os
import subprocess
import sys

import numpy as np
import pytest

import fastgd
from fastgd import losses
from tests.conftest import JIT_IS_OFF
from tests.helpers import ROOT
from tests.problems import BACKENDS, Smooth, problem


class Static:
    curvature = 2.0

    @staticmethod
    def value(score, y):
        return (score - y) ** 2

    @staticmethod
    def slope(score, y):
        return 2.0 * (score - y)


class Wrong(Static):
    @staticmethod
    def slope(score, y):
        return score - y


class Infinite(Static):
    @staticmethod
    def value(score, y):
        return math.inf


class Uncompiled:
    def value(self, score, y):
        return open(score)

    slope = value


class Slopeless:
    def value(self, score, y):
        return 0.0


@pytest.mark.parametrize("backend", ["numba", "python"])
def test_static_methods_and_parameters_as_attributes(rng, backend):
    X, y = problem(rng, 30, 2)
    how = dict(learning_rate=0.1, n_epochs=5, backend=backend)
    squared = fastgd.gradient_descent(X, y, **how, l2=0.1)
    for loss in (Static(), Static):
        own = fastgd.gradient_descent(X, y, loss=loss, **how, l2=0.1)
        np.testing.assert_allclose(own.w_history, squared.w_history, rtol=1e-13)
        np.testing.assert_allclose(own.cost_history, squared.cost_history, rtol=1e-13)
        steps = fastgd.sgd(X, y, loss=loss, **how)
        np.testing.assert_allclose(steps.w, fastgd.sgd(X, y, **how).w, rtol=1e-12)
    flat, steep = (fastgd.gradient_descent(X, y, loss=Smooth(c), **how) for c in (0.1, 100.0))
    assert np.max(np.abs(flat.w - steep.w)) > 0.01
    np.testing.assert_allclose(steep.w, fastgd.gradient_descent(X, y, **how).w, rtol=1e-3)
    again = fastgd.gradient_descent(X, y, loss=Smooth(0.1), **how)
    assert again.w.tobytes() == flat.w.tobytes()


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (Wrong(), r"^loss Wrong: slope\(.*\) is .*, and its value changes by .*; slope must be ∂value"),
        (Infinite(), r"^loss Infinite: its value or slope is not finite at any score near y or 0$"),
        (Uncompiled(), r"^loss Uncompiled: (Numba cannot compile|an error in) its value or slope \(.*\)$"),
    ],
)
@pytest.mark.parametrize("backend", ["numba", "python"])
def test_a_loss_that_does_not_hold_together_is_refused(loss, message, backend):
    for fit_by in (fastgd.gradient_descent, fastgd.sgd):  # the second time too
        with pytest.raises(ValueError, match=message) as caught:
            fit_by([1.0, 2.0], [1.0, 0.0], loss=loss, learning_rate=0.1, backend=backend)
        assert "\n" not in str(caught.value)


def test_a_loss_without_its_methods_is_refused():
    with pytest.raises(TypeError, match=r"^loss has no method slope\(self, score, y\): <.*value and slope$"):
        fastgd.sgd([1.0], [1.0], loss=Slopeless(), learning_rate=0.1)


@pytest.mark.parametrize("kind", [int, float, np.float64, np.float32, np.int64])
def test_parameters_of_any_kind_of_number(kind):
    fit = fastgd.gradient_descent([1.0, 2.0], [1.0, 0.0], loss=Smooth(kind(2)), learning_rate=0.1, n_epochs=2)
    plain = fastgd.gradient_descent([1.0, 2.0], [1.0, 0.0], loss=Smooth(2.0), learning_rate=0.1, n_epochs=2)
    assert fit.w == plain.w


def test_targets_without_a_number_are_named_with_an_own_loss_too():
    class Fresh(Static):
        pass

    with pytest.raises(fastgd.InvalidDataError, match=r"^y\[0\] is NaN"):
        fastgd.gradient_descent([1.0, 2.0], [np.nan, np.nan], loss=Fresh(), learning_rate=0.1)


def test_what_is_no_loss_is_told_in_one_sentence():
    assert losses.as_loss(losses.Huber) == losses.Huber()  # the class stands for its default
    with pytest.raises((TypeError, ValueError), match=r"delta must be"):
        fastgd.gradient_descent([1.0, 2.0], [1.0, 0.0], loss=losses.Huber("much"), learning_rate=0.1)


def test_a_curvature_that_is_negative_is_refused():
    loss = Smooth()
    loss.curvature = -1.0
    with pytest.raises(ValueError, match=r"^loss Smooth.* curvature"):
        fastgd.gradient_descent([1.0, 2.0], [1.0, 0.0], loss=loss)


@pytest.mark.skipif(JIT_IS_OFF, reason="nothing is compiled")
def test_why_a_loss_does_not_compile_is_told():
    """The name that is missing, and not the stage of the compiler."""

    class Forgetful(Static):
        def value(self, score, y):
            return self.factor * (score - y) ** 2

    with pytest.raises(ValueError, match=r"^loss Forgetful: .*factor"):
        fastgd.gradient_descent([1.0, 2.0], [1.0, 0.0], loss=Forgetful(), learning_rate=0.1)


def test_a_loss_without_curvature_gets_rates_that_fall():
    class Kinked:
        def value(self, score, y):
            return abs(score - y)

        def slope(self, score, y):
            return 1.0 if score > y else -1.0

    fit = fastgd.gradient_descent([1.0, 2.0, 4.0], [2.0, 4.1, 8.0], loss=Kinked(), n_epochs=9)
    np.testing.assert_allclose(
        fit.learning_rates, fit.learning_rates[0] / np.sqrt(np.arange(1, 10)), rtol=1e-14
    )


OWN = """
import numpy as np
import fastgd

class Own:
    curvature = 2.0
    def value(self, score, y):
        return {factor} * (score - y) ** 2
    def slope(self, score, y):
        return {factor} * 2.0 * (score - y)

print(fastgd.gradient_descent([[1.0], [2.0]], [1.0, 2.0], loss=Own(), learning_rate=0.1, n_epochs=1).w[0])
print(fastgd.sgd([[1.0], [2.0]], [1.0, 2.0], loss=Own(), learning_rate=0.1, n_epochs=1).w[0])
"""


@pytest.mark.skipif(JIT_IS_OFF, reason="nothing is compiled")
def test_machine_code_of_an_own_loss_is_not_kept(tmp_path):
    def run(factor):
        environment = os.environ | {
            "FASTGD_CACHE_DIR": str(tmp_path),
            "PYTHONPATH": str(ROOT),
        }
        done = subprocess.run(
            [sys.executable, "-c", OWN.format(factor=factor)],
            env=environment, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return list(map(float, done.stdout.split()))

    assert run(1.0) == pytest.approx([0.5, 0.84], rel=1e-14)
    files = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert files
    assert not any(b"OwnLoss" in text for text in files.values())
    # The same names and numbers, other code.
    assert run(0.5) == pytest.approx([0.25, 0.46], rel=1e-14)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == files


def same_name(factor):
    class Scaled:
        curvature = 2.0 * factor

        def value(self, score, y):
            return factor * (score - y) ** 2

        def slope(self, score, y):
            return 2.0 * factor * (score - y)

    return Scaled()


@pytest.mark.parametrize("backend", BACKENDS)
def test_classes_of_one_name_are_not_taken_for_one_another(backend):
    X, y = [1.0, 2.0, 4.0], [1.0, 0.0, 2.0]
    first, third = (fastgd.cost(X, y, 0.3, loss=same_name(factor), backend=backend) for factor in (1.0, 3.0))
    assert third == pytest.approx(3.0 * first, rel=1e-14)


class Poisson:
    """exp(score) − y·score: the score is the logarithm of what y counts."""

    def value(self, score, y):
        return math.exp(score) - y * score

    def slope(self, score, y):
        return math.exp(score) - y


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_loss_whose_score_has_another_unit_than_y(backend):
    y = [700.0, 800.0, 1000.0, 900.0]
    fit = fastgd.gradient_descent(
        [[1.0]] * 4,
        y,
        loss=Poisson(),
        learning_rate=1e-3,
        n_epochs=300,
        w0=[6.0],
        backend=backend,
    )
    assert fit.w[0] == pytest.approx(math.log(850.0), rel=1e-9)
