"""Compilation and disk cache of the kernels.

The decorator `kernel` is the whole policy. A kernel is compiled at its first call, releases the GIL, divides
as IEEE 754 says, and is kept on disk for the next process.

Numba's own disk cache checks only the file that defines a function, trusts what it reads, and numbers its
files so that two processes which start together can exchange them. This cache has one file for each kernel
and signature called from Python. A file starts with a hash of all kernel sources and a hash of its own
content. So machine code of older sources never runs, a damaged file is compiled again, and files of several
processes never mix. If the folder cannot be written, every process compiles its kernels.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pickle
import platform
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llvmlite
import numba
import numpy as np
from numba.core import config, types
from numba.core.caching import NullCache
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler, CompileResult
from numba.core.registry import CPUDispatcher, cpu_target
from numba.core.runtime import rtsys
from numba.core.serialize import dumps
from numba.misc.appdirs import AppDirs

from fastgd import callers, losses
from fastgd.kernels import compiling

# Never nnan or ninf: with them isnan returns False.
FAST = frozenset({"reassoc", "contract", "nsz", "arcp"})
CONTRACT = frozenset({"contract"})
STRICT = frozenset()

_HASH_SIZE = hashlib.sha256().digest_size


def kernel(function: Callable | None = None, *, fastmath: frozenset[str] = STRICT) -> Any:
    """Compile a function at its first call and keep the machine code on disk.

    With `fastmath=STRICT` arithmetic is IEEE 754 in the written order. `CONTRACT` lets the compiler fuse
    multiply-adds. `FAST` also lets it regroup sums. If NUMBA_DISABLE_JIT=1, the Python function is returned.
    """
    if function is None:
        return lambda f: kernel(f, fastmath=fastmath)
    if config.DISABLE_JIT:  # IEEE arithmetic without NumPy's warnings, as in machine code
        return np.errstate(all="ignore")(function)
    return Kernel(function, fastmath)


class _Library(JITCodeLibrary):
    """The code of a kernel and its parts. LLVM optimises it once, as a whole."""

    def __init__(self, codegen: Any, name: str):
        super().__init__(codegen, name)
        self.enable_object_caching()

    def _optimize_functions(self, ll_module: Any) -> None:
        ll_module.data_layout = self._codegen._data_layout


class _LinkedLibrary(JITCodeLibrary):
    """Code of a part, which callers link into their own. It has no machine code and never runs by itself.

    Each function is tidied, and the whole is optimised in the callers. Code that may regroup sums is
    optimised before, so that all callers add in one order.
    """

    def __init__(self, codegen: Any, name: str, regroups: bool):
        super().__init__(codegen, name)
        self._regroups = regroups

    def _optimize_final_module(self) -> None:
        if self._regroups:
            super()._optimize_final_module()

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._verify_declare_only_symbols()
        self._finalized = True


def _regroups(flags: Any) -> bool:
    return "reassoc" in flags.fastmath.flags


class _KernelCompiler(Compiler):
    """Compiles a kernel that Python calls."""

    def __init__(self, typingctx, targetctx, library, args, return_type, flags, locals):
        if not _regroups(flags):
            library = library or _Library(targetctx.codegen(), "kernel")
        super().__init__(typingctx, targetctx, library, args, return_type, flags, locals)


class _PartCompiler(Compiler):
    """Compiles a kernel that other kernels call."""

    def __init__(self, typingctx, targetctx, library, args, return_type, flags, locals):
        flags.no_compile = True
        library = library or _LinkedLibrary(targetctx.codegen(), "part", _regroups(flags))
        super().__init__(typingctx, targetctx, library, args, return_type, flags, locals)


class _Part(CPUDispatcher):
    """A kernel as other kernels call it: code without wrappers, inlined into the caller.

    Without inlining, a call runs whichever copy was loaded first. Copies that were optimised in different
    modules may add in different orders.
    """

    def __init__(
        self, function: Callable, fastmath: frozenset[str], pipeline: Any = _PartCompiler, **more: bool
    ):
        options = dict(nopython=True, nogil=True, error_model="numpy", forceinline=True)
        options |= dict(fastmath=set(fastmath) or False, no_cfunc_wrapper=True) | more
        super().__init__(function, targetoptions=options, pipeline_class=pipeline)
        self._cache = PartCache(function)

    def add_overload(self, cres: CompileResult) -> None:
        cres = cres._replace(entry_point=object())  # a key for callers: there is no function to run
        self.targetctx.insert_user_function(cres.entry_point, cres.fndesc, [cres.library])
        self.overloads[tuple(cres.signature.args)] = cres


class Kernel(_Part):
    """A kernel as Python calls it. Other kernels call its `part`."""

    def __init__(self, function: Callable, fastmath: frozenset[str]):
        super().__init__(function, fastmath, _KernelCompiler)
        self._cache = KernelCache(function)
        self.part = _Part(function, fastmath, no_cpython_wrapper=True)

    @property
    def _numba_type_(self) -> types.Dispatcher:
        return types.Dispatcher(self.part)

    def add_overload(self, cres: CompileResult) -> None:
        CPUDispatcher.add_overload(self, cres)

    def compile(self, sig: Any) -> Any:
        with compiling.guarded():
            return super().compile(sig)


def cache_directory() -> Path:
    """The folder of the machine code: $FASTGD_CACHE_DIR, $NUMBA_CACHE_DIR/fastgd or the user's cache
    folder."""
    if chosen := os.environ.get("FASTGD_CACHE_DIR"):
        return Path(chosen)
    if config.CACHE_DIR:
        return Path(config.CACHE_DIR) / "fastgd"
    return Path(AppDirs(appname="fastgd", appauthor=False).user_cache_dir)


def kept(directory: Path) -> list[Path]:
    """The files of machine code in a folder, and what interrupted writers left of such files."""
    return [*directory.glob(f"*.*-{'[0-9a-f]' * 24}.kernel*")]


def _hash_of_sources() -> bytes:
    """Hash all files that kernels are made from, and the versions of the compiler."""
    digest = hashlib.sha256(
        f"{numba.__version__} {llvmlite.__version__} {sys.version} {platform.machine()}".encode()
    )
    for source in [*sorted(Path(__file__).parent.glob("*.py")), Path(losses.__file__)]:
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    return digest.digest()


def compiled_by() -> dict[str, str]:
    """The versions and the processor that machine code depends on."""
    _, processor, features = cpu_target.target_context.codegen().magic_tuple()
    return {
        "Numba": numba.__version__,
        "llvmlite": llvmlite.__version__,
        "kernels": SOURCES.hex()[:12],
        "processor": f"{platform.machine()} {processor}",
        "its features": hashlib.sha256(features.encode()).hexdigest()[:12],
    }


SOURCES = _hash_of_sources()
_warned = False


def _warn_once(message: str) -> None:
    global _warned
    if not _warned:
        _warned = True
        callers.warn(message, RuntimeWarning)


class PartCache(NullCache):
    """An empty cache: machine code of a part is contained in the kernels that call it."""

    def __init__(self, function: Callable):
        self._name = f"{Path(function.__code__.co_filename).stem}.{function.__qualname__}"

    def load_overload(self, sig: Any, target_context: Any) -> CompileResult | None:
        result = self._load(sig, target_context)
        if result is None:
            compiling.missed()
        return result

    def _load(self, sig: Any, target_context: Any) -> CompileResult | None:
        return None


class KernelCache(PartCache):
    """The machine code of one function. Files hold a hash of sources, a hash of their content, and the
    content."""

    def __init__(self, function: Callable):
        super().__init__(function)
        self._code = hashlib.sha256(function.__code__.co_code).hexdigest()

    @property
    def cache_path(self) -> str:
        return str(cache_directory())

    def _file(self, signature: Any, codegen: Any) -> Path:
        # The name contains the package's path, so two installations never overwrite each other's files.
        options = (bool(config.BOUNDSCHECK), config.OPT, config.LOOP_VECTORIZE, config.SLP_VECTORIZE)
        key = (str(signature), codegen.magic_tuple(), sys.version, options, self._code, __file__)
        return (
            cache_directory() / f"{self._name}-{hashlib.sha256(repr(key).encode()).hexdigest()[:24]}.kernel"
        )

    def _load(self, sig: Any, target_context: Any) -> CompileResult | None:
        rtsys.initialize(target_context)  # machine code needs no more of the registries, which load slowly
        if losses.OWN in str(sig):  # the code of a user's loss may have changed
            return None
        if _hash_of_sources() != SOURCES:  # sources were edited after this process started
            return None
        try:
            file = self._file(sig, target_context.codegen())
            _refuse_foreign(file.parent)
            content = file.read_bytes()
        except OSError:
            return None
        sources, check, code = (
            content[:_HASH_SIZE],
            content[_HASH_SIZE : 2 * _HASH_SIZE],
            content[2 * _HASH_SIZE :],
        )
        whole = len(check) == _HASH_SIZE and hashlib.sha256(code).digest() == check
        if whole and sources != SOURCES:
            return None  # compiled from other sources: replaced without a warning
        if whole:
            try:
                return CompileResult._rebuild(target_context, *pickle.loads(code))
            except Exception as error:  # another build of Numba may have written anything
                _warn_once(f"fastgd compiles a kernel again: {file} cannot be used ({error!r})")
                return None
        _warn_once(f"fastgd compiles a kernel again: {file} is damaged")
        return None

    def save_overload(self, sig: Any, data: CompileResult) -> None:
        if data.library.has_dynamic_globals or any(not lifted.can_cache for lifted in data.lifted):
            raise TypeError(f"kernel {self._name} refers to something that cannot be cached")
        if losses.OWN in str(sig) or _hash_of_sources() != SOURCES:
            return
        code = dumps(data._reduce())
        try:
            file = self._file(sig, data.codegen)
            _make_directory()
            handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=file.name)
            try:
                with os.fdopen(handle, "wb") as stream:
                    stream.write(SOURCES + hashlib.sha256(code).digest() + code)
                os.replace(temporary, file)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)
                raise
        except OSError as error:
            _warn_once(
                f"fastgd cannot write compiled kernels to {cache_directory()} ({error.strerror or error}), "
                "so every process compiles them again; set FASTGD_CACHE_DIR to a writable folder"
            )


def is_kept(name: str) -> bool:
    """Whether the disk holds machine code of the kernel `name`, such as "gram.run", for some types."""
    try:
        heads = [file.read_bytes()[:_HASH_SIZE] for file in cache_directory().glob(f"{name}-*.kernel")]
    except OSError:
        return False
    return SOURCES in heads


def can_keep() -> bool:
    """Whether the folder of the machine code can be written. Makes the folder if it is missing."""
    try:
        _make_directory()
        with tempfile.TemporaryFile(dir=cache_directory()):
            return True
    except OSError:
        return False


def _make_directory() -> None:
    cache_directory().mkdir(mode=0o700, parents=True, exist_ok=True)
    _refuse_foreign(cache_directory())


def _refuse_foreign(directory: Path) -> None:
    """Refuse a folder of another user: the files are pickles, which can run code."""
    if hasattr(os, "getuid") and directory.exists() and directory.stat().st_uid != os.getuid():
        raise PermissionError(f"{directory} belongs to another user")
