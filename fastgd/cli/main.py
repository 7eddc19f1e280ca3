"""The command line: `fastgd`, `fastgd lesson`, and `fastgd fit`, `predict` and `diagnose` on files."""

from __future__ import annotations

import argparse
import importlib
import io
import os
import sys
from collections.abc import Sequence

from fastgd.checks import InvalidDataError
from fastgd.cli.parser import build, misuse
from fastgd.kernels import compiling
from fastgd.wording import printable

ON_FILES = "fit", "predict", "diagnose"
"""Each is a module of this folder with a function `run(options)`, which returns the exit code."""
INTERRUPTED = 130
"""The exit code after Ctrl-C, as in a shell."""


@compiling.announced()
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return the exit code: 0, 1 (failure), 2 (usage or input) or 130 (Ctrl-C)."""
    parser = build()
    options = parser.parse_args(arguments)
    if contradiction := misuse(options):
        parser.error(contradiction)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without "…" shows "?"
    code = 0
    try:
        if options.command in ON_FILES:
            code = _on_files(options)
        elif options.command == "lesson":
            from fastgd.cli import lesson

            lesson.run(options)
        elif options.command == "warmup":
            _warmup()
        else:
            _demo(options.samples or 10_000_000)
        print(end="", flush=True)
    except BrokenPipeError:  # the reader, for example `head`, has ended
        _drop_output()
    except KeyboardInterrupt as interrupt:
        print(f"fastgd: {printable(str(interrupt)) or 'interrupted'}", file=sys.stderr)
        return INTERRUPTED
    except (ImportError, OSError, ValueError, MemoryError) as error:
        print(f"fastgd: {printable(_message(error))}", file=sys.stderr)
        if _is_of_open_file(error):
            _drop_output()
        return 1
    return code


def _drop_output() -> None:
    """Discard buffered output that cannot be written, so that Python does not try again when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _is_of_open_file(error: Exception) -> bool:
    """Whether writing to an open file failed, for example on a full disk."""
    return isinstance(error, OSError) and error.errno is not None and error.filename is None


def _message(error: Exception) -> str:
    if not isinstance(error, OSError) or error.strerror is None:
        return str(error) or type(error).__name__
    place = "reading or writing failed" if error.filename is None else os.fsdecode(error.filename)
    return f"{place}: {error.strerror}"


def _on_files(options: argparse.Namespace) -> int:
    from fastgd.cli.report import COMMAND

    if options.command != "predict":
        options.solver = {"gd": "gradient_descent", "sgd": "sgd"}[options.solver]
    if options.command == "fit" and options.nesterov is None:
        options.nesterov = options.solver == "gradient_descent"
    try:
        return int(importlib.import_module(f"fastgd.cli.{options.command}").run(options))
    except InvalidDataError as error:
        print(f"fastgd: {error.worded(COMMAND)}", file=sys.stderr)
        return 2
    except (ImportError, OSError, ValueError, TypeError, MemoryError) as error:
        if _is_of_open_file(error):
            raise
        print(f"fastgd: {printable(_message(error))}", file=sys.stderr)
        return 2


def _warmup() -> None:
    from fastgd import warm
    from fastgd.data.backend import resolve
    from fastgd.solver.progress import can_show

    resolve("numba")  # raises the error without Numba
    from fastgd.kernels import _jit

    seconds = warm.warmup(progress=can_show())
    folder = _jit.cache_directory()
    sizes = [file.stat().st_size for file in folder.glob("*.kernel")]
    print(f"{len(sizes)} kernels, {sum(sizes) / 1e6:.1f} MB in {folder}; {seconds:.1f} s")


def _demo(n_samples: int) -> None:
    from fastgd.cli.demo import demo

    for line in demo(n_samples):
        print(line, flush=True)
