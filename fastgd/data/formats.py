"""A file that holds a table; those of Parquet and of Arrow."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

from fastgd.checks import InvalidDataError, RowPlace, check_regular
from fastgd.data import columns
from fastgd.lazy import lazy_property
from fastgd.wording import SHOWN_OF_A_VALUE, Option, shown

BATCH_NUMBERS = 1 << 20
"""Of a batch: 8 MB."""


class File:
    """One file: what columns it has, and how to read some of them."""

    n: int | None = None
    """Rows, where that is known without a read."""
    is_guessed = False
    """Types are guessed from the first rows: the others tell more."""

    def __init__(self, path: Path):
        self.path, self.name = path, path.name
        self.constants: dict[str, float | str] = {}
        """Columns that are told by the names of folders."""
        check_regular(path)
        if not path.stat().st_size:
            raise InvalidDataError(f"{self.name} is empty")

    def set_schema(self, schema: Any) -> None:
        self.own_names: list[str] = list(schema.names)
        self.types: list[Any] = list(schema.types)
        self.kinds = dict(zip(self.own_names, self.types, strict=True))
        """The types of the columns that are in the file."""
        self.index = _index(schema)

    @property
    def names(self) -> list[str]:
        return [*self.own_names, *(name for name in self.constants if name not in self.kinds)]

    def held(self, name: str) -> str:
        """What a column holds, where it is no numbers."""
        if (kind := self.kinds.get(name)) is not None:
            return "" if columns.is_number(kind) else columns.told(kind)
        return "text" if isinstance(self.constants[name], str) else ""

    def first(self, name: str) -> str:
        """The first text of a column, for sentences."""
        row = 0
        if name in self.kinds and self.held(name) == "text":
            with contextlib.closing(self.batches([name])) as batches:
                for batch in batches:
                    values = columns.decoded(batch.column(0))
                    if values.null_count < len(values):
                        at = values.is_valid().index(True).as_py()
                        text = shown(values[at].as_py(), SHOWN_OF_A_VALUE)
                        return f", {text} in row {row + at}"
                    row += len(values)
        return ""

    def begin_with_number(self, names: Sequence[str]) -> set[str]:
        """The columns of text of which one value is at fault, and not the column."""
        return set()

    def hint(self) -> Sequence[str | Option]:
        """Why a column may be lacking, parts of a sentence."""
        return []

    def batches(self, names: Sequence[str]) -> Generator[Any]:
        """Some columns as record batches, in the order of the rows."""
        raise NotImplementedError

    def place(self, row: int) -> RowPlace:
        """Where a row is, for sentences."""
        return RowPlace(self.name, row)


class ParquetFile(File):
    """Read some pages of each column at a time, however large its row groups are."""

    def __init__(self, path: Path):
        super().__init__(path)
        with reading(self.name), self._open() as file:
            self.set_schema(file.schema_arrow)
            self.n = file.metadata.num_rows

    def _open(self) -> Any:
        from pyarrow import parquet

        return parquet.ParquetFile(self.path, memory_map=True, pre_buffer=False)

    def batches(self, names: Sequence[str]) -> Generator[Any]:
        rows = batch_rows(len(names))
        with reading(self.name), self._open() as file:
            yield from file.iter_batches(rows, columns=list(names), use_threads=True)


def _index(schema: Any) -> list[str]:
    """The columns that pandas has written as the index of a data frame, by what it says beside the schema."""
    with contextlib.suppress(ValueError, AttributeError, TypeError):
        said = (schema.pandas_metadata or {}).get("index_columns", [])
        return [name for name in said if isinstance(name, str)]
    return []


class ArrowFile(File):
    """Arrow's own format, which Feather is too: a file of record batches, or a stream of them."""

    def __init__(self, path: Path):
        super().__init__(path)
        with path.open("rb") as file:
            start = file.read(6)
        if start[:4] == b"FEA1":
            raise InvalidDataError(f"{self.name} is of Feather's first version; write it anew")
        self._is_stream = start != b"ARROW1"
        with self._open() as batches:
            self.set_schema(batches.schema)

    @lazy_property
    def n(self) -> int | None:
        """By its narrowest column."""
        if self._is_stream or not self.own_names:
            return None
        widths = [_bits(kind) for kind in self.types]
        with self._open([widths.index(min(widths))]) as batches:
            return sum(batches.get_batch(i).num_rows for i in range(batches.num_record_batches))

    @contextlib.contextmanager
    def _open(self, fields: Sequence[int] = ()) -> Iterator[Any]:
        """Of all fields batches are the file's memory, if it is not compressed; of some they are copies."""
        import pyarrow as pa

        options = pa.ipc.IpcReadOptions(included_fields=list(fields))
        with reading(self.name), pa.memory_map(str(self.path)) as file:
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
        """Whether a batch lies elsewhere than in the file's memory."""
        import pyarrow as pa

        with reading(self.name), pa.memory_map(str(self.path)) as file:
            whole = file.read_buffer()
            opened = pa.ipc.open_stream if self._is_stream else pa.ipc.open_file
            with opened(whole) as batches:
                batch = next(iter(batches), None) if self._is_stream else _first(batches)
                buffers = [] if batch is None else [b for c in batch.columns for b in c.buffers() if b]
                last = whole.address + whole.size
                return any(not whole.address <= buffer.address <= last for buffer in buffers if buffer.size)


def _bits(kind: Any) -> int:
    """Of a value; many where they differ."""
    try:
        return int(kind.bit_width)
    except ValueError:
        return 1 << 10


def _first(batches: Any) -> Any:
    return batches.get_batch(0) if batches.num_record_batches else None


@contextlib.contextmanager
def reading(name: str) -> Iterator[None]:
    """What pyarrow says of a file that it cannot read, in one sentence."""
    import pyarrow as pa

    try:
        yield
    except (InvalidDataError, MemoryError):
        raise
    except pa.ArrowCancelled:  # by Ctrl-C
        raise KeyboardInterrupt from None
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise damaged(name, error) from None


def damaged(name: str, error: Exception) -> InvalidDataError:
    return InvalidDataError(
        f"{name} cannot be read, it is damaged or cut short: {' '.join(str(error).split()):.200}"
    )


def batch_rows(d: int) -> int:
    """Rows of a batch of d columns, a power of two."""
    return 1 << max(6, (BATCH_NUMBERS // max(1, d)).bit_length() - 1)
