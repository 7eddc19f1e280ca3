"""Open streams as tables: whatever has `__arrow_c_stream__`, DuckDB relations and Polars frames."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Sequence
from typing import Any

from fastgd.checks import InvalidDataError
from fastgd.data.chunks import describe
from fastgd.data.formats import File, batch_rows, reading
from fastgd.data.frames import is_a

ORDER_OF_DUCKDB = "select current_setting('preserve_insertion_order')"


def is_open_stream(value: Any) -> bool:
    """Whether a value is a table or a stream of record batches, not the name of a file."""
    return hasattr(value, "__arrow_c_stream__") or is_a(value, "polars", "DataFrame", "LazyFrame")


class OpenStream(File):
    """An open stream in the place of a file.

    A query of DuckDB or Polars is run by each read. What has a length is a table, which can be read again.
    Anything else can be read once, and so can a relation of a connection without preserve_insertion_order.
    """

    def __init__(self, table: Any):
        self.table, self.name, self.constants = table, type(table).__name__, {}
        self.is_lazy = is_a(table, "polars", "LazyFrame")
        self.is_relation = self.name == "DuckDBPyRelation"
        self.is_query = self.is_lazy or self.is_relation
        self.is_once = False
        with reading(self.name, _raised):
            if self.is_relation:
                self.is_once = not table.query("fastgd_settings", ORDER_OF_DUCKDB).fetchall()[0][0]
            elif not self.is_query:
                self.n = _length(table)
                self.is_once = self.n is None
            self._opened = _reader(table) if self.is_once and not self.is_relation else None
            self.set_schema(self._schema())

    def _schema(self) -> Any:
        if self.is_lazy:
            return self.table.head(0).collect().to_arrow().schema
        if is_a(self.table, "polars", "DataFrame"):
            return self.table.head(0).to_arrow().schema
        if self._opened is not None:
            return self._opened.schema
        with _reader(self.table.limit(0) if self.is_relation else self.table) as reader:
            return reader.schema

    def batches(self, names: Sequence[str]) -> Generator[Any]:
        with reading(self.name, _raised), contextlib.closing(self._batches(list(names))) as batches:
            yield from batches

    def _batches(self, names: list[str]) -> Generator[Any]:
        table = self.table
        if self.is_lazy or is_a(table, "polars", "DataFrame"):
            for frame in self._frames(table.select(names), batch_rows(len(names))):
                yield from frame.to_arrow().to_batches()
            return
        if self.is_relation:
            table = table.project(", ".join('"' + name.replace('"', '""') + '"' for name in names))
        with self._opened or _reader(table) as reader:
            for batch in reader:
                yield batch.select(names)

    def _frames(self, table: Any, rows: int) -> Any:
        """The rows of a frame in frames. Before Polars 1.34 a lazy frame is collected as a whole."""
        if not self.is_lazy:
            return [table]
        if not hasattr(table, "collect_batches"):
            return [table.collect()]
        return table.collect_batches(chunk_size=rows, maintain_order=True)

    def first(self, name: str) -> str:
        """As in `File`. A stream that can be read once is not read for it."""
        return "" if self.is_once else super().first(name)

    def sample(self) -> bytes:
        return self.name.encode()


def _raised(name: str, error: Exception) -> InvalidDataError:
    return InvalidDataError(f"{name} raised {describe(error)}")


def _reader(table: Any) -> Any:
    """A reader of record batches. Close it: a DuckDB connection runs one query at a time."""
    import pyarrow as pa

    return pa.RecordBatchReader.from_stream(table)


def _length(table: Any) -> int | None:
    """The number of rows of a table, None of a stream."""
    try:
        return len(table)
    except TypeError:
        return None
