"""A state from which V8 begins each isolate: a snapshot in which the sandbox's own code has run already.

mini-racer's interface has no call for it, its library exports V8's own: one function runs a script and writes down the
heap, one compiles what a second script uses, and one says where the snapshot lies with which isolates begin. Names and
layout are those of the V8 that the pinned mini-racer brings; with any other nothing is done, and isolates run the code
themselves. Source: ``src/snapshot/snapshot.h`` and ``include/v8-snapshot.h`` of V8.
"""

import ctypes
import mmap
from pathlib import Path
from typing import Any, Final

from quilate.sandbox.errors import SandboxUnavailableError

KNOWN_VERSION: Final = "14.4."
"""V8 whose functions are as written here."""
_CREATE: Final = (
    "_ZN2v88internal30CreateSnapshotDataBlobInternalENS_15SnapshotCreator20FunctionCodeHandlingEPKcNS_4base5Flags"
    "INS0_8Snapshot14SerializerFlagEiiEE"
)
_WARM_UP: Final = "_ZN2v88internal30WarmUpSnapshotDataBlobInternalENS_11StartupDataEPKc"
_DEFAULT: Final = "_ZN2v88internal8Snapshot19DefaultSnapshotBlobEv"
_KEEP_CODE: Final = 1
_NO_FLAGS: Final = 0
_READ_ONLY: Final = "r--p"
_READ, _READ_AND_WRITE = mmap.PROT_READ, mmap.PROT_READ | mmap.PROT_WRITE


class _StartupData(ctypes.Structure):
    """``v8::StartupData``: bytes that are never freed."""

    _fields_ = (("data", ctypes.c_void_p), ("raw_size", ctypes.c_int))


def begin_isolates_with(library: Any, version: str, state: bytes, exercise: bytes) -> bool:
    """Have each isolate begin with what ``state`` leaves behind.

    To be called before the first isolate, on the thread that loaded V8.

    Args:
        library: mini-racer's, with V8 initialised.
        version: Of V8.
        state: A script; what it leaves on the global object is there in each isolate.
        exercise: A script; functions that it calls are kept compiled, what it changes is not kept.

    Returns:
        Whether they do; ``False`` where this is another V8, or its memory is not as expected or may not be written.

    Raises:
        SandboxUnavailableError: Memory that was read-only cannot be made so again.
    """
    if not version.startswith(KNOWN_VERSION):
        return False
    try:
        create, warm_up, default = library[_CREATE], library[_WARM_UP], library[_DEFAULT]
    except AttributeError:
        return False
    create.restype, create.argtypes = _StartupData, (ctypes.c_int, ctypes.c_char_p, ctypes.c_int)
    warm_up.restype, warm_up.argtypes = _StartupData, (_StartupData, ctypes.c_char_p)
    default.restype, default.argtypes = ctypes.POINTER(_StartupData), ()
    made = create(_KEEP_CODE, state, _NO_FLAGS)
    if made.raw_size > 0:
        made = warm_up(made, exercise)
    return made.raw_size > 0 and _replace(default().contents, made)


def _replace(place: _StartupData, content: _StartupData) -> bool:
    """Write over what the linker made read-only; it is read-only again afterwards."""
    begin = ctypes.addressof(place)
    first = begin - begin % mmap.PAGESIZE
    length = begin + ctypes.sizeof(place) - first
    if _protection(begin) != _READ_ONLY:
        return False
    protect = ctypes.CDLL(None).mprotect
    protect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    if protect(first, length, _READ_AND_WRITE) != 0:
        return False
    place.data, place.raw_size = content.data, content.raw_size
    if protect(first, length, _READ) != 0:
        raise SandboxUnavailableError("The sandbox's memory cannot be made read-only again")
    return True


def _protection(address: int) -> str:
    """What the kernel allows at an address, as ``/proc/self/maps`` writes it; empty where it does not say."""
    try:
        lines = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    for line in lines:
        where, allowed = line.split(maxsplit=2)[:2]
        begin, end = (int(part, 16) for part in where.split("-"))
        if begin <= address < end:
            return allowed
    return ""
