"""The twins, held against what shares no formula with them: exact arithmetic and differences of the cost."""

from __future__ import annotations

import math
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from fastgd import reference

rationals = st.fractions(-10, 10, max_denominator=20)
problems = st.integers(1, 4).flatmap(
    lambda d: st.tuples(
        st.lists(st.lists(rationals, min_size=d, max_size=d), min_size=1, max_size=6),
        st.lists(rationals, min_size=6, max_size=6),
        st.lists(rationals, min_size=d, max_size=d),
    )
)


@given(problems)
def test_the_gradient_is_the_costs_difference(problem):
    """The cost is a quadratic: its central difference is its derivative, exactly, in rational numbers."""
    xs, ys, w = problem
    ys = ys[: len(xs)]
    step = Fraction(1, 3)
    for j, component in enumerate(reference.gradient(xs, ys, w)):
        up = [value + step * (k == j) for k, value in enumerate(w)]
        down = [value - step * (k == j) for k, value in enumerate(w)]
        difference = exact_cost(xs, ys, up) - exact_cost(xs, ys, down)
        assert math.isclose(component, difference / (2 * step), rel_tol=1e-12, abs_tol=1e-12)


def exact_cost(xs, ys, w):
    return sum(
        (sum((a * b for a, b in zip(x, w, strict=True)), Fraction(0)) - y) ** 2
        for x, y in zip(xs, ys, strict=True)
    ) / len(xs)


@given(problems)
def test_the_cost_is_the_mean_of_the_losses(problem):
    xs, ys, w = problem
    ys = ys[: len(xs)]
    assert math.isclose(reference.cost(xs, ys, w), exact_cost(xs, ys, w), rel_tol=1e-12, abs_tol=1e-300)
    assert reference.forward(xs[0], w) == sum((a * b for a, b in zip(xs[0], w, strict=True)), Fraction(0))


@given(problems)
def test_a_sgd_step_is_a_full_batch_step_on_one_row(problem):
    xs, ys, w = problem
    alone = reference.gradient(xs[:1], ys[:1], w)
    assert [float(g) for g in reference.sample_gradient(xs[0], ys[0], w)] == [float(g) for g in alone]


def test_hand_values_of_the_lesson():
    xs, ys = [1.0, 2.0, 3.0], [2.0, 4.0, 6.0]
    assert reference.forward(4, 1.0) == 4.0
    assert reference.cost(xs, ys, 1.0) == 14 / 3
    assert reference.gradient(xs, ys, 1.0) == -28 / 3
    assert reference.sample_gradient(3.0, 6.0, 1.0) == -18.0
    assert reference.proximal_step([1.0], [-28 / 3], [], 0.01, []) == [1.0933333333333333]
    assert reference.proximal_step([1.0, 2.0], [10.0, -10.0], [], 0.5, []) == [-4.0, 7.0]


def test_a_square_that_overflows_is_infinite():
    assert reference.loss(1e200, 0.0, 1.0) == math.inf
    assert reference.cost([1e200], [0.0], 1.0) == math.inf
