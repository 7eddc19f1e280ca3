"""The epoch loop alone, on a stepper that holds no data."""

from __future__ import annotations

import numpy as np
import pytest

from fastgd.solver import loop
from fastgd.solver.steppers.base import StallRule, new_state


class Halving(StallRule):
    """Every epoch halves w; the cost is w². At epoch `breaks_at` the weight is no longer finite."""

    def __init__(self, epochs_per_call, breaks_at=10**9):
        self.epochs_per_call, self.breaks_at, self.calls = epochs_per_call, breaks_at, []

    def start(self, state, want_cost):
        return state, float(state.point[0] ** 2) if want_cost else None

    def advance(self, state, rates, batch, allow_divergence):
        self.calls.append(len(rates))
        for k in range(len(rates)):
            broken = state.epoch == self.breaks_at
            if broken and not allow_divergence:
                return state, k
            w = np.array([np.nan]) if broken else state.point / 2
            state = state._replace(point=w, epoch_start=state.point, epoch=state.epoch + 1)
            batch.costs[k : k + 1] = w**2
            batch.weights[k : k + 1] = w
        return state, len(rates)


def run(stepper, n_epochs, history="epochs", stop=True, checked=None, start=1.0, callbacks=()):
    return loop.run_epochs(
        stepper,
        new_state(np.array([start])),
        np.full(n_epochs, 0.1),
        loop.Recorded(history, costs=True, losses=False, n_gradients=1),
        callbacks,
        stop_when_diverged=stop,
        check_data=(lambda: None) if checked is None else (lambda: checked.append(1)),
    )


@pytest.mark.parametrize("epochs_per_call", [1, 3, 4, 100])
def test_histories_do_not_depend_on_how_many_epochs_a_call_takes(epochs_per_call):
    stepper = Halving(epochs_per_call)
    done = run(stepper, 10)
    assert done.weights[:, 0].tolist() == [0.5**epoch for epoch in range(11)]
    assert done.costs.tolist() == [0.25**epoch for epoch in range(11)]
    assert sum(stepper.calls) == 10
    assert max(stepper.calls) <= epochs_per_call
    assert not done.diverged
    assert not done.converged


@pytest.mark.parametrize("epochs_per_call", [1, 3, 4, 100])
@pytest.mark.parametrize("breaks_at", [0, 1, 3, 6])
def test_a_run_that_breaks_keeps_its_finite_part(epochs_per_call, breaks_at):
    checked = []
    done = run(Halving(epochs_per_call, breaks_at), 10, checked=checked)
    assert done.diverged
    assert done.n_epochs == breaks_at
    assert done.weights[:, 0].tolist() == [0.5**epoch for epoch in range(breaks_at + 1)]
    assert len(done.costs) == breaks_at + 1
    assert len(checked) == (breaks_at == 0)  # data that survived an epoch is not read again


def test_going_on_keeps_all():
    done = run(Halving(4, 5), 10, stop=False)
    assert done.diverged
    assert done.n_epochs == 10
    assert np.isnan(done.weights[6:]).all()


def test_nothing_is_kept_where_nothing_is_asked_for():
    done = run(Halving(4), 10, history=None)
    assert done.weights is done.costs is done.losses is done.gradients is None
    assert done.n_epochs == 10


def test_a_weight_that_stands_still_has_converged():
    assert run(Halving(1), 3, start=0.0).converged


@pytest.mark.parametrize("interrupted_at", [1, 3])
def test_an_interrupt_in_an_epoch_leaves_the_state_before_it(interrupted_at):
    class Interrupts:
        def after(self, run, rate):
            if run.n_epochs == interrupted_at:
                raise KeyboardInterrupt

    done = run(Halving(4), 10, callbacks=[Interrupts()])
    assert done.is_interrupted
    assert done.n_epochs == done.state.epoch == interrupted_at - 1
    assert done.state.point.tolist() == [0.5 ** (interrupted_at - 1)] == done.weights[-1].tolist()


@pytest.mark.parametrize(
    ("history", "n_epochs", "n_gradients", "d", "fits"),
    [
        ("epochs", 10**6, 0, 100, True),
        ("epochs", 10**6, 1, 100, False),
        ("epochs", 10**6, 1, 1000, False),
        ("samples", 100, 10**6, 1, True),
        ("samples", 100, 10**6, 2, False),
        ("costs", 10**7, 1, 10**6, True),
        ("costs", 10**8, 1, 1, False),
        (None, 10**15, 10**9, 10**6, True),
    ],
)
def test_what_fits_into_a_gigabyte(history, n_epochs, n_gradients, d, fits):
    if fits:
        loop.check_history(history, n_epochs, n_gradients, d)
    else:
        with pytest.raises(ValueError, match="at most 1 GB is kept"):
            loop.check_history(history, n_epochs, n_gradients, d)
