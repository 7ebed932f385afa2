"""Which passwords are accepted and how much they may cost (A12)."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quilate.accounts.passwords import LONGEST, PasswordFault, Passwords, fault_of_password
from quilate.kit.web.problems import Problem

EMAIL = "maria.silva@example.org"


@pytest.mark.parametrize(
    ("password", "fault"),
    [
        ("amber kettle under glass", None),
        ("senha que ninguém adivinha", None),
        ("12 pássaros!", None),
        ("eleven char", PasswordFault.TOO_SHORT),
        ("x1" * LONGEST, PasswordFault.TOO_LONG),
        ("abababababab", PasswordFault.REPETITIVE),
        ("correcthorsebatterystaple", PasswordFault.COMMON),
        ("PASSWORDPASSWORD", PasswordFault.COMMON),
        ("!!Administrator2026!!", PasswordFault.COMMON),
        ("maria.silva@example.org", PasswordFault.EMAIL),
        ("my maria.silva@example.org", PasswordFault.EMAIL),
        ("Maria.Silva1990!", PasswordFault.EMAIL),
    ],
)
def test_what_is_easily_guessed_is_refused(password: str, fault: PasswordFault | None) -> None:
    assert fault_of_password(password, email=EMAIL) is fault


@given(st.text(max_size=300), st.text(max_size=40))
def test_any_text_gets_an_answer(password: str, email: str) -> None:
    fault = fault_of_password(password, email=email)
    assert fault is None or isinstance(fault, PasswordFault)


@pytest.mark.asyncio
async def test_a_hash_verifies_its_password_only() -> None:
    passwords = Passwords()
    stored = await passwords.hash("amber kettle under glass")
    assert await passwords.verify(stored, "amber kettle under glass")
    assert not await passwords.verify(stored, "amber kettle under glasS")
    assert not await passwords.verify(None, "amber kettle under glass")
    assert not await passwords.verify("no hash at all", "amber kettle under glass")
    assert passwords.verifications == 4
    assert not passwords.is_outdated(stored)


@pytest.mark.asyncio
async def test_a_crowd_is_turned_away_while_the_loop_goes_on() -> None:
    passwords = Passwords(at_once=1)
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count_turns())
    answers = await asyncio.gather(*(passwords.verify(None, "x") for _ in range(200)), return_exceptions=True)
    counting.cancel()
    refused = [answer for answer in answers if isinstance(answer, Problem)]
    assert len(refused) == 200 - 128
    assert {problem.status for problem in refused} == {503}
    assert passwords.verifications == 128
    assert turns > 1000
