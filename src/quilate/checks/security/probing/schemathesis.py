"""Reading the event log (NDJSON) of a Schemathesis run.

Source: the report of Schemathesis 4 (``--report ndjson``), events ``ScenarioFinished``, ``NonFatalError``,
``FatalError`` and ``EngineFinished``.
"""

import base64
import binascii
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from quilate.domain.errors import EvidenceError


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request and its answer, whoever sent it.

    Attributes:
        operation: Method that was sent and path template, for example ``POST /score``.
        status: HTTP status of the answer.
        headers: The answer's headers, names in lower case.
        content: The answer's body.
        request_body: The body that was sent.
        uri: The address that was asked; may hold generated values.
    """

    operation: str
    status: int
    headers: Mapping[str, str]
    content: bytes
    request_body: bytes = b""
    uri: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One failed check of one case; ``exchange`` is ``None`` where no answer was recorded."""

    check: str
    failure_type: str
    operation: str
    title: str
    message: str
    exchange: Exchange | None


@dataclass(slots=True, kw_only=True)
class Campaign:
    """What a whole run found."""

    operations: int = 0
    tested: set[str] = field(default_factory=set)
    failures: list[Failure] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)
    completed: bool = False


def read_events(lines: Iterable[bytes]) -> Campaign:
    """Read the event log.

    Raises:
        EvidenceError: A line is not what Schemathesis 4 writes, or the run ended with a fatal error.
    """
    campaign = Campaign()
    try:
        for line in lines:
            for name, event in json.loads(line).items():
                _READERS.get(name, _ignore)(campaign, event)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EvidenceError(
            f"the report of schemathesis cannot be read ({type(error).__name__})",
            next_step="install a supported version: uv pip install 'quilate[delivery]'",
        ) from error
    return campaign


def _ignore(campaign: Campaign, event: Mapping[str, Any]) -> None:
    del campaign, event


def _loaded(campaign: Campaign, event: Mapping[str, Any]) -> None:
    campaign.operations = int(event["statistic"]["operations"]["selected"])


def _scenario(campaign: Campaign, event: Mapping[str, Any]) -> None:
    recorder = event["recorder"]
    exchanges = {}
    for case, interaction in recorder.get("interactions", {}).items():
        exchange = _exchange(str(recorder["label"]), interaction)
        if exchange is not None:
            exchanges[case] = exchange
            campaign.exchanges.append(exchange)
            campaign.tested.add(str(recorder["label"]))
    for case, checks in recorder.get("checks", {}).items():
        campaign.failures.extend(_failures(checks, exchanges.get(case)))


def _failures(checks: list[Mapping[str, Any]], exchange: Exchange | None) -> Iterator[Failure]:
    """Yield a case's failures; a server error is the cause of every other one of the same answer."""
    failed = [check for check in checks if check["status"] == "failure"]
    server_errors = [check for check in failed if check["name"] == "not_a_server_error"]
    for check in server_errors or failed:
        failure = check["failure_info"]["failure"]
        yield Failure(
            check=str(check["name"]),
            failure_type=str(failure["type"]),
            operation=exchange.operation if exchange is not None else str(failure["operation"]),
            title=str(failure["title"]),
            message=" ".join(str(failure["message"]).split()),
            exchange=exchange,
        )


def _exchange(label: str, interaction: Mapping[str, Any]) -> Exchange | None:
    response, request = interaction.get("response"), interaction["request"]
    if not isinstance(response, dict):
        return None
    return Exchange(
        operation=f"{request['method']} {label.partition(' ')[2]}",
        status=int(response["status_code"]),
        headers={str(name).lower(): ", ".join(map(str, values)) for name, values in response["headers"].items()},
        content=_decoded(response.get("content")),
        request_body=_decoded(request.get("body")),
        uri=str(request.get("uri", "")),
    )


def _decoded(value: Any) -> bytes:
    encoded = value.get("$base64") if isinstance(value, dict) else value
    if not isinstance(encoded, str):
        return b""
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return encoded.encode("utf-8", "replace")


def _error(campaign: Campaign, event: Mapping[str, Any]) -> None:
    value = event.get("value") or {}
    message = str(value.get("message", "")) if isinstance(value, dict) else str(value)
    campaign.errors.setdefault(str(event.get("label") or "the API"), " ".join(message.split())[:200])


def _fatal(campaign: Campaign, event: Mapping[str, Any]) -> None:
    del campaign
    message = " ".join(str(event.get("exception", {}).get("message", "")).split())
    raise EvidenceError(f"schemathesis gave up: {message[:200]}", next_step="mend the OpenAPI document or the service")


def _finished(campaign: Campaign, event: Mapping[str, Any]) -> None:
    campaign.completed = event.get("stop_reason") == "completed"


_READERS = {
    "LoadingFinished": _loaded,
    "ScenarioFinished": _scenario,
    "NonFatalError": _error,
    "FatalError": _fatal,
    "EngineFinished": _finished,
}
