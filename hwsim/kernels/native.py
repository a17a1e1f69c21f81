"""Machine code of a kernel, kept as an object file: a process that finds it needs LLVM's loader alone, not numba.

Why: numba's start takes 60 MB and half a second more than the kernel, even where the kernel is in its cache.
"""

from __future__ import annotations

import ctypes
import os
import tempfile
from collections.abc import Callable
from functools import cached_property, lru_cache, partial
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from ..jit import Compiled, _stamp

HARMLESS = {"memset", "memcpy", "memmove", "memcmp", "NRT_MemInfo_call_dtor"}
"""Functions that code may call outside. The last is called for arrays that numba owns; ours it does not."""
_ENGINES: list[Any] = []  # the code lives as long as they do


class Native:
    """A kernel of one signature, without a result, that cannot fail.

    Args:
        kernel: the function.
        signature: its types as numba writes them; arrays are C-contiguous.
    """

    def __init__(self, kernel: Callable[..., Any], signature: str) -> None:
        assert isinstance(kernel, Compiled)
        self.kernel, self.signature, self._lock = kernel, signature, Lock()

    def __call__(self, *args: Any) -> None:
        """Run it."""
        self.ready(*args)()

    def ready(self, *args: Any) -> Callable[[], object]:
        """What runs it on these arguments, as often as it is called; arrays stay where they are."""
        with self._lock:
            make = self._make
        return make(*args)

    @cached_property
    def _make(self) -> Callable[..., Callable[[], object]]:
        """By its address, or numba's own where the object file is no good."""
        if os.name != "posix":
            return self._numba
        places = self._places()
        code = next(filter(None, map(_read, places)), None) or self._compiled(places)
        return self._numba if code is None else _linked(code, self.kernel.function.__name__)

    def _numba(self, *args: Any) -> Callable[[], object]:
        return partial(self.kernel, *args)

    def _places(self) -> list[Path]:
        """Where the object file may be: where numba is told to keep its own, else by the source, else at home."""
        source = Path(self.kernel.function.__code__.co_filename)
        what = (_stamp(str(source)), self.signature, *_machine(), *map(version, ("numba", "llvmlite")))
        name = f"{source.stem}.{self.kernel.function.__name__}-{sha256(repr(what).encode()).hexdigest()[:20]}.o"
        if told := os.environ.get("NUMBA_CACHE_DIR"):
            return [Path(told) / name]
        return [source.parent / "__pycache__" / name, Path(os.path.expanduser("~/.cache/hwsim"), name)]

    def _compiled(self, places: list[Path]) -> bytes | None:
        """The object file, written to the first place that takes it; None where it calls what only numba has."""
        import llvmlite.binding as llvm
        import numba

        made: Any = numba.njit(self.signature, nogil=True)(self.kernel.dispatcher.py_func)  # type: ignore[attr-defined]
        (result,) = made.overloads.values()
        module = llvm.parse_assembly(result.library.get_llvm_str())
        for thing in (*module.functions, *module.global_variables):
            if thing.name == result.fndesc.llvm_func_name:
                thing.name = self.kernel.function.__name__
            elif not thing.is_declaration:
                thing.linkage = "internal"
        target, passes = _target(), llvm.create_new_module_pass_manager()
        passes.add_global_dead_code_eliminate_pass()
        passes.run(module, llvm.create_pass_builder(target, llvm.create_pipeline_tuning_options(speed_level=0)))
        outside = {f.name for f in module.functions if f.is_declaration and not f.name.startswith("llvm.")}
        if not outside <= HARMLESS:
            return None
        code: bytes = target.emit_object(module)
        any(_written(place, code) for place in places)  # nowhere: compiled again in the next process
        return code


def _read(place: Path) -> bytes | None:
    """An object file that is whole: LLVM would end the process at a broken one."""
    try:
        data = place.read_bytes()
    except OSError:
        return None
    return data[32:] if data[:32] == sha256(data[32:]).digest() else None


def _written(place: Path, code: bytes) -> bool:
    if not place.is_absolute():  # nobody's home
        return False
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=place.parent)
        with os.fdopen(handle, "wb") as f:
            f.write(sha256(code).digest() + code)
        os.chmod(temporary, 0o644)
        os.replace(temporary, place)
    except OSError:
        return False
    return True


@lru_cache
def _machine() -> tuple[str, str]:
    """Name and features of the processor, or those that numba is told to compile for."""
    import llvmlite.binding as llvm

    name = os.environ.get("NUMBA_CPU_NAME") or llvm.get_host_cpu_name()
    return name, os.environ.get("NUMBA_CPU_FEATURES") or llvm.get_host_cpu_features().flatten()


def _target() -> Any:
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    name, features = _machine()
    return llvm.Target.from_default_triple().create_target_machine(cpu=name, features=features, opt=3, jit=True)


def _linked(code: bytes, name: str) -> Callable[..., Callable[[], object]]:
    """The function `name` of an object file, by numba's calling convention: places of result and error, arguments."""
    import llvmlite.binding as llvm

    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _target())
    llvm.add_symbol("NRT_MemInfo_call_dtor", ctypes.cast(ctypes.CDLL(None).abort, ctypes.c_void_p).value)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    _ENGINES.append(engine)
    address = engine.get_function_address(name)

    def check(status: int) -> None:
        if status not in (0, -2):
            raise RuntimeError(f"kernel {name}: status {status}")

    def ready(*args: Any) -> Callable[[], object]:
        flat = [n for a in args for n in (_flat(a) if isinstance(a, np.ndarray) else (a,))]
        function = ctypes.CFUNCTYPE(ctypes.c_int32, *[ctypes.c_void_p] * 2, *[ctypes.c_int64] * len(flat))(address)
        function.restype = check
        result, error = ctypes.c_void_p(), ctypes.c_void_p()
        ends = (ctypes.byref(result), ctypes.byref(error))
        return partial(_called, partial(function, *ends, *map(ctypes.c_int64, flat)), args)

    return ready


def _called(function: Callable[[], object], keep: Any) -> None:
    """Why `keep`: the arrays that a call points at live as long as the call."""
    function()


def _flat(x: Any) -> tuple[int, ...]:
    """An array as numba passes it: no owner, elements, bytes of one, address, sizes, strides."""
    return (0, 0, x.size, x.itemsize, x.ctypes.data, *x.shape, *x.strides)
