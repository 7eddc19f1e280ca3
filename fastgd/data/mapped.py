"""Arrays that lie in a file: whether the file still holds all of them.

A memory-mapped array that is read behind the end of its file ends the process (SIGBUS), and nothing in Python
can catch that. So the size is asked for before anything is read. A file that is cut while it is being read is
beyond this.
"""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgd.checks import InvalidDataError


def mapping_of(array: Any) -> tuple[mmap.mmap, int] | None:
    """The mapping that an array's numbers lie in, and the place in the file that it begins at.

    Of a mapping that was made without `np.memmap` the place is not known: it is taken for 0.
    """
    begin, owner = 0, array
    while owner is not None and not isinstance(owner, mmap.mmap):
        if isinstance(owner, np.memmap) and owner.offset is not None:  # None of an empty part
            begin = owner.offset - owner.offset % mmap.ALLOCATIONGRANULARITY
        owner = owner.obj if isinstance(owner, memoryview) else getattr(owner, "base", None)
    return None if owner is None else (owner, begin)


def refuse_cut_short(name: str, array: NDArray[Any]) -> None:
    """Raise InvalidDataError if the array's last number lies behind the end of its file."""
    found = mapping_of(array)
    if found is None or array.size == 0:
        return
    mapping, begin = found
    try:
        size = mapping.size()
    except (OSError, ValueError):  # mapped without its file being kept open (trackfd=False)
        return
    first = np.frombuffer(mapping, np.uint8).ctypes.data
    last = array.ctypes.data + array.itemsize
    last += sum(
        (length - 1) * max(stride, 0) for length, stride in zip(array.shape, array.strides, strict=True)
    )
    needed = begin + last - first
    if size < needed:
        raise InvalidDataError(
            f"{name} lies in a file that was cut short: it has {size} bytes and the array needs {needed}; "
            "write it anew"
        )
