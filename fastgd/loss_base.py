"""The attributes that all losses have, and those of losses with kinks."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fastgd import display
from fastgd.domains import NUMBERS, Domain


class Loss:
    """The attributes of a loss. Its numbers are fields of a named tuple. Own losses have the defaults."""

    is_smooth: bool = True
    """Whether the slope has no jumps."""
    curvature: float | None = None
    """An upper bound of ∂²loss/∂score², or None if there is none. With λmax the largest eigenvalue of XᵀX/n,
    the Hessian of the cost is at most curvature·λmax, and rates below 2/(curvature·λmax) are stable."""
    usual_curvature: float | None = None
    """∂²loss/∂score² near an optimum, if it is far below `curvature`."""
    domain: Domain = NUMBERS
    """The y that the loss takes."""
    without_minimum: tuple[float, ...] = ()
    """The cost has no minimum if every y equals the same one of these values."""
    predicts_y: bool = True
    """Whether the score has the unit of y."""
    meaning_of_scores: str = ""
    """What scores mean, if they do not predict y."""
    gives_probabilities: bool = False
    scikit_learn: float = 1.0
    """scikit-learn's loss of the same name is this factor times this loss."""
    in_estimators: ClassVar[dict[str, str]] = {}
    """The estimators' parameter names for the numbers of the loss."""

    def value(self, score: float, y: float) -> float:
        raise NotImplementedError

    def slope(self, score: float, y: float) -> float:
        raise NotImplementedError

    def check_numbers(self) -> None:
        """Refuse numbers that are out of range."""

    def predictions(self, scores: NDArray[Any]) -> NDArray[Any]:
        """The prediction of y at these scores."""
        return scores

    def probability(self, scores: NDArray[Any]) -> NDArray[Any]:
        """The probability of y = 1 at these scores. At −scores it is the probability of y = 0."""
        raise NotImplementedError

    def log_probability(self, scores: NDArray[Any]) -> NDArray[Any]:
        """ln of `probability`."""
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(self.probability(scores)))


class Kinked(Loss):
    """The attributes of losses made of straight lines that meet at kinks, where the loss is 0.

    With a `width` h > 0, a parabola of curvature `steepness`/h replaces the lines near a kink. This loss is
    smooth, at most as large as the one with kinks, and it has the same slope at distances of at least h.
    """

    width: float

    @property
    def is_smooth(self) -> bool:  # type: ignore[override]
        return self.width > 0.0

    @property
    def curvature(self) -> float | None:  # type: ignore[override]
        return self.steepness / self.width if self.width > 0.0 else None

    steepness: float = 1.0
    """The curvature for the width 1."""

    def kink(self, score: Any, y: Any) -> Any:
        """The score of the kink that is nearest to this score."""
        raise NotImplementedError

    def with_width(self, width: float) -> Any:
        return self._replace(width=width)  # type: ignore[attr-defined]

    def check_numbers(self) -> None:
        if not 0.0 <= self.width < math.inf:
            shown = f"{type(self).__name__}'s width must be finite and not negative"
            raise ValueError(f"{shown}, not {display.value(self.width)}")
