"""Streamed epochs of both solvers and of alternatives, and the lesson's call."""

from __future__ import annotations

import numpy as np
import pytest

import fastgd
from bench import contenders
from bench.harness import CASES, assert_close, default_threads, measure_calls, measure_loop

LESSON = ([1.0, 2.0, 3.0], [2.0, 4.0, 6.0])


@pytest.mark.parametrize(("case", "contender"), contenders.parameters(contenders.DESCENT, CASES), ids=str)
def test_gradient_descent(benchmark, case, contender):
    # With a small rate w still moves in the last epoch, so that a wrong step would show.
    measure_loop(benchmark, fastgd.gradient_descent, case, contender, 0.01, default_threads())


@pytest.mark.parametrize(("case", "contender"), contenders.parameters(contenders.SGD, CASES), ids=str)
def test_sgd(benchmark, case, contender):
    # The rate is below 1/max‖x‖² for normal rows. SGD in order reads on one thread, and so does the plain
    # read.
    measure_loop(benchmark, fastgd.sgd, case, contender, 0.02 / (case.d or 1), 1)


def fastgd_lesson(xs, ys):
    fit = fastgd.gradient_descent(xs, ys, w0=1.0, learning_rate=0.01, n_epochs=100)
    return fit.w_history, fit.cost_history


def loop_lesson(prepare):
    """The lesson's loop around a contender's cost and gradient, including the conversion of the lists."""

    def lesson(xs, ys):
        cost_and_gradient = prepare(xs, ys)
        weights, costs = [1.0], []
        for _ in range(100):
            cost, gradient = cost_and_gradient(weights[-1])
            costs.append(cost)
            weights.append(weights[-1] - 0.01 * gradient)
        return weights, [*costs, cost_and_gradient(weights[-1])[0]]

    return lesson


def python_cost_and_gradient(xs, ys):
    """The lesson's two functions, as written there."""

    def cost_and_gradient(w):
        cost = 0
        for x, y in zip(xs, ys):  # noqa: B905
            cost += (x * w - y) ** 2
        grad = 0
        for x, y in zip(xs, ys):  # noqa: B905
            grad += 2 * x * (x * w - y)
        return cost / len(xs), grad / len(xs)

    return cost_and_gradient


def from_lists(prepare):
    return lambda xs, ys: prepare(np.array(xs), np.array(ys))


LESSON_CONTENDERS = [
    contenders.Contender("fastgd", fastgd_lesson),
    contenders.Contender("python", loop_lesson(python_cost_and_gradient)),
    contenders.Contender("numpy", loop_lesson(from_lists(contenders.numpy_cost_and_gradient))),
    contenders.Contender("numba", loop_lesson(from_lists(contenders.numba_cost_and_gradient)), "numba"),
]


@pytest.mark.short
@pytest.mark.parametrize("contender", LESSON_CONTENDERS, ids=str)
def test_lesson(benchmark, contender):
    """Three samples, 100 epochs, from lists to every weight and cost. Times a call, not an epoch."""

    def call():
        return contender.prepare(*LESSON)

    w_history, cost_history = call()
    expected = fastgd_lesson(*LESSON)
    assert_close(w_history, expected[0], 1e-12, "w_history")
    assert_close(cost_history, expected[1], 1e-12, "cost_history")
    measure_calls(benchmark, "the lesson: 3 samples, 100 epochs, lists in", contender.name, call, rounds=200)
