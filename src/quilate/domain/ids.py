"""Identifiers, each a type of its own so that one is never passed for another."""

from typing import NewType

CheckId = NewType("CheckId", str)
"""A check's name within its blueprint, for example ``unit_tests``."""

CheckType = NewType("CheckType", str)
"""What a check asks, for example ``UNIT_TESTS``."""

StageName = NewType("StageName", str)
"""A stage's name within its blueprint, for example ``pre_deploy``."""

RuleId = NewType("RuleId", str)
"""What a finding breaks: ``tool/CODE`` for a wrapped tool (``ruff/S324``), ``QL-AREA-NNN`` for our own rules."""

Digest = NewType("Digest", str)
"""``sha256:`` followed by 64 lower-case hexadecimal characters."""
