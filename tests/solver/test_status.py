"""How a fit says that it ended."""

from __future__ import annotations

import pytest

import fastgd
from fastgd.solver import status

XS, YS = [1.0, 2.0, 3.0], [2.0, 4.0, 6.0]


def fitted(**options):
    return fastgd.gradient_descent(XS, YS, **dict(w0=1.0, learning_rate=0.01, n_epochs=10) | options)


@pytest.mark.parametrize(
    ("options", "ending", "sentence"),
    [
        ({}, "not converged", "w was still moving after 10 epochs; the cost went from 4.66667 to 0.657597"),
        (dict(n_epochs=0), "not converged", "no epochs; the cost went from 4.66667 to 4.66667"),
        (
            dict(w0=2.0, n_epochs=2),
            "converged",
            "converged: the last of 2 epochs changed no weight; the cost went from 0 to 0",
        ),
        (
            dict(callback=lambda state: state.epoch == 1),
            "stopped",
            "stopped after 2 epochs: the callback returned True; the cost went from 4.66667 to 3.15353",
        ),
        (dict(history=None), "not converged", "w was still moving after 10 epochs"),
    ],
)
def test_endings_and_sentences(options, ending, sentence):
    fit = fitted(**options)
    assert (status.ending(fit), status.sentence(fit), fit.status) == (ending, sentence, sentence)


def test_a_diverged_fit_says_so():
    with pytest.raises(fastgd.DivergenceError) as caught:
        fitted(learning_rate=1.0, n_epochs=1000)
    assert status.ending(caught.value.result) == "diverged"
    assert status.sentence(caught.value.result).startswith("diverged; 166 epochs done; the cost went from")


def test_the_outcome_has_the_last_cost_only_if_costs_are_kept():
    assert status.outcome(fitted()) == "10 epochs, cost 0.658, not converged"
    assert status.outcome(fitted(history=None)) == "10 epochs, not converged"
