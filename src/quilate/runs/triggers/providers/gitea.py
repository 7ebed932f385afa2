"""Gitea's deliveries: GitHub's form, with names of its own for some events.

Source: Gitea, "Webhooks", and the payloads of its API (``modules/structs/hook.go``).
"""

from collections.abc import Mapping
from typing import Any

from quilate.runs.triggers.model import Provider
from quilate.runs.triggers.providers.github import read_event
from quilate.runs.triggers.providers.payload import Reading

_EVENTS = {"pull_request_sync": "pull_request", "pull_request_comment": "issue_comment"}


def read(headers: Mapping[str, str], document: Mapping[str, Any]) -> Reading:
    """Return what a delivery says; Gitea tests a hook with a push event."""
    event = headers.get("x-gitea-event", "")
    return read_event(_EVENTS.get(event, event), document, Provider.GITEA)
