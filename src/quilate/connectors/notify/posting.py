"""Posting to addresses that are secrets themselves: they are in no error and in no record of a dry run."""

from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from quilate.connectors.answers import require_success
from quilate.deliveries.connector import DeliveryContext, DeliveryError
from quilate.kit.outgoing.http import OutgoingError


async def post_to_secret_address(context: DeliveryContext, body: Any, *, what: str) -> None:
    """Post to the address that is the secret ``url``.

    Raises:
        DeliveryError: The receiver did not take it, or cannot be reached.
    """
    address = context.secret("url")
    try:
        answer = await context.http.request("POST", address, json_body=body)
    except OutgoingError as error:
        # Without its cause: that one names the address.
        raise _unreachable(error, address, what) from None
    if answer.recorded:
        recorded = context.http.recorded
        recorded[-1] = replace(recorded[-1], url=f"https://{_host_of(address)}/***")
    # Some repeat in their answer what they were asked for; the status says enough.
    require_success(replace(answer, content=b""), what=what)


def _unreachable(error: OutgoingError, address: str, what: str) -> DeliveryError:
    host = _host_of(address)
    if error.permanent:
        shown = f"the address of {what} cannot be used" + (f": {host}" if host else "")
        next_step = error.next_step or "set the address that the receiver shows"
        return DeliveryError(shown, next_step=next_step, permanent=True)
    return DeliveryError(f"{what} cannot be reached at {host}")


def _host_of(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""
