"""What the strict engine is made of is the pinned file, and its compiled code cannot be changed by anybody (A06)."""

import hashlib
import importlib.util
import os
import sys
from pathlib import Path

import pytest
import wasmtime

from quilate.sandbox.errors import SandboxUnavailableError
from quilate.sandbox.strict import module
from quilate.sandbox.strict.engine import StrictEngine

ROOT = Path(__file__).parents[3]
IMPORTS = {
    *("clock_time_get", "random_get", "fd_write", "fd_close", "fd_fdstat_get", "fd_seek"),
    *("host_call", "host_interrupt", "host_promise_rejection", "host_module_load", "host_module_normalize"),
    "host_get_timezone_offset",
}


def test_module_is_the_one_that_is_pinned() -> None:
    found = importlib.util.spec_from_file_location("vendor_javascript", ROOT / "scripts" / "vendor_javascript.py")
    assert found is not None
    assert found.loader is not None
    vendoring = importlib.util.module_from_spec(found)
    sys.modules["vendor_javascript"] = vendoring
    found.loader.exec_module(vendoring)

    files = {
        file.target: file.sha256
        for package in vendoring.PACKAGES
        if package.name == "quickjs-wasi"
        for file in package.files
    }

    assert {target: hashlib.sha256((ROOT / target).read_bytes()).hexdigest() for target in files} == files
    assert module.WASM_PATH.relative_to(ROOT).as_posix() in files


def test_module_asks_for_nothing_new() -> None:
    loaded = wasmtime.Module(wasmtime.Engine(), module.WASM_PATH.read_bytes())

    assert {str(wanted.name) for wanted in loaded.imports} == IMPORTS


@pytest.mark.skipif(sys.platform != "linux", reason="memory files are Linux's")
def test_compiled_code_cannot_be_written() -> None:
    descriptor = module.compiled_code_file()

    with pytest.raises(PermissionError):
        os.pwrite(descriptor, b"other", 0)
    with pytest.raises(PermissionError):
        os.ftruncate(descriptor, 0)
    assert module.compiled_code_file() == descriptor


def test_other_code_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "code"
    path.write_bytes(b"\x7fELF no code of wasmtime")
    with path.open("rb") as file, pytest.raises(SandboxUnavailableError):
        StrictEngine(file.fileno()).boot(heap_bytes=1 << 26, stack_kibibytes=512)


def test_code_compiled_with_other_settings_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "code"
    path.write_bytes(wasmtime.Module(wasmtime.Engine(), module.WASM_PATH.read_bytes()).serialize())
    with path.open("rb") as file, pytest.raises(SandboxUnavailableError):
        StrictEngine(file.fileno()).boot(heap_bytes=1 << 26, stack_kibibytes=512)
