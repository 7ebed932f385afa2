"""Time-ordered identifiers."""

import os
import time
from uuid import UUID

_RANDOM_BYTES = 10


def uuid7(milliseconds: int | None = None) -> UUID:
    """Return a version 7 UUID (RFC 9562): 48 bits of Unix time in milliseconds, then 74 random bits."""
    return UUID(int=_number(_now() if milliseconds is None else milliseconds, os.urandom(_RANDOM_BYTES)))


def uuid7s(number: int) -> list[UUID]:
    """Return so many of them, ascending: of one moment, made together for a fraction of what each costs alone."""
    moment, random = _now(), os.urandom(number * _RANDOM_BYTES)
    parts = (random[begin : begin + _RANDOM_BYTES] for begin in range(0, len(random), _RANDOM_BYTES))
    return [UUID(int=each) for each in sorted(_number(moment, part) for part in parts)]


def uuid7_hex() -> str:
    """Return the 32 hexadecimal digits of a new one."""
    return f"{_number(_now(), os.urandom(_RANDOM_BYTES)):032x}"


def _now() -> int:
    return time.time_ns() // 1_000_000


def _number(moment: int, random_bytes: bytes) -> int:
    random = int.from_bytes(random_bytes, "big")
    high = (moment & (1 << 48) - 1) << 80
    return high | 0x7 << 76 | (random >> 68 & 0xFFF) << 64 | 0b10 << 62 | random & (1 << 62) - 1
