"""What a provider's answer means for a delivery (C05): hostile ones included."""

import time
from dataclasses import replace
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quilate.connectors.answers import json_object, json_objects, require_success, retry_after
from quilate.deliveries.connector import DeliveryError
from quilate.kit.outgoing.http import OutgoingAnswer, OutgoingError

DAY = 86_400.0


def answer(status: int = 200, content: bytes = b"{}", /, **headers: str) -> OutgoingAnswer:
    """Return an answer."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return OutgoingAnswer(status=status, headers=named, content=content, url="https://a.test")


@pytest.mark.parametrize(
    ("given_answer", "permanent", "pause"),
    [
        (answer(400), True, None),
        (answer(401), True, None),
        (answer(403), True, None),
        (answer(403, retry_after="60"), False, 60.0),
        (answer(404), True, None),
        (answer(408), False, None),
        (answer(409), False, None),
        (answer(423), False, None),
        (answer(425), False, None),
        (answer(429), False, None),
        (answer(302), True, None),
        (answer(500), False, None),
        (answer(503, retry_after="5"), False, 5.0),
        (answer(429, retry_after="9" * 400), False, DAY),
    ],
)
def test_what_helps_by_trying_again_and_when(
    given_answer: OutgoingAnswer, *, permanent: bool, pause: float | None
) -> None:
    with pytest.raises(DeliveryError) as caught:
        require_success(given_answer)
    assert (caught.value.permanent, caught.value.retry_after_seconds) == (permanent, pause)
    assert bool(caught.value.next_step) == permanent


@pytest.mark.parametrize("taken", [answer(200), answer(204), answer(299), replace(answer(0), recorded=True)])
def test_success_is_handed_on(taken: OutgoingAnswer) -> None:
    assert require_success(taken) is taken


def test_a_moment_is_as_good_as_a_number() -> None:
    pause = retry_after(answer(503, retry_after=formatdate(time.time() + 90, usegmt=True)))
    assert pause is not None
    assert 80 < pause <= 90
    assert retry_after(answer(503, retry_after=formatdate(0, usegmt=True))) == 1.0


@pytest.mark.parametrize("prefix", ["x_ratelimit", "ratelimit"])
def test_a_rate_limit_that_is_used_up_says_when_it_ends(prefix: str) -> None:
    reset = str(int(time.time()) + 50)
    pause = retry_after(answer(403, **{f"{prefix}_remaining": "0", f"{prefix}_reset": reset}))
    assert pause is not None
    assert 40 < pause <= 51
    assert retry_after(answer(403, **{f"{prefix}_remaining": "7", f"{prefix}_reset": reset})) is None
    assert retry_after(answer(404, **{f"{prefix}_remaining": "0", f"{prefix}_reset": reset})) is None


@given(
    text=st.text(st.characters(max_codepoint=255)) | st.from_regex(r"[A-Z][a-z]{2}, \d{1,9} [A-Z][a-z]{2} \d{1,9} .*")
)
def test_no_header_breaks_anything(text: str) -> None:
    for headers in ({"retry_after": text}, {"x_ratelimit_remaining": "0", "x_ratelimit_reset": text}):
        pause = retry_after(answer(429, **headers))
        assert pause is None or 0 <= pause <= DAY


def test_what_was_said_is_shown_shortened_and_harmless() -> None:
    said = b'{"message": "no \x1b[31m\n label\xff"}' + b"x" * 10_000
    with pytest.raises(DeliveryError) as caught:
        require_success(answer(422, said, content_type="application/problem+json"), what="GitHub")
    assert caught.value.message.startswith("GitHub answered 422: ")
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 300
    with pytest.raises(DeliveryError) as caught:
        require_success(answer(500, b"<html>", content_type="text/html"))
    assert "html" not in caught.value.message


@pytest.mark.parametrize("content", [b"null", b"7", b'"text"', b"[]", b"[1]", b"<html>", b"", b"\xff", b"[" * 100_000])
def test_answers_of_another_form_are_said_to_be(content: bytes) -> None:
    with pytest.raises((DeliveryError, OutgoingError)):
        json_object(answer(200, content))
    if content != b"[]":
        with pytest.raises((DeliveryError, OutgoingError)):
            json_objects(answer(200, content))


def test_answers_of_the_right_form_are_read() -> None:
    assert json_object(answer(200, b'{"a": 1}')) == {"a": 1}
    assert json_objects(answer(200, b'[{"a": 1}]')) == [{"a": 1}]
