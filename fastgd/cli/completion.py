"""The command `fastgd completion`, and the completions that a shell asks for."""

from __future__ import annotations

import argparse
from argparse import Namespace


def run(options: Namespace) -> int:
    try:
        from argcomplete.shell_integration import shellcode
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("completion needs argcomplete: pip install 'fastgd[completion]'") from error
    print(shellcode(["fastgd"], shell=options.shell))
    return 0


def answer(parser: argparse.ArgumentParser) -> None:
    """Write the completions of the words that the shell has put into the environment, and exit."""
    try:
        import argcomplete
    except ModuleNotFoundError:
        raise SystemExit(1) from None  # removed since the shell began
    argcomplete.autocomplete(parser)
