"""Landlock: this process may touch no file and no TCP port, whatever its user may. Source: landlock(7)."""

import ctypes
import errno
import os
import struct
from typing import Final

_CREATE_RULESET: Final = 444
_RESTRICT_SELF: Final = 446
_ASK_VERSION: Final = 1
_FILE_RIGHTS_FIRST: Final = (1 << 13) - 1
_FILE_RIGHTS_LATER: Final = {2: 1 << 13, 3: 1 << 14, 5: 1 << 15}
"""Version of the interface that brought: refer, truncate, device control."""
_NETWORK_SINCE, _NETWORK_RIGHTS = 4, 3
_SCOPES_SINCE, _SCOPES = 6, 3


def version() -> int:
    """Version of the kernel's Landlock; 0 where there is none."""
    library = ctypes.CDLL(None, use_errno=True)
    return max(int(library.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _ASK_VERSION)), 0)


def deny_all() -> int:
    """Deny every right that this kernel knows, to this thread and all it starts; gives the version.

    Raises:
        OSError: The kernel has no Landlock or refuses.
    """
    if (known := version()) < 1:
        raise OSError(errno.ENOSYS, "this kernel has no Landlock")
    rights = _FILE_RIGHTS_FIRST
    for since, right in _FILE_RIGHTS_LATER.items():
        rights |= right if known >= since else 0
    fields = [rights]
    if known >= _NETWORK_SINCE:
        fields.append(_NETWORK_RIGHTS)
    if known >= _SCOPES_SINCE:
        fields.append(_SCOPES)
    rules = struct.pack(f"<{len(fields)}Q", *fields)
    library = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(rules, len(rules))
    descriptor = library.syscall(_CREATE_RULESET, buffer, ctypes.c_size_t(len(rules)), 0)
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), "Landlock refuses the rules")
    try:
        if library.syscall(_RESTRICT_SELF, descriptor, 0) != 0:
            raise OSError(ctypes.get_errno(), "Landlock refuses to restrict")
    finally:
        os.close(descriptor)
    return known
