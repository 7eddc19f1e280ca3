"""Helpers for several test files."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastgd.io import npz

ROOT = Path(__file__).parents[1]


class Trap:
    """An object that creates a file when it is unpickled."""

    def __init__(self, marker: Path):
        self.marker = str(marker)

    def __reduce__(self):
        return open, (self.marker, "w")


def same(a, b) -> bool:
    """Whether two values have the same types and bits."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return (a.dtype.str, a.shape, a.tobytes()) == (b.dtype.str, b.shape, b.tobytes())
    if isinstance(a, np.generic):
        return (a.dtype.str, a.tobytes()) == (b.dtype.str, b.tobytes())
    if isinstance(a, float):
        return np.float64(a).tobytes() == np.float64(b).tobytes()
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return same(list(a.items()), list(b.items()))
    if hasattr(type(a), "__dataclass_fields__"):
        return all(same(getattr(a, name), getattr(b, name)) for name in type(a).__dataclass_fields__)
    return a == b


def run(code: str, *arguments: object) -> subprocess.CompletedProcess:
    """Run the code in a new Python process."""
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )


def forge(path: Path, header: Any, *arrays: tuple[str, np.ndarray], compression: int = 0) -> Path:
    """Write an .npz file with this header (bytes, or a value for JSON) and these arrays. Checksums are
    valid."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    with zipfile.ZipFile(path, "w", compression) as zipped:
        for name, array in [("header", np.frombuffer(text, np.uint8)), *arrays]:
            stream = io.BytesIO()
            np.save(stream, array)
            zipped.writestr(f"{name}.npy", stream.getvalue())
    return path


def file_header(value: Any = None, **changes: Any) -> dict[str, Any]:
    """The header of a file with this value, which is already packed."""
    return {"format": "fastgd", "kind": "fit", "version": npz.VERSION, "value": value} | changes


LITTLE_MEMORY = """
import re, resource, sys
from fastgd.checks import InvalidDataError
from fastgd.data import files
from fastgd.io import npz
readers = {"npy": files.open_npy, "npz": files.open_npz, "own": lambda path: npz.read(path, {"fit": object})}
size = int(re.search(r"VmSize:\\s*(\\d+)", open("/proc/self/status").read())[1]) * 1024
resource.setrlimit(resource.RLIMIT_AS, (size + 50_000_000,) * 2)
for path in sys.argv[2:]:
    try:
        readers[sys.argv[1]](path)
        print("read", path)
    except InvalidDataError as error:
        print(error)
"""
"""A program that reads files and can allocate no more than 50 MB for that."""


def refusals(reader: str, paths: list[Path]) -> list[str]:
    """The messages of the reader ("npy", "npz" or "own") for these files if memory is short."""
    process = run(LITTLE_MEMORY, reader, *paths)
    assert process.returncode == 0, process.stderr
    lines = process.stdout.splitlines()
    assert len(lines) == len(paths)
    for path, line in zip(paths, lines, strict=True):
        assert line.startswith(f"{path} ")
    return [line.removeprefix(f"{path} ") for path, line in zip(paths, lines, strict=True)]


def refused(call, *matches, error=ValueError):
    """Assert that `call` raises an error whose message is one line with these parts. Return the message."""
    with pytest.raises(error) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    for match in matches:
        assert match in message
    return message


def output(code: str, **environment: str) -> str:
    """The output of the code in a new Python process."""
    process = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout.strip()


WITHOUT_NUMBA = """
import importlib.abc, importlib.util, sys
class NoNumba(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.split(".")[0] in ("numba", "llvmlite"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "numba" else find_spec(name, *rest)
sys.meta_path.insert(0, NoNumba())
import fastgd
"""
