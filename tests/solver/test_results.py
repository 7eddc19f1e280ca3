"""What a result says of its fit, and how results are copied and pickled."""

from __future__ import annotations

import copy
import pickle

import fastgd
from tests.helpers import same
from tests.problems import problem


def test_results_pickle(rng):
    X, y = problem(rng, 40, 2)
    swept = fastgd.sweep(X, y, learning_rates=[0.1, 0.2], n_epochs=3)
    again = pickle.loads(pickle.dumps(swept))
    assert same(again.costs, swept.costs)
    assert same(again.best.__getstate__(), swept.best.__getstate__())
    found = fastgd.diagnose(X, y)
    assert pickle.loads(pickle.dumps(found)).stability_limit == found.stability_limit


XS, YS = [1.0, 2.0, 3.0], [2.0, 4.0, 6.0]


def test_what_a_result_tells():
    fit = fastgd.gradient_descent(XS, YS, w0=1.0, learning_rate=0.01, n_epochs=10)
    assert fit.cost_history[0] == 14 / 3
    assert fit.w_history[0] == 1.0
    assert fit.w == fit.w_history[-1]
    assert fit.loss_history is None
    assert (fit.n_epochs, fit.n_samples, fit.n_updates, fit.n_passes) == (10, 3, 10, 11)
    assert (fit.solver, fit.method, fit.converged) == ("gradient_descent", "stream", False)
    assert fit.learning_rates.tolist() == [0.01] * 10
    assert fit.status.startswith("w was still moving after 10 epochs; the cost went from 4.66667 to 0.657597")
    assert fit.elapsed > 0
    assert fit.predict(4) == 4 * fit.w
    assert fit.predict([1.0, 2.0]).tolist() == [fit.w, 2 * fit.w]
    by_sample = fastgd.sgd(XS, YS, w0=1.0, learning_rate=0.01, n_epochs=10)
    assert by_sample.n_updates == 30
    assert by_sample.loss_history.shape == (10,)
    assert by_sample.cost_history.shape == (11,)  # one block: free


def test_the_last_cost_is_known_without_its_history():
    how = dict(w0=1.0, learning_rate=0.01, n_epochs=10)
    fit = fastgd.gradient_descent(XS, YS, **how)
    assert fit.cost == fit.cost_history[-1]
    assert fastgd.gradient_descent(XS, YS, history=None, **how).cost == fit.cost
    assert fastgd.gradient_descent(XS, YS, history="costs", **how).cost == fit.cost
    X, y, _ = fastgd.make_linear(9000, 2, seed=1)
    assert fastgd.sgd(X, y, n_epochs=1, method="stream").cost is None
    assert fastgd.sgd(X, y, n_epochs=1, method="stream", track_cost=True).cost > 0.0


def test_results_compare_copy_and_pickle():
    fit = fastgd.sgd(XS, YS, learning_rate=0.01, n_epochs=3, history="samples")
    assert fit == fit
    assert fit != fastgd.sgd(XS, YS, learning_rate=0.01, n_epochs=3, history="samples")
    assert copy.copy(fit)._rows is fit._rows
    again = pickle.loads(pickle.dumps(fit))
    assert again.trace() == fit.trace()
    assert again.predict(4) == fit.predict(4)
    assert again._rows is None
