"""E-mail addresses, as far as they are looked at: one form for each, none that harms a log or a header."""

import re

LONGEST_EMAIL = 254
EMAIL_PATTERN = r"^[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,186}[A-Za-z0-9])?$"
_EMAIL = re.compile(EMAIL_PATTERN.removesuffix("$"))


def normal_email(text: str) -> str | None:
    """Return the address in lower case and without spaces around it, or ``None`` where it is none."""
    address = text.strip().lower()
    return address if len(address) <= LONGEST_EMAIL and _EMAIL.fullmatch(address) else None
