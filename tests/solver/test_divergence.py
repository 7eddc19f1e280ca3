"""The error of a run that diverged."""

from __future__ import annotations

import pickle

import pytest

import fastgd

XS, YS = [1.0, 2.0, 3.0], [2.0, 4.0, 6.0]


def test_a_divergence_error_can_be_pickled():
    with pytest.raises(fastgd.DivergenceError) as caught:
        fastgd.gradient_descent(XS, YS, w0=1.0, learning_rate=1.0, n_epochs=10**4)
    again = pickle.loads(pickle.dumps(caught.value))
    assert again.epoch == caught.value.epoch
    assert again.result.w == caught.value.result.w
    assert str(again) == str(caught.value)
