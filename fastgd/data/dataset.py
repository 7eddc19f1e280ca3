"""What a table of rows answers, wherever its rows are; and views, which are tables made of another."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastgd.checks import InvalidDataError, RowPlace, first_nonfinite, refused_nonfinite
from fastgd.data.validation import Facts
from fastgd.engine import scan
from fastgd.engine.blocks import Array, Executor, Floats, Log, Pass, Piece, Reader, RunsAnywhere, block_rows
from fastgd.wording import Text


class Dataset:
    """Rows of d numbers, their targets and weights."""

    if TYPE_CHECKING:  # read-only in a table: some classes store these, and others compute them

        @property
        def known_n(self) -> int | None:
            """The number of rows; None until the first read has counted them."""

        @property
        def X(self) -> NDArray[Any]:  # noqa: N802 - the field's name for it
            """All rows, for plain Python."""

        @property
        def y(self) -> NDArray[Any]:
            """All targets."""

        @property
        def passes(self) -> int:
            """Reads that only looked at the targets, or counted the rows."""

    d: int
    is_scalar: bool = False
    """The lesson's case: a row is a number."""
    row_bytes: int
    run_numbers: int
    is_random: bool = True
    """Whether rows can be read in any order."""
    has_weights: bool = False
    columns: tuple[str, ...] = ()
    """The names of the columns, where they have any."""
    target_name: str | None = None
    weight_name: str | None = None
    log: Log | None = None
    executor: Executor | None = None

    @property
    def n(self) -> int:
        """How many rows; where that is not known, by a read."""
        assert self.known_n is not None
        return self.known_n

    @property
    def facts(self) -> Facts:
        """What is known of the targets and the weights."""
        raise NotImplementedError

    @property
    def total_weight(self) -> float:
        """Σ s; n where all rows count alike."""
        return self.facts.total_weight if self.has_weights else float(self.n)

    def found_end(self, n: int) -> None:
        """A read has come to the end after n rows."""

    def has_at_most(self, rows: int) -> bool:
        """Whether there are no more rows than these; told without a whole read."""
        return self.n <= rows

    @property
    def is_one_block(self) -> bool:
        block, n = block_rows(self.d), self.known_n
        return self.has_at_most(block) if n is None else n <= block

    def reader(self) -> Reader:
        """For one thread, in any order."""
        raise NotImplementedError

    def begin(self, pieces: Iterable[Piece]) -> Pass:
        """A read of these rows."""
        return RunsAnywhere(self, pieces)

    def head(self, rows: int) -> tuple[Array, Array, Floats]:
        """The first rows, or all where there are fewer."""
        return self.reader().read(0, min(rows, self.n))

    def whole(self) -> tuple[Array, Array, Floats]:
        """All rows at once: for inputs of one block."""
        return self.reader().read(0, self.n)

    def lists(self) -> tuple[list[Any], list[float], list[float]]:
        """The rows as lists of Python floats, for the twins."""
        raise NotImplementedError

    def mark(self) -> tuple[Any, ...]:
        """By which the same data is known again: some of its rows."""
        raise NotImplementedError

    def sample(self) -> bytes:
        """Beside its rows, something by which a source is known again."""
        return b""

    def over(self, base: Any) -> Any:
        """The same view of other rows: of those that another process holds."""
        return base

    def place(self, row: int) -> RowPlace:
        """Where a row is, for sentences."""
        return RowPlace("", row)

    def name_of(self, what: str, column: int | None = None) -> str | None:
        """The name of the column of X, of y or of the weights, where it has one."""
        if what == "X":
            return self.columns[column] if self.columns and column is not None else None
        return self.target_name if what == "y" else self.weight_name

    def refused(self, what: str, row: int, value: float, problem: str, remedy: Text) -> InvalidDataError:
        """The error of a target or a weight that cannot be used."""
        return InvalidDataError(
            problem, what=what, name=self.name_of(what), value=value, remedy=remedy, at=self.place(row)
        )

    def refuse_nonfinite(self) -> None:
        """Raise InvalidDataError at the first NaN or infinity of X or y; return where there is none.

        This reads all rows up to there: call it where a result is not finite.
        """
        found = np.array([-1.0, -1.0, 0.0])
        scan.scan(self, _look, [found])
        row, column, value = int(found[0]), int(found[1]), float(found[2])
        if row < 0:
            return
        what = "y" if column < 0 else "X"
        raise refused_nonfinite(
            what,
            value,
            column=None if column < 0 or self.is_scalar else column,
            name=self.name_of(what, column),
            at=self.place(row),
        )


def _look(start: int, X: Array, y: Array, _weights: Floats, found: Floats) -> None:
    """Set `found` to the row, the column (−1 for y) and the value of the first NaN or infinity."""
    if found[0] < 0.0 and (place := first_nonfinite(X, y)) is not None:
        row, column, value = place
        found[:] = start + row, -1.0 if column is None else column, value


class Elsewhere(Dataset):
    """Rows that lie in no array of this process: brought together whole where plain Python asks."""

    def whole(self) -> tuple[Array, Array, Floats]:
        return self.head(self.n)

    @property
    def X(self) -> NDArray[Any]:  # noqa: N802 - the field's name for it
        X = self.whole()[0]
        return X[:, 0] if self.is_scalar else X

    @property
    def y(self) -> NDArray[Any]:
        return self.whole()[1]

    def lists(self) -> tuple[list[Any], list[float], list[float]]:
        X, y = self.X.astype(np.float64), self.y.astype(np.float64)
        return X.tolist(), y.tolist(), self.whole()[2].tolist()


class View(Dataset):
    """A table made of another's rows as they are read."""

    def __init__(self, rows: Dataset):
        self.rows = rows
        self.is_random, self.has_weights = rows.is_random, rows.has_weights
        self.log, self.executor, self.columns = rows.log, rows.executor, rows.columns

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
    def y(self) -> NDArray[Any]:
        return self.rows.y

    @property
    def X(self) -> NDArray[Any]:  # noqa: N802 - the field's name for it
        """The whole table, for plain Python."""
        return np.array(self.lists()[0])

    def has_at_most(self, rows: int) -> bool:
        return self.rows.has_at_most(rows)

    def mark(self) -> tuple[Any, ...]:
        return self.rows.mark()

    def refuse_nonfinite(self) -> None:
        self.rows.refuse_nonfinite()
