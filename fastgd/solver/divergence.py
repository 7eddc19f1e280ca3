"""`DivergenceError`, which holds the finite part of a fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastgd.solver.results import FitResult


class DivergenceError(ArithmeticError):
    """A fit overflowed, or ended above its start with a rate over the stability limit.

    Attributes
    ----------
    result : FitResult
        The finite part of the fit. All weights are finite. All costs are finite, except a cost at w0 that
        overflows, and costs that SGD was not asked to compute.
    epoch : int
        The epoch (from 0) in which w or its cost became infinite or NaN. The number of epochs if there is
        none.
    limit : float or None
        For full-batch descent the stability limit of the learning rate, 1/λmax of XᵀX/n. For SGD 1/max‖x‖²;
        below it every single step is stable. None if X or the cost at w0 overflows.
    safe_rate : float or None
        The rate of learning_rate="auto". None if X or the cost at w0 overflows.
    """

    __module__ = "fastgd"

    def __init__(
        self,
        message: str,
        result: FitResult,
        epoch: int,
        limit: float | None = None,
        safe_rate: float | None = None,
    ):
        super().__init__(message)
        self.result = result
        self.epoch = epoch
        self.limit = limit
        self.safe_rate = safe_rate

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (str(self), self.result, self.epoch, self.limit, self.safe_rate)
