"""A system-call filter written by hand: only what a running engine needs, everything else refused or deadly.

Three answers: allowed; refused with an error, for calls that a library may try in good faith; and the end of the
process by SIGSYS, which the parent reports as a violation. Source: seccomp(2), Linux ``unistd`` tables.
"""

import ctypes
import errno
import platform
import struct
from dataclasses import dataclass
from typing import Final

SYSTEM_CALLS: Final = (
    "read", "write", "pread64", "close", "fstat", "poll", "ppoll", "lseek", "mmap", "mprotect", "munmap", "brk",
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "readv", "writev", "sched_yield", "mremap", "madvise",
    "nanosleep", "getpid", "getppid", "clone", "exit", "fcntl", "getrusage", "sysinfo", "getuid", "sigaltstack",
    "prctl", "gettid", "futex", "sched_getaffinity", "clock_gettime", "clock_getres", "clock_nanosleep", "exit_group",
    "tgkill", "set_robust_list", "epoll_wait", "epoll_pwait", "getrandom", "membarrier", "pkey_mprotect", "pkey_alloc",
    "pkey_free", "rseq", "recvfrom", "sendto", "recvmsg", "sendmsg", "restart_syscall", "sched_getparam",
    "sched_getscheduler",
)  # fmt: skip
"""What an engine and Python need to answer calls."""
_REFUSED: Final = (
    "open", "openat", "openat2", "stat", "lstat", "newfstatat", "statx", "access", "faccessat", "faccessat2",
    "readlink", "readlinkat", "getcwd", "chdir", "unlink", "unlinkat", "socket", "socketpair", "connect", "bind",
    "listen", "execve", "execveat", "fork", "vfork", "kill", "ptrace", "mount", "io_uring_setup", "ioctl", "uname",
)  # fmt: skip
"""Calls that get EPERM: attempts that shall fail with an error that can be read."""

_NUMBERS: Final[dict[str, dict[str, int]]] = {
    "x86_64": {
        "read": 0, "write": 1, "open": 2, "close": 3, "stat": 4, "fstat": 5, "lstat": 6, "poll": 7, "lseek": 8,
        "mmap": 9, "mprotect": 10, "munmap": 11, "brk": 12, "rt_sigaction": 13, "rt_sigprocmask": 14,
        "rt_sigreturn": 15, "ioctl": 16, "pread64": 17, "readv": 19, "writev": 20, "access": 21, "sched_yield": 24,
        "mremap": 25, "madvise": 28, "nanosleep": 35, "getpid": 39, "socket": 41, "connect": 42, "sendto": 44,
        "recvfrom": 45, "sendmsg": 46, "recvmsg": 47, "bind": 49, "listen": 50, "socketpair": 53, "clone": 56,
        "fork": 57, "vfork": 58, "execve": 59, "exit": 60, "kill": 62, "uname": 63, "fcntl": 72, "getcwd": 79,
        "chdir": 80, "unlink": 87, "readlink": 89, "getrusage": 98, "sysinfo": 99, "ptrace": 101, "getuid": 102,
        "getppid": 110, "sigaltstack": 131, "sched_getparam": 143, "sched_getscheduler": 145, "prctl": 157,
        "mount": 165, "gettid": 186, "futex": 202, "sched_getaffinity": 204, "restart_syscall": 219,
        "clock_gettime": 228,
        "clock_getres": 229, "clock_nanosleep": 230, "exit_group": 231, "epoll_wait": 232, "tgkill": 234,
        "openat": 257, "newfstatat": 262, "unlinkat": 263, "readlinkat": 267, "faccessat": 269, "ppoll": 271,
        "set_robust_list": 273, "epoll_pwait": 281, "getrandom": 318, "execveat": 322, "membarrier": 324,
        "pkey_mprotect": 329, "pkey_alloc": 330, "pkey_free": 331, "statx": 332, "rseq": 334,
        "io_uring_setup": 425, "clone3": 435, "openat2": 437, "faccessat2": 439,
    },
    "aarch64": {
        "getcwd": 17, "fcntl": 25, "ioctl": 29, "unlinkat": 35, "mount": 40, "faccessat": 48, "chdir": 49, "openat": 56,
        "close": 57, "lseek": 62, "read": 63, "write": 64, "readv": 65, "writev": 66, "pread64": 67, "ppoll": 73,
        "readlinkat": 78, "newfstatat": 79, "fstat": 80, "exit": 93, "exit_group": 94, "futex": 98,
        "set_robust_list": 99, "nanosleep": 101, "clock_gettime": 113, "clock_getres": 114, "clock_nanosleep": 115,
        "ptrace": 117, "sched_getscheduler": 120, "sched_getparam": 121, "sched_getaffinity": 123, "sched_yield": 124,
        "restart_syscall": 128, "kill": 129, "tgkill": 131, "sigaltstack": 132, "rt_sigaction": 134,
        "rt_sigprocmask": 135, "rt_sigreturn": 139, "uname": 160, "getrusage": 165, "prctl": 167, "getpid": 172,
        "getppid": 173,
        "getuid": 174, "gettid": 178, "sysinfo": 179, "socket": 198, "socketpair": 199, "bind": 200, "listen": 201,
        "connect": 203, "sendto": 206, "recvfrom": 207, "sendmsg": 211, "recvmsg": 212, "brk": 214, "munmap": 215,
        "mremap": 216, "clone": 220, "execve": 221, "mmap": 222, "mprotect": 226, "madvise": 233, "getrandom": 278,
        "execveat": 281, "membarrier": 283, "pkey_mprotect": 288, "pkey_alloc": 289, "pkey_free": 290, "statx": 291,
        "rseq": 293, "epoll_pwait": 22, "io_uring_setup": 425, "clone3": 435, "openat2": 437, "faccessat2": 439,
    },
}  # fmt: skip
_AUDIT_ARCHITECTURES: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_SECCOMP: Final = {"x86_64": 317, "aarch64": 277}

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL_PROCESS, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER_OFFSET, _ARCHITECTURE_OFFSET, _ARGUMENTS_OFFSET = 0, 4, 16
_X32_BIT = 0x40000000
_CLONE_THREAD = 0x10000
_PROT_EXEC = 4
_SET_MODE_FILTER, _TO_ALL_THREADS = 1, 1
_EXECUTABLE_CALLS = ("mmap", "mprotect", "pkey_mprotect")


@dataclass(frozen=True, slots=True)
class _Instruction:
    code: int
    if_true: int
    if_false: int
    value: int

    def packed(self) -> bytes:
        return struct.pack("<HBBI", self.code, self.if_true, self.if_false, self.value)


def machine() -> str | None:
    """The processor's name, where there is a table for it."""
    name = platform.machine()
    return name if name in _NUMBERS else None


def _when(number: int, *then: _Instruction) -> list[_Instruction]:
    return [_Instruction(_EQUAL, 0, len(then), number), *then]


def _return(value: int) -> _Instruction:
    return _Instruction(_RETURN, 0, 0, value)


def _if_bit(argument: int, bit: int, *, then: int, otherwise: int) -> tuple[_Instruction, ...]:
    """Answer by a bit in the low half of an argument."""
    load = _Instruction(_LOAD, 0, 0, _ARGUMENTS_OFFSET + 8 * argument)
    return (load, _Instruction(_ANY_BIT, 0, 1, bit), _return(then), _return(otherwise))


def program(name: str, *, executable_memory: bool, further: frozenset[str] = frozenset()) -> list[_Instruction]:
    """The filter's instructions for the machine ``name``."""
    numbers = _NUMBERS[name]
    code = [
        _Instruction(_LOAD, 0, 0, _ARCHITECTURE_OFFSET),
        _Instruction(_EQUAL, 1, 0, _AUDIT_ARCHITECTURES[name]),
        _return(_KILL_PROCESS),
        _Instruction(_LOAD, 0, 0, _NUMBER_OFFSET),
    ]
    if name == "x86_64":
        code += [_Instruction(_AT_LEAST, 0, 1, _X32_BIT), _return(_KILL_PROCESS)]
    # Threads may be made, processes not; clone3 hides its flags, so that the library has to fall back to clone.
    code += _when(numbers["clone3"], _return(_ERROR | errno.ENOSYS))
    thread = _if_bit(0, _CLONE_THREAD, then=_ALLOW, otherwise=_ERROR | errno.EPERM)
    code += _when(numbers["clone"], *thread)
    special = {"clone"}
    if not executable_memory:
        for call in _EXECUTABLE_CALLS:
            code += _when(numbers[call], *_if_bit(2, _PROT_EXEC, then=_ERROR | errno.EACCES, otherwise=_ALLOW))
        special.update(_EXECUTABLE_CALLS)
    for call in (*SYSTEM_CALLS, *sorted(further)):
        if call in numbers and call not in special:
            code += _when(numbers[call], _return(_ALLOW))
    for call in _REFUSED:
        if call in numbers and call not in further:
            code += _when(numbers[call], _return(_ERROR | errno.EPERM))
    return [*code, _return(_KILL_PROCESS)]


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def install(*, executable_memory: bool, further: frozenset[str] = frozenset()) -> None:
    """Put the filter on every thread of this process, for good; ``no_new_privs`` has to be set before.

    Raises:
        OSError: The kernel refuses, or there is no table for this processor.
    """
    name = machine()
    if name is None:
        raise OSError(errno.ENOSYS, f"no system-call table for {platform.machine()}")
    code = program(name, executable_memory=executable_memory, further=further)
    data = b"".join(instruction.packed() for instruction in code)
    buffer = ctypes.create_string_buffer(data, len(data))
    argument = _Program(len(code), ctypes.addressof(buffer))
    library = ctypes.CDLL(None, use_errno=True)
    if library.syscall(_SECCOMP[name], _SET_MODE_FILTER, _TO_ALL_THREADS, ctypes.byref(argument)) != 0:
        raise OSError(ctypes.get_errno(), "the system-call filter is refused")
