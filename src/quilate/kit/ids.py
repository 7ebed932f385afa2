"""Time-ordered identifiers."""

import os
import time
from uuid import UUID


def uuid7(milliseconds: int | None = None) -> UUID:
    """Return a version 7 UUID (RFC 9562): 48 bits of Unix time in milliseconds, then 74 random bits."""
    moment = time.time_ns() // 1_000_000 if milliseconds is None else milliseconds
    random = int.from_bytes(os.urandom(10), "big")
    high = (moment & (1 << 48) - 1) << 80
    return UUID(int=high | 0x7 << 76 | (random >> 68 & 0xFFF) << 64 | 0b10 << 62 | random & (1 << 62) - 1)
