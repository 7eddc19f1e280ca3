"""Files that hold tables, and their batches as chunks of rows. Readers of Parquet and Arrow files."""

from __future__ import annotations

import contextlib
import copy
import os
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastgd.checks import InvalidDataError, RowPlace, check_regular
from fastgd.data import arrow
from fastgd.data.coding import OneHot
from fastgd.data.spool import Spool
from fastgd.engine.blocks import Array, Floats
from fastgd.lazy import lazy_property
from fastgd.wording import SHOWN_OF_A_VALUE, Option, shown

BATCH_NUMBERS = 1 << 20
"""Numbers in a batch, 8 MB."""
SAMPLES, SAMPLE_BYTES = 16, 4096


Refused = Callable[[str, Exception], InvalidDataError]


class File:
    """The base class of files: the columns of a file, and batches of some of them."""

    n: int | None = None
    """The number of rows, if known without a read."""
    is_guessed = False
    """Whether types are guessed from the first rows, so that later rows may differ."""
    is_query = False
    """Whether each read runs a query, which may give its rows in another order."""
    is_once = False
    """Whether it can be read once."""
    keys: frozenset[str] = frozenset()
    """Columns that are read as what they hold, numbers or not."""
    texts: frozenset[str] = frozenset()
    """Columns of categories and labels, which are read as text where the file is text."""
    missing_texts: Collection[str] = ()
    """Texts in such columns that stand for a missing value."""

    def __init__(self, path: Path | Spool):
        self.path, self.name = path, path.name
        self.constants: dict[str, float | str] = {}
        """Columns that stand in the names of folders."""
        check_regular(path)
        if not os.stat(path).st_size:
            raise InvalidDataError(f"{self.name} is empty")

    def set_schema(self, schema: Any) -> None:
        self.own_names: list[str] = list(schema.names)
        self.types: list[Any] = list(schema.types)
        self.kinds = dict(zip(self.own_names, self.types, strict=True))
        """The types of the columns in the file."""
        self.index = _index(schema)

    @property
    def names(self) -> list[str]:
        return [*self.own_names, *(name for name in self.constants if name not in self.kinds)]

    def with_keys(self, names: Sequence[str]) -> File:
        """The same file, of which these columns are read as what they hold."""
        other = copy.copy(self)
        other.keys = frozenset(names)
        return other

    def column(self, name: Any) -> Any:
        """The name of a column that a caller may call otherwise."""
        return name

    def is_blank(self, name: str) -> bool:
        """Whether a column has neither a name nor values, as after delimiters at the end of all lines."""
        return name == "" and "" in self.kinds and arrow.has_no_values(self.kinds[""])

    def held(self, name: str) -> str:
        """What a column holds if it holds no numbers, otherwise an empty text."""
        if (kind := self.kinds.get(name)) is not None:
            return "" if arrow.is_number(kind) else arrow.describe(kind)
        return "text" if isinstance(self.constants[name], str) else ""

    def first(self, name: str) -> str:
        """The first text in a column and its place, for messages."""
        row = 0
        if name in self.kinds and self.held(name) == "text":
            with contextlib.closing(self.batches([name])) as batches:
                for batch in batches:
                    values = arrow.decoded(batch.column(0))
                    if values.null_count < len(values):
                        at = values.is_valid().index(True).as_py()
                        text = shown(values[at].as_py(), SHOWN_OF_A_VALUE)
                        return f", {text} in row {row + at}"
                    row += len(values)
        return ""

    def begin_with_number(self, names: Sequence[str]) -> set[str]:
        """Those of the text columns that begin with numbers, so that a single value is wrong."""
        return set()

    def hint(self) -> Sequence[str | Option]:
        """A reason why a column may be missing, for messages."""
        return []

    def batches(self, names: Sequence[str]) -> Generator[Any]:
        """Iterate over record batches of some columns, in the order of the rows."""
        raise NotImplementedError

    def place(self, row: int) -> RowPlace:
        """The place of a row, for messages."""
        return RowPlace(self.name, row)

    def sample(self) -> bytes:
        """The size of the file and some of its bytes."""
        size = os.stat(self.path).st_size
        parts = [size.to_bytes(8, "little")]
        with open(self.path, "rb") as opened:
            for start in np.linspace(0, max(0, size - SAMPLE_BYTES), SAMPLES).astype(np.int64).tolist():
                opened.seek(start)
                parts.append(opened.read(SAMPLE_BYTES))
        return b"".join(parts)


class ParquetFile(File):
    """A Parquet file. It is read a few pages of each column at a time, whatever the size of row groups."""

    def __init__(self, path: Path | Spool):
        super().__init__(path)
        with reading(self.name), self._open() as file:
            self.set_schema(file.schema_arrow)
            self.n = file.metadata.num_rows

    def _open(self) -> Any:
        from pyarrow import parquet

        return parquet.ParquetFile(
            os.fspath(self.path), memory_map=True, pre_buffer=False, read_dictionary=[*self.texts]
        )

    def batches(self, names: Sequence[str]) -> Generator[Any]:
        rows = batch_rows(len(names))
        with reading(self.name), self._open() as file:
            yield from file.iter_batches(rows, columns=list(names), use_threads=True)


def _index(schema: Any) -> list[str]:
    """The columns that pandas wrote as the index of a data frame, according to the metadata."""
    with contextlib.suppress(ValueError, AttributeError, TypeError):
        names = (schema.pandas_metadata or {}).get("index_columns", [])
        return [name for name in names if isinstance(name, str)]
    return []


class ArrowFile(File):
    """An Arrow or Feather file: a file of record batches, or a stream of them."""

    def __init__(self, path: Path | Spool):
        super().__init__(path)
        with open(path, "rb") as file:
            start = file.read(6)
        if start[:4] == b"FEA1":
            raise InvalidDataError(f"{self.name} is of Feather's first version; write it again")
        self._is_stream = start != b"ARROW1"
        with self._open() as batches:
            self.set_schema(batches.schema)

    @lazy_property
    def n(self) -> int | None:
        """Counted in the narrowest column."""
        if self._is_stream or not self.own_names:
            return None
        widths = [_bits(kind) for kind in self.types]
        with self._open([widths.index(min(widths))]) as batches:
            return sum(batches.get_batch(i).num_rows for i in range(batches.num_record_batches))

    @contextlib.contextmanager
    def _open(self, fields: Sequence[int] = ()) -> Iterator[Any]:
        """Open the file. Batches of all fields are in the file's memory, if it is not compressed.

        Batches of some fields are copies.
        """
        import pyarrow as pa

        options = pa.ipc.IpcReadOptions(included_fields=list(fields))
        with reading(self.name), pa.memory_map(os.fspath(self.path)) as file:
            opened = pa.ipc.open_stream if self._is_stream else pa.ipc.open_file
            with opened(file, options=options) as batches:
                yield batches

    def batches(self, names: Sequence[str]) -> Generator[Any]:
        fields = [self.own_names.index(name) for name in names]
        is_part = self._is_compressed and len(fields) < len(self.own_names)
        with self._open(fields if is_part else ()) as batches:
            if self._is_stream:
                yield from batches
            else:
                yield from map(batches.get_batch, range(batches.num_record_batches))

    @lazy_property
    def _is_compressed(self) -> bool:
        """Whether a batch is outside of the file's memory."""
        import pyarrow as pa

        with reading(self.name), pa.memory_map(os.fspath(self.path)) as file:
            whole = file.read_buffer()
            opened = pa.ipc.open_stream if self._is_stream else pa.ipc.open_file
            with opened(whole) as batches:
                batch = next(iter(batches), None) if self._is_stream else _first(batches)
                buffers = [] if batch is None else [b for c in batch.columns for b in c.buffers() if b]
                last = whole.address + whole.size
                return any(not whole.address <= buffer.address <= last for buffer in buffers if buffer.size)


def _bits(kind: Any) -> int:
    """The bits of a value, or a large number if values differ in size."""
    try:
        return int(kind.bit_width)
    except ValueError:
        return 1 << 10


def _first(batches: Any) -> Any:
    return batches.get_batch(0) if batches.num_record_batches else None


@contextlib.contextmanager
def reading(name: str, refused: Refused | None = None) -> Iterator[None]:
    """Turn errors into InvalidDataError: all into `refused`, or those of pyarrow into one about the file."""
    import pyarrow as pa

    try:
        yield
    except (InvalidDataError, MemoryError):
        raise
    except pa.ArrowCancelled:  # by Ctrl-C
        raise KeyboardInterrupt from None
    except Exception as error:
        if refused is not None:
            raise refused(name, error) from error
        if not isinstance(error, (pa.ArrowException, OSError)) or getattr(error, "errno", None) is not None:
            raise
        raise damaged(name, error) from None


def damaged(name: str, error: Exception) -> InvalidDataError:
    return InvalidDataError(
        f"{name} cannot be read, it is damaged or cut short: {' '.join(str(error).split()):.200}"
    )


def batch_rows(d: int) -> int:
    """The rows of a batch of d columns, a power of two."""
    return 1 << max(6, (BATCH_NUMBERS // max(1, d)).bit_length() - 1)


class Place(NamedTuple):
    """The place of a batch in a table."""

    file: File
    before: int
    """The number of rows in earlier files."""
    first: int
    """The number of its first row in the file."""
    size: int
    kept: Any
    """The numbers of its rows without a missing value, or None for all."""


class TableChunk:
    """A batch of a file without missing values, as a chunk."""

    def __init__(
        self,
        features: list[tuple[int | OneHot, arrow.Numbers]],
        target: arrow.Numbers | None,
        weights: arrow.Numbers | None,
        m: int,
        place: Place,
    ):
        """`features` are the number of a column of X and its values, or those of a category and its codes."""
        self._features, self._target, self._weights = features, target, weights
        self._m, self._place = m, place
        self.keys: list[Any] = []
        """The keys of the rows, if they are grouped."""
        self.carried: dict[str, Any] = {}
        """Other columns of the batch, of all its rows."""
        self.n_unknown = 0
        """The number of unknown levels, whose features are 0."""

    def __len__(self) -> int:
        return self._m

    @property
    def file(self) -> File:
        return self._place.file

    def fill(self, start: int, stop: int, X: Array, y: Array, weights: Floats) -> None:
        for place, values in self._features:
            part = arrow.part(values, start, stop)
            if isinstance(place, int):
                X[:, place] = part
            else:
                place.fill(X, part)
        if self._target is not None:
            y[:] = arrow.part(self._target, start, stop)
        if self._weights is not None:
            weights[:] = arrow.part(self._weights, start, stop)

    def numbers(self, names: Sequence[str], target: str | None) -> Iterator[tuple[str, Array]]:
        """The names and values of the columns that are arrays."""
        named = [(names[place], values) for place, values in self._features if isinstance(place, int)]
        named.append((target or "", self._target))
        return ((name, values) for name, values in named if isinstance(values, np.ndarray))

    def targets(self) -> tuple[Array, Array | None]:
        """All of y, and the weights if there are any."""
        y, weights = (
            None if values is None else arrow.part(values, 0, self._m)
            for values in (self._target, self._weights)
        )
        assert y is not None
        return y, weights

    @property
    def rows(self) -> NDArray[np.int64]:
        """The numbers of its rows in the table, where rows with a missing value count."""
        place = self._place
        first = place.before + place.first
        within = np.arange(self._m) if place.kept is None else arrow.as_numpy(place.kept)
        return first + within

    @property
    def stop(self) -> int:
        """The number of the row after the batch in the table."""
        place = self._place
        return place.before + place.first + place.size

    def row_in_batch(self, row: int) -> int:
        """The number of a row in its batch, where rows with a missing value count."""
        return row if self._place.kept is None else self._place.kept[row].as_py()

    def place(self, row: int) -> RowPlace:
        return self._place.file.place(self._place.first + self.row_in_batch(row))
