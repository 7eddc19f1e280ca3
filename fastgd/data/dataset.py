"""The base classes of datasets, and facts about targets and weights."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastgd.checks import InvalidDataError, RowPlace, first_nonfinite, refused_nonfinite
from fastgd.data.coding import NO_CODING, Coding
from fastgd.engine import scan
from fastgd.engine.blocks import Array, Executor, Floats, Log, Pass, Piece, Reader, RunsAnywhere, block_rows
from fastgd.wording import Text

ROWS, FIRST, SMALLEST, LARGEST, OTHER_ROW, OTHER, BAD_ROW, BAD, COUNTED, TOTAL, MOMENT, SQUARE, SIZE = range(
    13
)


class Facts:
    """Facts about the targets and weights, collected in one scan.

    `state` holds the number of rows; the first, the smallest and the largest target; the first target that is
    neither 0 nor 1, and its row; the first invalid weight, and its row; the number of rows of weight above 0;
    Σ s, Σ s (y − y₀), Σ s (y − y₀)².
    """

    def __init__(self) -> None:
        self.state: Floats = np.zeros(SIZE)
        self.state[[SMALLEST, LARGEST, OTHER_ROW, BAD_ROW]] = np.inf, -np.inf, -1.0, -1.0

    @property
    def n(self) -> int:
        return int(self.state[ROWS])

    @property
    def n_counted(self) -> int:
        """The number of rows of weight above 0."""
        return int(self.state[COUNTED])

    @property
    def least(self) -> float:
        """min y."""
        return float(self.state[SMALLEST])

    @property
    def largest(self) -> float:
        """max |y|."""
        return float(max(abs(self.state[SMALLEST]), abs(self.state[LARGEST])))

    @property
    def squares_vanish(self) -> bool:
        """Whether some y is not 0, but all squares of y underflow."""
        return 0.0 < self.largest < math.sqrt(sys.float_info.min)

    @property
    def only(self) -> float | None:
        """The value of all targets, or None if targets differ."""
        smallest, largest = self.state[[SMALLEST, LARGEST]].tolist()
        return smallest if smallest == largest else None

    @property
    def other(self) -> tuple[int, float] | None:
        """The first row whose target is neither 0 nor 1, and its target."""
        return self._place(OTHER_ROW)

    @property
    def bad_weight(self) -> tuple[int, float] | None:
        """The first row whose weight is negative or not finite, and its weight."""
        return self._place(BAD_ROW)

    def _place(self, at: int) -> tuple[int, float] | None:
        row = int(self.state[at])
        return None if row < 0 else (row, float(self.state[at + 1]))

    @property
    def total_weight(self) -> float:
        """Σ s, or n without weights."""
        return float(self.state[TOTAL])

    @property
    def deviation(self) -> float:
        """The standard deviation of y, or 1 if it is 0."""
        total, moment, square = self.state[TOTAL:].tolist()
        mean = moment / total
        return math.sqrt(max(0.0, square / total - mean * mean)) or 1.0


@np.errstate(over="ignore", invalid="ignore")
def look(start: int, y: Array, weights: Floats, block: int, state: Floats) -> None:
    """Add the targets and weights of rows from `start` on to the state, block by block."""
    for at in range(0, len(y), block):
        part, s = y[at : at + block].astype(np.float64), weights[at : at + block]
        if start + at == 0:
            state[FIRST] = part[0]
        state[ROWS] += len(part)
        state[SMALLEST] = np.minimum(state[SMALLEST], part.min())
        state[LARGEST] = np.maximum(state[LARGEST], part.max())
        if state[OTHER_ROW] < 0 and (is_other := (part != 0.0) & (part != 1.0)).any():
            row = int(is_other.argmax())
            state[OTHER_ROW], state[OTHER] = start + at + row, part[row]
        moved = part - state[FIRST]
        weighted = moved
        if len(s):
            if state[BAD_ROW] < 0 and (is_bad := ~(np.isfinite(s) & (s >= 0.0))).any():
                row = int(is_bad.argmax())
                state[BAD_ROW], state[BAD] = start + at + row, s[row]
            weighted = s * moved
        state[COUNTED] += np.count_nonzero(s > 0.0) if len(s) else len(part)
        state[TOTAL] += np.sum(s) if len(s) else len(part)
        state[MOMENT] += np.sum(weighted)
        state[SQUARE] += np.sum(weighted * moved)


def look_at_rows(block: int, start: int, _X: Array, y: Array, weights: Floats, state: Floats) -> None:
    """The step of a scan that calls `look`."""
    look(start, y, weights, block, state)


Check = Callable[[int, Array, bool], None]
"""check(start, y, is_over), called in a read after each run of rows, and at its end."""


class Dataset:
    """Rows of d numbers, their targets and weights."""

    if TYPE_CHECKING:  # some subclasses store these, others compute them

        @property
        def known_n(self) -> int | None:
            """The number of rows, or None until the first read has counted them."""

        @property
        def X(self) -> NDArray[Any]:  # noqa: N802 - the field's name for it
            """All rows."""

        @property
        def y(self) -> NDArray[Any]:
            """All targets."""

        @property
        def passes(self) -> int:
            """The number of reads that only looked at the targets or counted the rows."""

    d: int
    is_scalar: bool = False
    """Whether a row is a number, as in the lesson."""
    row_bytes: int
    run_numbers: int
    has_rows: bool = True
    """Whether rows can be read. A summary has none."""
    is_random: bool = True
    """Whether rows can be read in any order."""
    has_weights: bool = False
    columns: tuple[str, ...] = ()
    """The names of the columns of X, if they have names."""
    coding: Coding = NO_CODING
    """How the columns of a table became numbers."""
    target_name: str | None = None
    target_column: int | None = None
    """The column of y, if it is one of several without names."""
    weight_name: str | None = None
    log: Log | None = None
    executor: Executor | None = None

    @property
    def n(self) -> int:
        """The number of rows. May read the data to count them."""
        assert self.known_n is not None
        return self.known_n

    @property
    def facts(self) -> Facts:
        """Facts about the targets and weights. The first use may read the data."""
        raise NotImplementedError

    @property
    def total_weight(self) -> float:
        """Σ s, or n without weights."""
        return self.facts.total_weight if self.has_weights else float(self.n)

    @property
    def least_weight(self) -> float:
        """The least weight above 0, or 0 if it is not known."""
        return 0.0 if self.has_weights else 1.0

    def shared(self, what: str, read: Callable[[Dataset], Any]) -> Any:
        """read(self). Datasets that differ in their targets only read it once; `what` is its name."""
        return read(self)

    def derived(self, what: str, read: Callable[[Dataset], Sequence[Dataset]]) -> Sequence[Dataset]:
        """read(self), datasets of some of these rows. Read once as in `shared`, each with its targets."""
        return read(self)

    @property
    def is_once(self) -> bool:
        """Whether the rows can be read once, after their first ones."""
        return False

    def check_in_read(self, check: Check) -> None:
        """Call this check on the first rows, and in the one read of such rows."""
        raise NotImplementedError

    def refuse_reads(self, what: str) -> None:
        """Refuse what needs several reads if the rows can be read once."""

    def expect(self, n: int) -> None:
        """Let the one read refuse another number of rows than n."""

    def found_end(self, n: int) -> None:
        """Note that a read has found n rows."""

    def has_at_most(self, rows: int) -> bool:
        """Whether there are at most this many rows. Never reads the data as a whole."""
        return self.n <= rows

    @property
    def is_one_block(self) -> bool:
        block, n = block_rows(self.d), self.known_n
        return self.has_at_most(block) if n is None else n <= block

    def reader(self) -> Reader:
        """A reader for one thread, in any order."""
        raise NotImplementedError

    def begin(self, pieces: Iterable[Piece]) -> Pass:
        """Begin a read of these pieces."""
        return RunsAnywhere(self, pieces)

    def head(self, rows: int) -> tuple[Array, Array, Floats]:
        """The first rows, at most all."""
        return self.reader().read(0, min(rows, self.n))

    def whole(self) -> tuple[Array, Array, Floats]:
        """All rows."""
        return self.head(self.n)

    def lists(self) -> tuple[list[Any], list[float], list[float]]:
        """All rows as lists of Python floats, for the pure-Python twins."""
        X, y, weights = self.whole()
        X, y = X.astype(np.float64), y.astype(np.float64)
        return (X[:, 0] if self.is_scalar else X).tolist(), y.tolist(), weights.tolist()

    def mark(self) -> tuple[Any, ...]:
        """Some rows, which identify the data in a later run."""
        raise NotImplementedError

    def sample(self) -> bytes:
        """Bytes that identify a source in a later run, beside its rows."""
        return b""

    def over(self, base: Any) -> Any:
        """The same view over other rows, which another process holds."""
        return base

    def place(self, row: int) -> RowPlace:
        """The place of a row, for messages."""
        return RowPlace("", row)

    def name_of(self, what: str, column: int | None = None) -> str | None:
        """The name of a column of X, of y or of the weights; None if it has no name."""
        if what == "X":
            return self.columns[column] if self.columns and column is not None else None
        return self.target_name if what == "y" else self.weight_name

    def refused(self, what: str, row: int, value: float, problem: str, remedy: Text) -> InvalidDataError:
        """The error for an invalid target or weight."""
        return InvalidDataError(
            problem, what=what, name=self.name_of(what), value=value, remedy=remedy, at=self.place(row)
        )

    def refuse_nonfinite(self) -> None:
        """Raise InvalidDataError for the first NaN or infinity in X or y, if there is one.

        Call it if a result is not finite, since it reads the rows up to that place.
        """
        place = np.array([-1.0, -1.0, 0.0])
        scan.scan(self, _find_nonfinite, [place])
        row, column, value = int(place[0]), int(place[1]), float(place[2])
        if row < 0:
            return
        what = "y" if column < 0 else "X"
        raise refused_nonfinite(
            what,
            value,
            column=self.target_column if column < 0 else None if self.is_scalar else column,
            name=self.name_of(what, column),
            at=self.place(row),
        )


def _find_nonfinite(start: int, X: Array, y: Array, _weights: Floats, place: Floats) -> None:
    """Set `place` to the row, the column (−1 for y) and the value of the first NaN or infinity."""
    if place[0] < 0.0 and (first := first_nonfinite(X, y)) is not None:
        row, column, value = first
        place[:] = start + row, -1.0 if column is None else column, value


class Elsewhere(Dataset):
    """Rows that are not in arrays of this process. `X` and `y` load them."""

    @property
    def X(self) -> NDArray[Any]:  # noqa: N802 - the field's name for it
        X = self.whole()[0]
        return X[:, 0] if self.is_scalar else X

    @property
    def y(self) -> NDArray[Any]:
        return self.whole()[1]


class View(Dataset):
    """A dataset made from the rows of another one as they are read."""

    def __init__(self, rows: Dataset):
        self.rows = rows
        self.is_random, self.has_weights = rows.is_random, rows.has_weights
        self.log, self.executor, self.columns = rows.log, rows.executor, rows.columns
        self.coding = rows.coding

    @property
    def known_n(self) -> int | None:
        return self.rows.known_n

    @property
    def n(self) -> int:
        return self.rows.n

    @property
    def passes(self) -> int:
        return self.rows.passes

    @property
    def facts(self) -> Facts:
        return self.rows.facts

    @property
    def is_once(self) -> bool:
        return self.rows.is_once

    def check_in_read(self, check: Check) -> None:
        self.rows.check_in_read(check)

    def refuse_reads(self, what: str) -> None:
        self.rows.refuse_reads(what)

    @property
    def y(self) -> NDArray[Any]:
        return self.rows.y

    def has_at_most(self, rows: int) -> bool:
        return self.rows.has_at_most(rows)

    def mark(self) -> tuple[Any, ...]:
        return self.rows.mark()

    def refuse_nonfinite(self) -> None:
        self.rows.refuse_nonfinite()
