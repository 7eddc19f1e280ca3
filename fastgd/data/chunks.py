"""Rows that come as chunks, anew at each read: what a source of them is, and `fastgd.chunks`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fastgd.checks import InvalidDataError, RowPlace
from fastgd.data import frames, rounding
from fastgd.data.arrays import as_array, kernel_dtype
from fastgd.engine.blocks import NOTHING, Array, Floats
from fastgd.wording import shown


class Chunk(Protocol):
    """Some rows, as a source hands them over."""

    def __len__(self) -> int: ...

    def fill(self, start: int, stop: int, X: Array, y: Array, weights: Floats) -> None:
        """Write rows start:stop of the chunk: X (m, d), y (m,) and, where there are any, weights (m,)."""


class Source:
    """Rows that come as chunks: what is passed in place of X, without a y."""

    d: int
    n: int | None
    """Rows in all, where that is known without a read."""
    is_scalar: bool
    has_weights: bool
    dtypes: tuple[np.dtype[Any], np.dtype[Any]]
    """Of X and y as kernels see them: float32 or float64."""
    name: str
    """For sentences."""
    columns: tuple[str, ...] = ()
    """Names of the features, where they have any."""
    target: str | None = None
    weight: str | None = None
    """Names of the columns of the targets and the weights, where they have any."""
    is_lasting: bool = True
    """Whether a chunk may be filled from after the next was asked for."""
    reading: Any = None
    """The read that began last, while its thread asks for chunks."""

    @property
    def row_bytes(self) -> int:
        """Of a row where it comes from: by it `method="auto"` chooses, as for arrays of the same numbers."""
        return self.d * self.dtypes[0].itemsize + self.dtypes[1].itemsize

    def chunks(self) -> Generator[Chunk]:
        """The chunks, from the first; called for each read, perhaps in a thread of its own."""
        raise NotImplementedError

    def sample(self) -> bytes:
        """By which the same source is known again without a read of all; of functions there is nothing."""
        return b""

    def place(self, row: int) -> RowPlace:
        """Where a row is, for sentences."""
        return RowPlace(self.name, row)


class ArrayChunk:
    """Arrays of a chunk, as they were given."""

    def __init__(self, X: NDArray[Any], y: NDArray[Any], weights: NDArray[Any]):
        self.X, self.y, self.weights = X, y, weights

    def __len__(self) -> int:
        return len(self.y)

    def fill(self, start: int, stop: int, X: Array, y: Array, weights: Floats) -> None:
        np.copyto(X, self.X[start:stop], casting="unsafe")
        np.copyto(y, self.y[start:stop], casting="unsafe")
        if len(weights):
            np.copyto(weights, self.weights[start:stop], casting="unsafe")


def chunks(factory: Callable[[], Any], *, n_samples: int | None = None) -> Source:
    """Rows that come as chunks, from wherever they are: more than fit into memory, say.

    What it returns goes in place of X, without a y: `fastgd.gradient_descent(fastgd.chunks(factory))`.

    Parameters
    ----------
    factory : callable
        Called without arguments for each read of the data; gives an iterator of chunks (X, y) or
        (X, y, weight): X (m,) or (m, d), y (m,), weight (m,), of any lengths m, the same rows at each call.
        X may be a table, of pandas say: its columns are then those of the first, by their names.
    n_samples : int, optional
        Rows in all. Where it is needed and not given, one more read counts them.

    Returns
    -------
    Source
        Taken by `gradient_descent`, `sgd`, `sweep`, `diagnose`, `cost`, `gradient`, `cost_and_gradient` and
        the estimators' `fit`.

    Raises
    ------
    InvalidDataError
        By what reads it: a chunk is not of the shape or the kind of the first, the factory raised in the
        middle, or it gives another number of rows than before. The sentence has the chunk's number.

    Notes
    -----
    The lengths of the chunks change no bit of a result: rows are cut anew, on the grid that arrays are read
    by. Chunks are made in a thread of their own, while those before are computed with; each is copied once,
    so that the next may be written into the same memory. Memory: two chunks, and some MB.

    A checkpoint knows the same rows again by the first of them, by how many they are, and by nothing else.
    After Ctrl-C in a slow function the next read waits until that has given its chunk.

    Rows come in order only: `shuffle="blocks"` needs method="summary", `shuffle=True` is refused.

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
    """Chunks that a function gives; the first tells what the others must be like."""

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
                f"chunks(): the function raised {_told(error)} when it was called"
            ) from error
        number, n, is_first = 0, 0, self._is_known
        try:
            while True:
                try:
                    values = next(iterator)
                except StopIteration:
                    return
                except Exception as error:
                    raise InvalidDataError(f"chunk {number} of chunks() raised {_told(error)}") from error
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
        """Warn of the first whole number that a float rounds."""
        if self._is_known:  # else it is the constructor's look at the first rows
            for name, part in (("X", chunk.X), ("y", chunk.y)):
                self._watch.look(name, first, part, lambda row: self.place(first + row))

    def _checked(self, number: int, values: Any) -> ArrayChunk:
        """A chunk, as the first was."""
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
        """A table with its columns as the first chunk had them."""
        names = frames.names_of(X)
        if not names or not len(X):
            return X
        if not self._is_known:
            self.columns = names
        elif not self.columns:
            raise InvalidDataError(
                "X has columns with names, and the first chunk had none; give all chunks some"
            )
        elif others := [name for name in names if name not in self.columns]:
            raise InvalidDataError(f"X has a column {shown(others[0])}, which the first chunk had not")
        return frames.by_name("X", X, self.columns)

    def _compare(self, where: str, X: NDArray[Any], y: NDArray[Any], has_weights: bool) -> None:
        """Refuse what is not like the first chunk."""
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


def _told(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text:.300}" if text else type(error).__name__


def _what(value: Any) -> str:
    if isinstance(value, (tuple, list)):
        return f"a {type(value).__name__} of {len(value)}"
    return f"of type {type(value).__name__}"
