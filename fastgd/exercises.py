"""Exercises with a judge: a student's gradient, or epoch, beside the exact one, and the likely mistake."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd import display
from fastgd.engine.blocks import Floats
from fastgd.functions import cost, gradient
from fastgd.public import public

TOLERANCE = 1e-6
"""The largest difference, as a share of the largest component of the exact value."""
ROUNDING = 1e-12
"""A difference below this share of the terms of a sum is rounding."""
N_POINTS = 4
RATES = (0.01, 0.003, 0.03, 0.001)

SIGNS = {1.0: "", -1.0: "the sign is reversed: the residual is x·w − y"}
FACTORS = {
    1.0: "",
    0.5: "the factor 2 of the square's derivative is missing",
    2.0: "the factor 2 is there twice",
}
MEANS = {
    0: "",
    1: "it is the sum over the samples: divide by their number",
    -1: "it is divided by the number of samples twice",
}
Wrong = Iterator[tuple[str, Floats]]


@dataclass(frozen=True, slots=True)
class Report:
    """What a check found.

    Attributes
    ----------
    passed : bool
    w : ndarray (k,) or (k, d)
        The weights at which the function was called.
    returned, expected : ndarray (k,) or (k, d)
        What it returned, NaN where that was no such number, and the exact values.
    messages : tuple of str
        What is wrong, the likely mistake first. Empty if the check passed.
    """

    name: str
    passed: bool
    w: Floats
    returned: Floats
    expected: Floats
    messages: tuple[str, ...]

    def __str__(self) -> str:
        head = f"{self.name}: {'passed' if self.passed else 'not passed'} at {len(self.w)} values of w"
        return "\n".join([head, *(f"- {message}" for message in self.messages)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        values = zip(self.w, self.returned, self.expected, strict=True)
        rows = [[display.weights(one) for one in row] for row in values]
        return display.table(str(self), ("w", "yours", "exact"), rows)


@public
def check_gradient(function: Callable[..., Any], X: ArrayLike, y: ArrayLike) -> Report:
    """Compare `function(X, y, w)` with ∂cost/∂w = (2/n) Σ x (x·w − y) at several w.

    Parameters
    ----------
    function : callable
        Returns the gradient: a number if X has shape (n,), otherwise d numbers. It gets copies of X and y of
        the type given here, and w as a float or an array (d,).
    X : array (n,) or (n, d)
    y : array (n,)

    Returns
    -------
    Report
        It tells whether the function passed, and which classical mistake explains its values. Nothing is
        raised: an error of the function is part of the report.

    Notes
    -----
    A value is right if it differs by at most 1e-6 of the largest component of the exact one, or by rounding.

    Examples
    --------
    >>> import fastgd
    >>> def gradient(xs, ys, w):
    ...     return sum(x * (x * w - y) for x, y in zip(xs, ys)) / len(xs)
    >>> print(fastgd.check_gradient(gradient, [1.0, 2.0, 3.0], [2.0, 4.0, 6.0]))
    check_gradient: not passed at 4 values of w
    - at w = 0 you return -9.33333, and -18.6667 is right: the factor 2 of the square's derivative is missing
    """
    return _Check("check_gradient", function, X, y, None).report()


@public
def check_epoch(function: Callable[..., Any], X: ArrayLike, y: ArrayLike) -> Report:
    """Compare `function(X, y, w, learning_rate)` with a full-batch epoch, w − α ∂cost/∂w, at several w.

    Parameters
    ----------
    function : callable
        Returns the new w: a number if X has shape (n,), otherwise d numbers. It gets copies of X and y of
        the type given here, w as a float or an array (d,), and the learning rate α.
    X : array (n,) or (n, d)
    y : array (n,)

    Returns
    -------
    Report
        As of `check_gradient`.

    Examples
    --------
    >>> import fastgd
    >>> def epoch(xs, ys, w, learning_rate):
    ...     for x, y in zip(xs, ys):
    ...         w = w - learning_rate * 2 * x * (x * w - y)
    ...     return w
    >>> print(fastgd.check_epoch(epoch, [1.0, 2.0, 3.0], [2.0, 4.0, 6.0]))
    check_epoch: not passed at 4 values of w
    - at w = 0 you return 0.521376, and 0.186667 is right: w moves after each sample: that is an epoch of SGD
    """
    return _Check("check_epoch", function, X, y, RATES).report()


class _Check:
    """A function, and the values that it should return."""

    def __init__(
        self, name: str, function: Callable[..., Any], X: Any, y: Any, rates: tuple[float, ...] | None
    ):
        self._name, self._function, self._given, self._rates = name, function, (X, y), rates
        self.X, self.y = np.asarray(X, np.float64), np.asarray(y, np.float64)
        shape = (N_POINTS, *self.X.shape[1:])
        self.w = np.random.default_rng(0).normal(size=shape).round(2)
        self.w[0], self.w[1] = 0.0, 1.0
        self.gradients = np.array([gradient(X, y, w) for w in self.w])
        self.expected = self.gradients if rates is None else self.w - self._each(rates) * self.gradients
        self._table = self.X.reshape(len(self.y), -1)
        sizes, largest = np.abs(self._table), np.abs(self.w.reshape(N_POINTS, -1)).max(axis=0)
        terms = sizes * (np.abs(self.y) + sizes @ largest)[:, None]
        self._rounding = ROUNDING * float(terms.mean(axis=0).max())

    def _each(self, values: Any) -> Floats:
        """A number for each point, beside its weights."""
        return np.reshape(values, (N_POINTS, *[1] * (self.w.ndim - 1)))

    def report(self) -> Report:
        returned, problems = np.full(self.expected.shape, np.nan), []
        for k in range(N_POINTS):
            returned[k], problem = self._called(k)
            problems += [problem] * bool(problem)
        is_right = self._are_near(returned, self.expected)
        messages = list(dict.fromkeys(problems))
        if np.isfinite(returned).all() and not is_right.all():
            k = int(np.argmin(is_right))
            w, yours, exact = (display.weights(one[k]) for one in (self.w, returned, self.expected))
            found = (text for text, wrong in self._wrong() if self._are_near(returned, wrong).all())
            mistake = next((f": {text}" for text in found), "")
            messages.insert(0, f"at w = {w} you return {yours}, and {exact} is right{mistake}")
        return Report(self._name, not messages, self.w, returned, self.expected, tuple(messages))

    def _called(self, k: int) -> tuple[Any, str]:
        """What the function returns at a point, and what is wrong with it."""
        X, y = copy.deepcopy(self._given)
        w = float(self.w[k]) if self.w.ndim == 1 else self.w[k].copy()
        rate = () if self._rates is None else (self._rates[k],)
        try:
            value = self._function(X, y, w, *rate)
        except Exception as error:
            return np.nan, f"the function raises {type(error).__name__}: {error}"
        if not (_are_equal(X, self.X) and _are_equal(y, self.y)):
            return np.nan, "the function changes X or y: it must leave them as they are"
        if not _are_equal(w, self.w[k]):
            return np.nan, "the function changes the caller's array w: make a new one, w = w - ..."
        return self._checked(value)

    def _checked(self, value: Any) -> tuple[Any, str]:
        shape = self.w.shape[1:]
        if value is None:
            return np.nan, "the function returns None: is `return` missing?"
        try:
            array: NDArray[np.float64] = np.asarray(value, np.float64)
        except (TypeError, ValueError):
            return np.nan, f"the function returns {display.value(value, 60)}, not {_kind(shape)}"
        if array.shape != shape:
            remedy = ""
            if array.shape == self.y.shape:
                remedy = ": sum the values of the samples" + ", X.T @ residual" * len(shape)
            elif array.size == np.prod(shape, dtype=int):
                remedy = ": take the numbers out of the extra axes"
            return np.nan, f"the function returns an array of shape {array.shape}, not {_kind(shape)}{remedy}"
        if not np.isfinite(array).all():
            return np.nan, "the function returns NaN or infinity"
        return array, ""

    def _are_near(self, values: Floats, other: Floats) -> NDArray[np.bool_]:
        """For each point whether the values agree."""
        flat, ref = values.reshape(N_POINTS, -1), other.reshape(N_POINTS, -1)
        size = np.abs(ref).max(axis=1)
        return np.asarray(np.abs(flat - ref).max(axis=1) <= TOLERANCE * size + self._rounding)

    def _wrong(self) -> Wrong:
        """The values of classical mistakes."""
        if self._rates is None:
            yield from self._wrong_gradients()
            return
        rates = self._each(self._rates)
        yield "w does not change", self.w
        yield "it is the gradient, not the new w", self.gradients
        yield "it is the step, not the new w", -rates * self.gradients
        yield "it is the step, not the new w", rates * self.gradients
        yield "w moves after each sample: that is an epoch of SGD", self._sgd()
        if self.w.ndim > 1:
            text = "each weight moves before the gradient of the next is computed: compute all first"
            yield text, self._one_by_one()
        yield "the learning rate is missing", self.w - self.gradients
        yield "the learning rate is there twice", self.w - rates**2 * self.gradients
        yield "the step goes uphill: subtract the gradient", self.w + rates * self.gradients
        for text, wrong in self._wrong_gradients():
            yield text, self.w - rates * wrong

    def _wrong_gradients(self) -> Wrong:
        n = len(self.y)
        for sign, of_sign in SIGNS.items():
            for factor, of_factor in FACTORS.items():
                for power, of_mean in MEANS.items():
                    texts = [text for text in (of_sign, of_factor, of_mean) if text]
                    if texts:
                        yield " and ".join(texts), sign * factor * float(n) ** power * self.gradients
        residuals = self.w.reshape(N_POINTS, -1) @ self._table.T - self.y
        alone = 2.0 * residuals.mean(axis=1)
        yield "each residual must be multiplied by its x", np.broadcast_to(self._each(alone), self.w.shape)
        for text, i in (("first", 0), ("last", n - 1)):
            wrong = 2.0 * self._each(residuals[:, i]) * self.X[i]
            yield f"it is the gradient of the {text} sample alone", wrong
        costs = np.array([cost(self.X, self.y, w) for w in self.w])
        yield "it is the cost, not its gradient", np.broadcast_to(self._each(costs), self.w.shape)

    def _sgd(self) -> Floats:
        """The weights after an epoch of single steps."""
        w, rates = self.w.copy(), np.asarray(self._rates)
        for x, y in zip(self.X, self.y, strict=True):
            residuals = (w @ x if w.ndim > 1 else w * x) - y
            w = w - self._each(2.0 * rates * residuals) * x
        return w

    def _one_by_one(self) -> Floats:
        """The weights after one step of each weight, from the point that the others have reached."""
        w, rates = self.w.copy(), np.asarray(self._rates)
        for j in range(w.shape[1]):
            w[:, j] -= rates * np.array([np.atleast_1d(gradient(self.X, self.y, one))[j] for one in w])
        return w


def _are_equal(value: Any, numbers: Floats) -> bool:
    return np.array_equal(np.asarray(value, np.float64), numbers)


def _kind(shape: tuple[int, ...]) -> str:
    return f"one of {shape}" if shape else "a number"
