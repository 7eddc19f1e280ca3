"""Temporary files for what cannot be read twice: pipes, members of archives, text in other encodings."""

from __future__ import annotations

import errno
import os
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from fastgd.checks import InvalidDataError

BLOCK = 1 << 20
"""Bytes that are copied at a time."""
LARGE = 10**9
"""Bytes from which on a temporary file is worth a word."""
FOLDER = "/proc/self/fd"
"""Here Linux has open files, also those without a name."""


class Spool(os.PathLike[str]):
    """A temporary file with this content. It ends with this object, and with the process.

    Parameters
    ----------
    name : str
        The name in messages.
    blocks : iterable of bytes
        The content.
    tell : callable, optional
        Called once with a sentence as soon as the file is large.
    """

    def __init__(self, name: str, blocks: Iterable[bytes], tell: Callable[[str], None] | None = None):
        self.name = self.shown = name
        # A file without a name ends with the process, even if that is killed.
        make = tempfile.TemporaryFile if os.path.isdir(FOLDER) else tempfile.NamedTemporaryFile
        self._file: Any = make(prefix="fastgd-")
        weakref.finalize(self, self._file.close)
        size = 0
        try:
            for block in blocks:
                self._file.write(block)
                if tell is not None and size < LARGE <= size + len(block):
                    tell(f"{name} is large: it is kept in a temporary file in {tempfile.gettempdir()}")
                size += len(block)
            self._file.flush()
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            raise InvalidDataError(
                f"{name} does not fit into {tempfile.gettempdir()}, where it must be kept",
                remedy="set the environment variable TMPDIR to a folder with more room",
            ) from None

    def __fspath__(self) -> str:
        file = self._file.name
        return file if isinstance(file, str) else f"{FOLDER}/{file}"


def blocks_of(file: Any) -> Iterator[bytes]:
    """The content of an open file from its position on. Text is encoded as UTF-8."""
    while block := file.read(BLOCK):
        yield block.encode() if isinstance(block, str) else block
