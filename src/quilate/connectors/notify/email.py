"""E-mail by SMTP, with TLS unless an administrator allows plain connections.

Source: RFC 5321, RFC 5322 (a ``Message-ID`` made from the event's id lets a repeated message be known), RFC 3834
(``Auto-Submitted``, so that no machine answers).
"""

import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any, ClassVar, Literal

from quilate.connectors.notify.messages import TOLD_EVENTS, Notice, When, notice_of, one_line, remember_told
from quilate.deliveries.connector import (
    ConnectorKind,
    DeliveredEvent,
    DeliveryContext,
    DeliveryError,
    Outcome,
    OutcomeKind,
    SecretSpec,
)
from quilate.kit.outgoing.sockets import connected_socket

_SECONDS = 30.0
_PERMANENT = 500
_HIGHEST_PORT = 65_535
_AUTHENTICATION = frozenset({530, 534, 535})


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailSettings:
    """Which server sends, and to whom.

    Attributes:
        host, port: Of the SMTP server.
        security: ``tls`` from the first byte (465), ``starttls`` (587), or ``none`` where that is allowed.
        sender: Address of the sender.
        recipients: Addresses, at most fifty.
        when: Tell of those verdicts that are not PASS and of the end of such (``not-passed``), of all (``always``), or
            of those that differ from the one before (``changed``).
    """

    host: str
    sender: str
    recipients: list[str]
    port: int = 587
    security: Literal["tls", "starttls", "none"] = "starttls"
    when: When = "not-passed"

    def __post_init__(self) -> None:
        addresses = [self.sender, *self.recipients]
        if not 1 <= len(self.recipients) <= 50 or any(not _is_address(each) for each in addresses):  # noqa: PLR2004 - as documented
            raise ValueError("`sender` and one to fifty `recipients` are addresses such as name@example.org")
        if not 1 <= self.port <= _HIGHEST_PORT:
            raise ValueError("`port` is from 1 to 65535")


class Email:
    """Sends a message."""

    type: ClassVar[str] = "email"
    kind: ClassVar[ConnectorKind] = ConnectorKind.NOTIFY
    summary: ClassVar[str] = "A message by e-mail"
    settings: ClassVar[Any] = EmailSettings
    secrets: ClassVar[tuple[SecretSpec, ...]] = (
        SecretSpec(name="username", meaning="of the SMTP server, where it asks for one", required=False),
        SecretSpec(
            name="password", meaning="of that user; it needs to be able to send and nothing else", required=False
        ),
    )
    events: ClassVar[frozenset[str]] = TOLD_EVENTS

    async def deliver(self, event: DeliveredEvent, context: DeliveryContext) -> Outcome:
        """Send the verdict.

        Raises:
            DeliveryError: The server did not take it.
        """
        notice = await notice_of(event, context, context.settings.when)
        if notice is None:
            return Outcome(summary="nothing to tell", kind=OutcomeKind.NOTHING_TO_DO)
        outcome = await self._send(context, message(event, notice, context.settings))
        await remember_told(notice, context)
        return outcome

    async def probe(self, context: DeliveryContext) -> Outcome:
        """Greet the server and log in; no message is sent."""
        return await self._send(context, None)

    async def _send(self, context: DeliveryContext, letter: EmailMessage | None) -> Outcome:
        import aiosmtplib  # noqa: PLC0415 - loads when mail is really sent

        settings: EmailSettings = context.settings
        policy = context.http.policy
        if settings.security == "none" and not policy.allow_plain_http:
            raise DeliveryError(
                "mail without encryption is not allowed here", next_step="use starttls or tls", permanent=True
            )
        if context.dry_run:
            return Outcome(summary=f"would send a message to {len(settings.recipients)} addresses")
        opened = await connected_socket(settings.host, settings.port, policy, _SECONDS)
        client = aiosmtplib.SMTP(
            hostname=settings.host,
            sock=opened,
            use_tls=settings.security == "tls",
            start_tls=settings.security == "starttls",
            tls_context=context.http.verify or ssl.create_default_context(),
            timeout=_SECONDS,
        )
        try:
            async with client:
                if context.secret("username"):
                    await client.login(context.secret("username"), context.secret("password"))
                if letter is None:
                    return Outcome(summary="the server greets and lets us in")
                refused, _ = await client.send_message(letter, sender=settings.sender, recipients=settings.recipients)
        except aiosmtplib.SMTPAuthenticationError as error:
            raise _refused_login(error.code) from error
        except aiosmtplib.SMTPResponseException as error:
            raise _refused(error.code, error.message) from error
        except aiosmtplib.SMTPRecipientsRefused as error:
            # A server that lists unknown senders as grey refuses with 450 at first.
            permanent = all(each.code >= _PERMANENT for each in error.recipients)
            raise DeliveryError("the mail server refused all recipients", permanent=permanent) from error
        except (aiosmtplib.SMTPException, OSError, ssl.SSLError) as error:
            raise DeliveryError(f"the mail server cannot be used: {type(error).__name__}") from error
        taken = len(settings.recipients) - len(refused)
        return Outcome(summary=f"sent a message to {taken} of {len(settings.recipients)} addresses")


def _refused_login(code: int) -> DeliveryError:
    """Return what a refused login means; the server's words stay out, for some repeat what they were sent."""
    return DeliveryError(
        f"the mail server refused the login ({code})",
        next_step="set username and password",
        permanent=code >= _PERMANENT,
    )


def _refused(code: int, text: str) -> DeliveryError:
    if code in _AUTHENTICATION:
        return _refused_login(code)
    shown = one_line(text)[:200]
    return DeliveryError(f"the mail server answered {code}: {shown}", permanent=code >= _PERMANENT)


def message(event: DeliveredEvent, notice: Notice, settings: EmailSettings) -> EmailMessage:
    """Return the message of a notice: plain text, one topic for each project."""
    letter = EmailMessage()
    domain = settings.sender.rpartition("@")[2]
    letter["From"] = settings.sender
    letter["To"] = ", ".join(settings.recipients)
    letter["Subject"] = f"{notice.sign} {notice.title}".strip()
    letter["Message-ID"] = f"<{event.id}@{domain}>"
    letter["References"] = f"<quilate.{event.project}@{domain}>"
    letter["Date"] = format_datetime(event.time)
    letter["Auto-Submitted"] = "auto-generated"
    parts = ((notice.title,), (notice.what_if,), notice.lines, (notice.url,))
    letter.set_content("\n\n".join("\n".join(part) for part in parts if any(part)) + "\n")
    return letter


def _is_address(text: str) -> bool:
    name, at, domain = text.rpartition("@")
    plain = text.isascii() and text.isprintable() and not any(sign in text for sign in " ,;<>\"'")
    return bool(name and at and domain) and plain and len(text) <= 254  # noqa: PLR2004 - RFC 5321, section 4.5.3.1.3
