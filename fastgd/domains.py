"""The domains of losses: which y a loss takes, and the words for them in messages."""

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
    """An addition to the remedy, for callers of Python functions."""
    alone: str = ""
    """Words for targets that are all equal and leave the cost without a minimum."""
    others: str = ""
    """Words for the rows to add in that case."""

    def demand(self, loss: str) -> str:
        """The sentence with the y that the loss of this name takes, and the remedy."""
        return f"{loss} takes {self.takes}: {self.remedy}"

    def refuses(self, y: NDArray[Any]) -> NDArray[np.bool_]:
        """A mask of the y outside the domain. NaN counts as inside."""
        if self is CLASSES:
            return (y != 0.0) & (y != 1.0)
        return y < 0.0 if self is NOT_NEGATIVE else np.zeros(len(y), bool)


NUMBERS = Domain("any y")
NOT_NEGATIVE = Domain("y of at least 0", "leave such rows out", "", "zeros", "with y above 0")
CLASSES = Domain(
    "y of 0 and 1", "encode the classes as 0 and 1", " (a classifier of fastgd.estimators takes any labels)",
    "one class", "of both classes",
)  # fmt: skip
