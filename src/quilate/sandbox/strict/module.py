"""The WebAssembly module of the strict engine: where it lies, how it is compiled, how compiled code is handed over.

Compiling takes about a second, reading compiled code 3 ms. So the parent has the code made once, by a child process of
its own (``python -m quilate.sandbox.strict.module``), and gives each worker the same bytes. Compiled code is machine
code that nobody checks again: it lies in a sealed memory file that nobody can change or replace, never in a directory.
"""

import fcntl
import os
import subprocess
import sys
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import wasmtime

WASM_PATH = Path(__file__).parent / "vendor" / "quickjs.wasm"
NATIVE_STACK_BYTES = 2 << 20
"""Of the machine stack that WebAssembly may use; 2 MiB is the most that wasmtime takes without its own stacks."""
_COMPILE_SECONDS = 120


def make_engine(*, parallel: bool = False) -> "wasmtime.Engine":
    """An engine whose code is the same for the same module and whose every step costs fuel.

    What a later worker reads must have been compiled with the same settings; wasmtime refuses it otherwise.

    Args:
        parallel: Compiles with one thread a processor; makes no difference to the code.
    """
    import wasmtime  # noqa: PLC0415 - 40 MiB, only for who uses this engine

    config = wasmtime.Config()
    config.consume_fuel = True
    config.epoch_interruption = True
    # Otherwise the bits of a NaN, which a script reads through a Float64Array, depend on the processor.
    config.cranelift_nan_canonicalization = True
    config.max_wasm_stack = NATIVE_STACK_BYTES
    config.parallel_compilation = parallel
    for feature in ("wasm_threads", "wasm_memory64", "wasm_multi_memory", "wasm_relaxed_simd", "wasm_tail_call"):
        setattr(config, feature, False)
    return wasmtime.Engine(config)


def compile_module() -> bytes:
    """The vendored module as machine code of this processor."""
    import wasmtime  # noqa: PLC0415 - 40 MiB, only for who uses this engine

    return bytes(wasmtime.Module(make_engine(parallel=True), WASM_PATH.read_bytes()).serialize())


@lru_cache(maxsize=1)
def compiled_code_file() -> int:
    """A file descriptor of the compiled code, made once a process by a child that reads nothing but the module.

    The file has no name and, on Linux, is sealed: who inherits it can read it and nobody can write it. It stays open as
    long as this process lives.

    Raises:
        OSError: The child could not be started or failed.
    """
    command = [sys.executable, "-I", "-c", _CHILD, *[entry for entry in sys.path if entry]]
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter on our own module
            command, env={}, capture_output=True, check=True, timeout=_COMPILE_SECONDS, stdin=subprocess.DEVNULL
        )
    except subprocess.SubprocessError as error:
        message = f"The strict engine's module could not be compiled: {error}"
        raise OSError(message) from error
    return _sealed(done.stdout)


_CHILD = """
import sys
sys.path[:0] = sys.argv[1:]
from quilate.sandbox.strict.module import compile_module
sys.stdout.buffer.write(compile_module())
"""


def _sealed(content: bytes) -> int:
    """The content in a file without a name, sealed where the system can."""
    if not hasattr(os, "memfd_create"):
        with tempfile.TemporaryFile() as file:
            file.write(content)
            file.flush()
            return os.dup(file.fileno())
    descriptor = os.memfd_create("quilate-strict", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with os.fdopen(os.dup(descriptor), "wb") as file:
        file.write(content)
    fcntl.fcntl(
        descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
    )
    return descriptor


def read_code(descriptor: int) -> bytes:
    """The whole content of ``compiled_code_file``, wherever its position is."""
    size = os.fstat(descriptor).st_size
    return os.pread(descriptor, size, 0)
