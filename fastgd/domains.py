"""The domains of losses: which y a loss takes, and how messages say it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Domain(NamedTuple):
    """Which y a loss takes, in words for messages."""

    takes: str
    remedy: str = ""
    """What to do about another y."""
    aside: str = ""
    """More on that, for callers of Python functions."""
    alone: str = ""
    """What y are called that leave a cost without minimum."""
    others: str = ""
    """Which rows to add then."""

    def demand(self, loss: str) -> str:
        """What the loss of this name takes, and the remedy."""
        return f"{loss} takes {self.takes}: {self.remedy}"

    def refuses(self, y: NDArray[Any]) -> NDArray[np.bool_]:
        """A mask of the y that are outside; NaN is left to others."""
        if self is CLASSES:
            return (y != 0.0) & (y != 1.0)
        return y < 0.0 if self is NOT_NEGATIVE else np.zeros(len(y), bool)


NUMBERS = Domain("any y")
NOT_NEGATIVE = Domain("y of at least 0", "leave such rows out", "", "zeros", "with y above 0")
CLASSES = Domain(
    "y of 0 and 1", "write the classes so", " (a classifier of fastgd.estimators takes any labels)",
    "one class", "of both classes",
)  # fmt: skip
