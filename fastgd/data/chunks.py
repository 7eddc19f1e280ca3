"""Sources of rows in chunks, and `fastgd.chunks`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fastgd.checks import InvalidDataError, RowPlace
from fastgd.data import frames, keys, rounding
from fastgd.data.arrays import as_array, kernel_dtype
from fastgd.data.coding import NO_CODING, Coding
from fastgd.engine.blocks import NOTHING, Array, Floats
from fastgd.public import public
from fastgd.wording import shown

KEPT_NUMBERS = 1 << 16
KEPT_ROWS = 1 << 13


def rows_to_keep(d: int) -> int:
    """The number of first rows that solvers look at, apart from a read of all rows, at most."""
    return max(KEPT_ROWS, KEPT_NUMBERS // d + 1)


class Chunk(Protocol):
    """Some rows of a source."""

    def __len__(self) -> int: ...

    def fill(self, start: int, stop: int, X: Array, y: Array, weights: Floats) -> None:
        """Write rows start:stop of the chunk into X (m, d), y (m,) and weights (m,), if there are any."""


class Source:
    """Rows that come in chunks. A source is passed in place of X, without y."""

    d: int
    n: int | None
    """The number of rows, if known without a read."""
    is_scalar: bool
    has_weights: bool
    dtypes: tuple[np.dtype[Any], np.dtype[Any]]
    """The dtypes of X and y in kernels: float32 or float64."""
    name: str
    """The name of the source in messages."""
    columns: tuple[str, ...] = ()
    """The names of the features, if they have names."""
    target: str | None = None
    weight: str | None = None
    """The names of the columns of y and the weights, if they have names."""
    coding: Coding = NO_CODING
    """How the columns of a table became numbers."""
    is_lasting: bool = True
    """Whether a chunk stays valid after the next one."""
    head_rows: int = 0
    """At least this many of the first rows are read at once, if any, as each read is expensive."""
    reading: Any = None
    """The last read, while its thread iterates over the chunks."""

    @property
    def row_bytes(self) -> int:
        """The bytes of a row at its origin. `method="auto"` depends on them."""
        return self.d * self.dtypes[0].itemsize + self.dtypes[1].itemsize

    def chunks(self) -> Generator[Chunk]:
        """Iterate over all chunks. Called for each read, in any thread."""
        raise NotImplementedError

    def sample(self) -> bytes:
        """Bytes that identify the source in a later run, beside its rows."""
        return b""

    def keyed(self, by: Any) -> Source:
        """The rows without the columns that `by` names. Its chunks have `keys`, an array for each of them."""
        raise InvalidDataError(f"the rows of {self.name} cannot be grouped: pass arrays, or a table")

    def place(self, row: int) -> RowPlace:
        """The place of a row, for messages."""
        return RowPlace(self.name, row)


class DerivedSource(Source):
    """A source made from the rows of another source."""

    def __init__(self, source: Source):
        self.source = source
        self.d, self.n, self.is_scalar, self.name = source.d, source.n, source.is_scalar, source.name
        self.has_weights, self.dtypes = source.has_weights, source.dtypes
        self.columns, self.target, self.weight = source.columns, source.target, source.weight
        self.coding = source.coding
        self.is_lasting = source.is_lasting

    def place(self, row: int) -> RowPlace:
        return self.source.place(row)

    def sample(self) -> bytes:
        return self.source.sample()


class ArrayChunk:
    """A chunk of arrays."""

    def __init__(self, X: NDArray[Any], y: NDArray[Any], weights: NDArray[Any]):
        self.X, self.y, self.weights = X, y, weights
        self.keys: list[Any] = []
        """The keys of the rows, if they are grouped."""

    def __len__(self) -> int:
        return len(self.y)

    def fill(self, start: int, stop: int, X: Array, y: Array, weights: Floats) -> None:
        np.copyto(X, self.X[start:stop], casting="unsafe")
        np.copyto(y, self.y[start:stop], casting="unsafe")
        if len(weights):
            np.copyto(weights, self.weights[start:stop], casting="unsafe")


@public
def chunks(factory: Callable[[], Any], *, n_samples: int | None = None) -> Source:
    """Read rows in chunks, for example rows that do not fit into memory.

    Pass the result in place of X, without y: `fastgd.gradient_descent(fastgd.chunks(factory))`.

    Parameters
    ----------
    factory : callable
        A function without arguments that returns an iterator over chunks (X, y) or (X, y, weight). X is (m,)
        or (m, d), y and weight are (m,), and m may differ from chunk to chunk. The function is called for
        each pass, and must return the same rows each time. X may be a data frame. Its columns are then
        selected by the names in the first chunk.
    n_samples : int, optional
        The number of rows. If it is needed but not given, one more pass counts the rows.

    Returns
    -------
    Source
        Accepted by `gradient_descent`, `sgd`, `sweep`, `diagnose`, `cost`, `gradient`, `cost_and_gradient`
        and by `fit` of the estimators.

    Raises
    ------
    InvalidDataError
        Raised by the pass: a chunk differs from the first one in shape or kind, the function raised an error,
        or the number of rows changed. The message has the number of the chunk.

    Notes
    -----
    The lengths of the chunks do not change any bit of a result, since rows are cut again at the blocks of the
    grid. A thread makes the next chunks while a fit computes. Each chunk is copied once, so the function may
    reuse its memory. A fit needs the memory of two chunks and some MB.

    A checkpoint identifies the data by its first row and the number of rows only. After Ctrl-C in a slow
    function, the next pass waits until the function has made its chunk.

    Rows come in order only. `shuffle="blocks"` needs method="summary", and `shuffle=True` is refused.

    Examples
    --------
    >>> import fastgd
    >>> X, y, w = fastgd.make_linear(100_000, 3, seed=1)
    >>> def parts():
    ...     for start in range(0, 100_000, 777):
    ...         yield X[start : start + 777], y[start : start + 777]
    >>> by_chunks = fastgd.gradient_descent(fastgd.chunks(parts))
    >>> bool((by_chunks.w == fastgd.gradient_descent(X, y).w).all())
    True
    """
    return CallableSource(factory, n_samples)


class CallableSource(Source):
    """Chunks from a function. All chunks must be like the first one."""

    is_lasting = False
    row_bytes = 0

    def __init__(self, factory: Callable[[], Any], n_samples: int | None):
        if not callable(factory):
            raise TypeError(
                f"chunks() takes a function that makes an iterator of chunks, not {type(factory).__name__}: "
                "it is called anew for each read"
            )
        self._factory = factory
        self._last: Any = None
        self.name = "chunks()"
        self.n = None
        if n_samples is not None:
            from fastgd import checks

            self.n = checks.whole("n_samples", n_samples, 1)
        self._is_known, self._watch = False, rounding.Watch()
        with contextlib.closing(self.chunks()) as chunks:
            first = next((chunk for chunk in chunks if len(chunk)), None)
            if first is None:
                raise InvalidDataError("chunks() gave no rows; at least one is needed")
            self._first_row = first.X[0].copy()
        self.d = first.X.shape[1]
        self.is_scalar = self._ndim == 1
        self.has_weights = len(first.weights) > 0
        self.dtypes = kernel_dtype(first.X.dtype), kernel_dtype(first.y.dtype)
        self.row_bytes = self.d * first.X.itemsize + first.y.itemsize
        self._is_known = True

    def keyed(self, by: Any) -> KeyedChunks:
        return KeyedChunks(self._factory, self.n, keys.named(by))

    def chunks(self) -> Generator[ArrayChunk]:
        try:
            iterator = self._factory()
            if iterator is self._last and iterator is iter(iterator):
                raise InvalidDataError(
                    "chunks() was given the same iterator twice, and the first read has used it up: the "
                    "function must make a new one at each call"
                )
            self._last = iterator
            iterator = iter(iterator)
        except InvalidDataError:
            raise
        except Exception as error:
            raise InvalidDataError(
                f"chunks(): the function raised {describe(error)} when it was called"
            ) from error
        number, n, is_first = 0, 0, self._is_known
        try:
            while True:
                try:
                    values = next(iterator)
                except StopIteration:
                    return
                except Exception as error:
                    raise InvalidDataError(f"chunk {number} of chunks() raised {describe(error)}") from error
                chunk = self._checked(number, values)
                if is_first and len(chunk):
                    is_first = False
                    if not np.array_equal(chunk.X[0], self._first_row, equal_nan=True):
                        raise InvalidDataError(
                            "chunks() began with another row than at its first call; the function must give "
                            "the same rows at each call, all of them"
                        )
                self._look(n, chunk)
                yield chunk
                n += len(chunk)
                number += 1
        finally:
            if hasattr(iterator, "close"):
                iterator.close()

    def _look(self, first: int, chunk: ArrayChunk) -> None:
        """Warn of the first integer that a float rounds."""
        if self._is_known:  # not when the constructor reads the first chunk
            for name, part in (("X", chunk.X), ("y", chunk.y)):
                self._watch.look(name, first, part, lambda row: self.place(first + row))

    def _checked(self, number: int, values: Any) -> ArrayChunk:
        """The values as a chunk. Refuse values that are unlike the first chunk."""
        where = f"chunk {number} of chunks()"
        if not isinstance(values, (tuple, list)) or len(values) not in (2, 3):
            raise InvalidDataError(f"{where} is {_what(values)}; it must be (X, y) or (X, y, weight)")
        try:
            values = [self._in_order(values[0]), *values[1:]]
            parts = [as_array(name, value) for name, value in zip(("X", "y", "weight"), values, strict=False)]
        except InvalidDataError as error:
            raise error.within(where) from None
        X, y = parts[:2]
        if X.ndim not in (1, 2) or (X.ndim == 2 and not X.shape[1]):
            raise InvalidDataError(f"{where}: X has shape {X.shape}; it must be (m,) or (m, d)")
        for name, part in zip(("y", "weight"), parts[1:], strict=False):
            if part.shape != X.shape[:1]:
                raise InvalidDataError(
                    f"{where}: {name} has shape {part.shape} and X {X.shape}; they must agree"
                )
        if not self._is_known:
            self._ndim = X.ndim
        else:
            self._compare(where, X, y, len(parts) == 3)
        return ArrayChunk(X if X.ndim == 2 else X[:, None], y, parts[2] if len(parts) == 3 else NOTHING)

    def _in_order(self, X: Any) -> Any:
        """Select the columns of a table by the names in the first chunk."""
        names = frames.names_of(X)
        if not names or not len(X):
            return X
        if not self._is_known:
            self.columns = names
        elif not self.columns:
            raise InvalidDataError(
                "X has named columns, and the first chunk had none; name the columns of all chunks"
            )
        elif others := [name for name in names if name not in self.columns]:
            raise InvalidDataError(f"X has a column {shown(others[0])}, which the first chunk had not")
        return frames.by_name("X", X, self.columns)

    def _compare(self, where: str, X: NDArray[Any], y: NDArray[Any], has_weights: bool) -> None:
        """Refuse a chunk that is unlike the first one."""
        if not len(y):
            return
        width = X.shape[1] if X.ndim == 2 else 1
        if X.ndim != self._ndim or width != self.d:
            first = "(m,)" if self._ndim == 1 else f"(m, {self.d})"
            raise InvalidDataError(f"{where}: X has shape {X.shape}, and that of the first chunk was {first}")
        if has_weights != self.has_weights:
            what = (
                "has weights, and the first had none" if has_weights else "has no weights, and the first had"
            )
            raise InvalidDataError(f"{where} {what}; all chunks must agree")
        for name, part, dtype in zip("Xy", (X, y), self.dtypes, strict=True):
            if kernel_dtype(part.dtype) != dtype:
                raise InvalidDataError(
                    f"{where}: {name} holds {part.dtype}, and that of the first chunk was read as {dtype}: "
                    "give all chunks one dtype"
                )


class KeyedChunks(CallableSource):
    """Chunks from a function, with the keys of their rows."""

    def __init__(self, factory: Callable[[], Any], n_samples: int | None, by: list[Any]):
        self._by = by
        super().__init__(factory, n_samples)

    def _checked(self, number: int, values: Any) -> ArrayChunk:
        parts: list[Any] = []
        if isinstance(values, (tuple, list)) and len(values) in (2, 3):
            try:
                X, parts = keys.split_chunk(values[0], self._by)
            except InvalidDataError as error:
                raise error.within(f"chunk {number} of chunks()") from None
            values = [X, *values[1:]]
        chunk = super()._checked(number, values)
        chunk.keys = parts
        return chunk


def describe(error: Exception) -> str:
    """An error in a message: its type and the beginning of its text."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text:.300}" if text else type(error).__name__


def _what(value: Any) -> str:
    if isinstance(value, (tuple, list)):
        return f"a {type(value).__name__} of {len(value)}"
    return f"of type {type(value).__name__}"
