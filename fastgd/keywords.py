"""Keywords that a function does not have, and the ones that the user may have meant.

Other libraries, textbooks and other functions of fastgd have other names for the same thing.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple


class Thing(NamedTuple):
    """A parameter by all its names."""

    names: str
    """The names that fastgd uses come first. The first one that a function has is suggested."""
    remark: str = ""
    """What it is, where a name may stand for several things."""


THINGS = (
    Thing(
        "eta0 learning_rate learning_rates lr eta alpha rate step_size stepsize learning_rate_init",
        "α of the lesson",
    ),
    Thing(
        "max_iter n_epochs epochs n_iter n_iters iterations n_iterations num_iterations num_epochs "
        "max_epochs nb_epoch steps n_steps"
    ),
    Thing("w0 w weights theta theta0 beta coef coef_init init initial_weights w_init", "the start"),
    Thing("w w0 theta beta coef coefs coefficients weights", "the weights of the model"),
    Thing("X x data features inputs"),
    Thing("y target targets label labels outputs"),
    Thing(
        "alpha l2 alphas ridge reg reg_lambda lam lambda_ lambd weight_decay penalty regularization",
        "a penalty",
    ),
    Thing("l1_ratio l1 lasso"),
    Thing("intercept fit_intercept b bias add_intercept use_bias"),
    Thing("sample_weight weight weights sample_weights", "one for each row"),
    Thing("standardize standardise normalize normalise scale scaling"),
    Thing("loss criterion loss_fn loss_function cost_function objective"),
    Thing("tol tolerance eps epsilon ftol gtol rtol"),
    Thing("n_iter_no_change patience"),
    Thing("validation_fraction validation_split"),
    Thing("batch_size batch minibatch minibatch_size mini_batch_size"),
    Thing("random_state seed rng random_seed"),
    Thing("n_jobs n_threads threads num_threads workers n_workers"),
    Thing("progress verbose verbosity show_progress"),
    Thing("callback callbacks"),
    Thing("folds cv n_splits n_folds k"),
    Thing("by groups group keys"),
    Thing("n_samples n n_rows"),
    Thing("n_features d n_columns"),
    Thing("noise sigma std"),
    Thing("solver optimizer optimiser"),
)


def unknown_keywords(
    function: Callable[..., Any], given: Iterable[str], error: TypeError
) -> TypeError | None:
    """The error of a call with keywords that the function does not have.

    None if it has all of them, or if `error`, which Python raised, comes from inside the function.
    """
    unwrapped, trace = inspect.unwrap(function), error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code is unwrapped.__code__:
            return None
        trace = trace.tb_next
    known = list(inspect.signature(function).parameters)
    unknown = [name for name in given if name not in known]
    if not unknown:
        return None
    known = [name for name in known if name != "self"]
    called = function.__qualname__.removesuffix(".__init__").removeprefix("_")
    parts = [f"{name!r}{_question(suggested(name, known))}" for name in unknown]
    return TypeError(f"{called}() got an unexpected keyword {' And '.join(parts)}")


def suggested(name: str, known: Sequence[str]) -> list[tuple[str, str]]:
    """The keywords that may be meant by `name`, each with a remark about what it is."""
    found: dict[str, str] = {}
    for names, remark in THINGS:
        same = names.split()
        if name in same or name.lower() in same:
            for other in same:
                if other in known:
                    found.setdefault(other, remark)
                    break
    if not found:
        lower = {other.lower(): other for other in known}
        near = difflib.get_close_matches(name.lower(), lower, n=1)
        found = {lower[other]: "" for other in near}
    return list(found.items())


def _question(found: Sequence[tuple[str, str]]) -> str:
    if not found:
        return ""
    if len(found) == 1:
        return f"; did you mean {found[0][0]}?"
    return f"; did you mean {', or '.join(f'{name} ({remark})' for name, remark in found)}?"
