"""A file that holds a table; those of Parquet and of Arrow."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

from fastgd.data import columns
from fastgd.data.checks import InvalidDataError

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
        if not path.stat().st_size:
            raise InvalidDataError(f"{self.name} is empty")

    def set_schema(self, schema: Any) -> None:
        self.own_names: list[str] = list(schema.names)
        self.kinds = dict(zip(self.own_names, schema.types, strict=True))
        """The types of the columns that are in the file."""

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
                        return f', "{values[at].as_py():.60}" in row {row + at}'
                    row += len(values)
        return ""

    def batches(self, names: Sequence[str]) -> Generator[Any]:
        """Some columns as record batches, in the order of the rows."""
        raise NotImplementedError

    def place(self, row: int) -> str:
        """Where a row is, for sentences."""
        return f"row {row} of {self.name}"


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

    @functools.cached_property
    def n(self) -> int | None:  # type: ignore[override]
        """By the batches' headers."""
        import pyarrow as pa
        from pyarrow import dataset

        if self._is_stream:
            return None
        with contextlib.suppress(pa.ArrowInvalid):  # where two columns have one name
            return int(dataset.dataset(self.path, format="ipc").count_rows())
        return None

    @contextlib.contextmanager
    def _open(self, fields: Sequence[int] = ()) -> Iterator[Any]:
        import pyarrow as pa

        options = pa.ipc.IpcReadOptions(included_fields=list(fields))
        with reading(self.name), pa.memory_map(str(self.path)) as file:
            opened = pa.ipc.open_stream if self._is_stream else pa.ipc.open_file
            with opened(file, options=options) as batches:
                yield batches

    def batches(self, names: Sequence[str]) -> Generator[Any]:
        with self._open([self.own_names.index(name) for name in names]) as batches:
            if self._is_stream:
                yield from batches
            else:
                yield from map(batches.get_batch, range(batches.num_record_batches))


@contextlib.contextmanager
def reading(name: str) -> Iterator[None]:
    """What pyarrow says of a file that it cannot read, in one sentence."""
    import pyarrow as pa

    try:
        yield
    except (InvalidDataError, MemoryError):
        raise
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
