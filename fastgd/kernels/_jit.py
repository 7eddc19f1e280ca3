"""How every kernel is compiled and cached.

One decorator, `kernel`, is the whole policy: compiled at the first call, without the GIL, with
IEEE division, kept on disk for the next process.

Numba's own disk cache looks at the file that holds a kernel and at nothing else, trusts what it
finds, and numbers its files so that two processes starting together can swap them. This one keeps
one file a kernel and signature that Python calls. A file starts with the hash of *all* kernel
sources and of its own content, so machine code of an older source is never run, a damaged file is
rebuilt, and files of several processes never mix. Where nothing can be written, kernels are
compiled anew.
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
from numba.core.serialize import dumps
from numba.misc.appdirs import AppDirs

from fastgd import callers, losses
from fastgd.kernels import compiling

# Never nnan or ninf: they turn isnan into False.
FAST = frozenset({"reassoc", "contract", "nsz", "arcp"})
CONTRACT = frozenset({"contract"})
STRICT = frozenset()

_HASH_SIZE = hashlib.sha256().digest_size


def kernel(function: Callable | None = None, *, fastmath: frozenset[str] = STRICT) -> Any:
    """Compile a function at its first call and keep the machine code on disk.

    `fastmath=STRICT` (the default) is IEEE arithmetic in the written order; `CONTRACT` lets the compiler
    fuse multiply-adds, `FAST` also regroup sums. Under NUMBA_DISABLE_JIT=1 the function stays
    the Python function that it is.
    """
    if function is None:
        return lambda f: kernel(f, fastmath=fastmath)
    if config.DISABLE_JIT:  # IEEE arithmetic without NumPy's warnings, as in machine code
        return np.errstate(all="ignore")(function)
    return Kernel(function, fastmath)


class _LinkedLibrary(JITCodeLibrary):
    """Optimised code that callers link into their own. It never runs by itself and has no machine code."""

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._verify_declare_only_symbols()
        self._finalized = True


class _PartCompiler(Compiler):
    """Compile a kernel that other kernels call."""

    def __init__(self, typingctx, targetctx, library, args, return_type, flags, locals):
        flags.no_compile = True
        library = library or _LinkedLibrary(targetctx.codegen(), "part")
        super().__init__(typingctx, targetctx, library, args, return_type, flags, locals)


class _Part(CPUDispatcher):
    """A kernel as other kernels call it: code without wrappers, which is inlined there.

    A call would run whichever copy was loaded first, and copies that were optimised in different modules add
    in different orders.
    """

    def __init__(
        self, function: Callable, fastmath: frozenset[str], pipeline: Any = _PartCompiler, **more: bool
    ):
        options = dict(nopython=True, nogil=True, error_model="numpy", forceinline=True)
        options |= dict(fastmath=set(fastmath) or False, no_cfunc_wrapper=True) | more
        super().__init__(function, targetoptions=options, pipeline_class=pipeline)
        self._cache = PartCache(function)

    def add_overload(self, cres: CompileResult) -> None:
        cres = cres._replace(entry_point=object())  # what callers find it by, as there is no function to run
        self.targetctx.insert_user_function(cres.entry_point, cres.fndesc, [cres.library])
        self.overloads[tuple(cres.signature.args)] = cres


class Kernel(_Part):
    """A kernel as Python calls it. Other kernels call its `part`."""

    def __init__(self, function: Callable, fastmath: frozenset[str]):
        super().__init__(function, fastmath, Compiler)
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
    """The per-user folder of the machine code: $FASTGD_CACHE_DIR, $NUMBA_CACHE_DIR/fastgd or the system's."""
    if chosen := os.environ.get("FASTGD_CACHE_DIR"):
        return Path(chosen)
    if config.CACHE_DIR:
        return Path(config.CACHE_DIR) / "fastgd"
    return Path(AppDirs(appname="fastgd", appauthor=False).user_cache_dir)


def _hash_of_sources() -> bytes:
    """A hash of every file that any kernel is made from, and of what compiles it."""
    digest = hashlib.sha256(
        f"{numba.__version__} {llvmlite.__version__} {sys.version} {platform.machine()}".encode()
    )
    for source in [*sorted(Path(__file__).parent.glob("*.py")), Path(losses.__file__)]:
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    return digest.digest()


def compiled_by() -> dict[str, str]:
    """What machine code depends on beside its sources: the compiler and the processor it is for."""
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
    """Keeps nothing: the code of a part is in the machine code of the kernels that call it."""

    def __init__(self, function: Callable):
        self._name = f"{Path(function.__code__.co_filename).stem}.{function.__qualname__}"

    def load_overload(self, sig: Any, target_context: Any) -> CompileResult | None:
        found = self._load(sig, target_context)
        if found is None:
            compiling.missed()
        return found

    def _load(self, sig: Any, target_context: Any) -> CompileResult | None:
        return None


class KernelCache(PartCache):
    """The machine code of one function, one file a signature: hash of sources, hash of content, content."""

    def __init__(self, function: Callable):
        super().__init__(function)
        self._code = hashlib.sha256(function.__code__.co_code).hexdigest()

    @property
    def cache_path(self) -> str:
        return str(cache_directory())

    def _file(self, signature: Any, codegen: Any) -> Path:
        # The package's own path is part of the name: two installations never overwrite each other.
        options = (bool(config.BOUNDSCHECK), config.OPT, config.LOOP_VECTORIZE, config.SLP_VECTORIZE)
        key = (str(signature), codegen.magic_tuple(), sys.version, options, self._code, __file__)
        return (
            cache_directory() / f"{self._name}-{hashlib.sha256(repr(key).encode()).hexdigest()[:24]}.kernel"
        )

    def _load(self, sig: Any, target_context: Any) -> CompileResult | None:
        target_context.refresh()
        if losses.OWN in str(sig):  # a user's own code may have changed since
            return None
        if _hash_of_sources() != SOURCES:  # edited since this process began: what it runs has no name on disk
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
            return None  # compiled from other sources: silently replaced
        if whole:
            try:
                return CompileResult._rebuild(target_context, *pickle.loads(code))
            except Exception as error:  # whatever a foreign Numba build may have written
                _warn_once(f"fastgd compiles a kernel anew: {file} cannot be used ({error!r})")
                return None
        _warn_once(f"fastgd compiles a kernel anew: {file} is damaged")
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
                f"fastgd cannot keep compiled kernels in {cache_directory()} ({error.strerror or error}), so "
                "that every process compiles them again; set FASTGD_CACHE_DIR to a folder that can be written"
            )


def is_kept(name: str) -> bool:
    """Whether machine code of the kernel `name`, as "gram.run", is on the disk for some types."""
    try:
        heads = [file.read_bytes()[:_HASH_SIZE] for file in cache_directory().glob(f"{name}-*.kernel")]
    except OSError:
        return False
    return SOURCES in heads


def can_keep() -> bool:
    """Whether the folder of the machine code can be written; it is made where it is missing."""
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
    """The files are pickles: read and write them in a directory of our own only."""
    if hasattr(os, "getuid") and directory.exists() and directory.stat().st_uid != os.getuid():
        raise PermissionError(f"{directory} belongs to another user")
