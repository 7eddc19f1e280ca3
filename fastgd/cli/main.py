"""The command line: `fastgd`, and its commands, such as `fastgd fit`."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import sys
from collections.abc import Sequence

from fastgd.checks import InvalidDataError
from fastgd.cli.parser import build, misuse
from fastgd.kernels import compiling
from fastgd.wording import printable

INTERRUPTED = 130
"""The exit code after Ctrl-C, as in a shell."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return the exit code: 0, 1 (failure), 2 (usage or data) or 130 (Ctrl-C)."""
    if "_ARGCOMPLETE" in os.environ:
        from fastgd.cli import completion

        completion.answer(build(is_whole=True))
    parser = build()
    options = parser.parse_args(arguments)
    if contradiction := misuse(options):
        parser.error(contradiction)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without "…" shows "?"
    is_quiet = getattr(options, "quiet", False)
    code = 0
    try:
        with contextlib.nullcontext() if is_quiet else compiling.announced():
            code = importlib.import_module(f"fastgd.cli.{options.command or 'demo'}").run(options)
        print(end="", flush=True)
    except BrokenPipeError:  # the reader, for example `head`, has ended
        _drop_output()
    except KeyboardInterrupt as interrupt:
        print(f"fastgd: {printable(str(interrupt)) or 'interrupted'}", file=sys.stderr)
        return INTERRUPTED
    except (ImportError, OSError, ValueError, TypeError, MemoryError) as error:
        print(f"fastgd: {_message(error)}", file=sys.stderr)
        if not _is_of_open_file(error):
            return 2
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
    if isinstance(error, InvalidDataError):
        from fastgd.cli.report import COMMAND

        return error.worded(COMMAND)
    if not isinstance(error, OSError) or error.strerror is None:
        return printable(str(error) or type(error).__name__)
    place = "reading or writing failed" if error.filename is None else os.fsdecode(error.filename)
    return printable(f"{place}: {error.strerror}")
