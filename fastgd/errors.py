"""The errors that fastgd raises on purpose."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastgd.results import FitResult


class InvalidDataError(ValueError):
    """X, y or w0 cannot be used; the sentence says what, where, and the remedy."""


class DivergenceError(ArithmeticError):
    """A run overflowed.

    Attributes
    ----------
    result : FitResult
        The finite part of the run: every weight and cost in it is finite.
    epoch : int
        The epoch (from 0) in which w or its cost stopped being finite.
    """

    def __init__(self, message: str, result: FitResult, epoch: int):
        super().__init__(message)
        self.result = result
        self.epoch = epoch

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (str(self), self.result, self.epoch)
