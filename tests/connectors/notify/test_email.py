"""Mail over real SMTP servers (C05): encryption, logins, refusals, and that nothing can be injected."""

import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from quilate.connectors.notify.email import Email, EmailSettings
from quilate.deliveries.connector import DeliveryError, OutcomeKind
from quilate.kit.outgoing.addresses import AddressPolicy
from quilate.kit.outgoing.http import OutgoingError, OutgoingHttp
from tests.support.connectors import (
    EVIL,
    LOOPBACK,
    MemoryContext,
    failing,
    finished_event,
    of_pull_request,
    other_event,
    passing,
    superseded,
)
from tests.support.mail_server import PASSWORD, Certificate, MailServer, Security, mail_server, make_certificate

LOGIN = {"username": "quilate", "password": PASSWORD}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """Return a certificate for 127.0.0.1."""
    return make_certificate(tmp_path_factory.mktemp("mail"), "127.0.0.1")


@contextlib.asynccontextmanager
async def connection(  # noqa: PLR0913 - the parts of a connection
    server: MailServer,
    security: Security = "starttls",
    *,
    trusted: ssl.SSLContext | None = None,
    policy: AddressPolicy = LOOPBACK,
    secrets: dict[str, str] | None = None,
    dry_run: bool = False,
    **settings: Any,
) -> AsyncIterator[MemoryContext]:
    """Give the context of a connection to a server."""
    made = EmailSettings(
        **{
            "host": "127.0.0.1",
            "port": server.port,
            "security": security,
            "sender": "quilate@acme.test",
            "recipients": ["ann@acme.test", "bob@acme.test"],
            **settings,
        }
    )
    http = OutgoingHttp(policy=policy, dry_run=dry_run, verify=trusted)
    try:
        yield MemoryContext(settings=made, http=http, dry_run=dry_run, secrets=secrets or {})
    finally:
        await http.close()


@pytest.mark.asyncio
@pytest.mark.parametrize("security", ["tls", "starttls"])
async def test_a_rejection_is_sent_encrypted_with_its_reasons(certificate: Certificate, security: Security) -> None:
    report = of_pull_request(failing(what_if="Under its own blueprint it would pass"))
    async with (
        mail_server(security, certificate, login=True) as server,
        connection(server, security, trusted=certificate.trusted(), secrets=LOGIN) as context,
    ):
        context.learn(report)
        outcome = await Email().deliver(finished_event(report), context)
    [letter] = server.letters
    assert outcome.summary == "sent a message to 2 of 2 addresses"
    assert server.envelopes == [("quilate@acme.test", ("ann@acme.test", "bob@acme.test"))]
    assert "fraud on feature was rejected" in letter["Subject"]
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter.get_content_type() == "text/plain"
    body = letter.get_content()
    for said in (report.reasons[0], report.url, report.what_if):
        assert said in body


@pytest.mark.asyncio
@pytest.mark.parametrize("mechanism", ["LOGIN", "PLAIN"])
async def test_both_common_logins_are_spoken(certificate: Certificate, mechanism: str) -> None:
    other = ("PLAIN",) if mechanism == "LOGIN" else ("LOGIN",)
    async with (
        mail_server("starttls", certificate, login=True, without=other) as server,
        connection(server, trusted=certificate.trusted(), secrets=LOGIN) as context,
    ):
        await Email().probe(context)
    assert server.logins == [mechanism]
    assert server.letters == []


@pytest.mark.asyncio
@pytest.mark.parametrize("secrets", [{"username": "quilate", "password": "wrong-password"}, {}])
async def test_a_refused_login_is_said_without_the_password(certificate: Certificate, secrets: dict[str, str]) -> None:
    report = failing()
    async with (
        mail_server("starttls", certificate, login=True) as server,
        connection(server, trusted=certificate.trusted(), secrets=secrets) as context,
    ):
        context.learn(report)
        with pytest.raises(DeliveryError) as caught:
            await Email().deliver(finished_event(report), context)
    assert caught.value.permanent
    assert "refused the login" in caught.value.message
    assert "wrong-password" not in f"{caught.value} {caught.value.next_step}"
    assert server.letters == []


@pytest.mark.asyncio
@pytest.mark.parametrize("security", ["tls", "starttls"])
async def test_a_certificate_that_is_not_trusted_gets_neither_login_nor_message(
    certificate: Certificate, security: Security, tmp_path: Path
) -> None:
    elsewhere = make_certificate(tmp_path, "mail.elsewhere.test")
    async with mail_server(security, elsewhere, login=True) as server:
        for trusted in (certificate.trusted(), elsewhere.trusted(), None):
            async with connection(server, security, trusted=trusted, secrets=LOGIN) as context:
                with pytest.raises(DeliveryError) as caught:
                    await Email().probe(context)
                assert PASSWORD not in str(caught.value)
    assert (server.logins, server.letters) == ([], [])


@pytest.mark.asyncio
async def test_a_server_without_starttls_gets_nothing(certificate: Certificate) -> None:
    report = failing()
    async with (
        mail_server("none") as server,
        connection(server, "starttls", trusted=certificate.trusted(), secrets=LOGIN) as context,
    ):
        context.learn(report)
        with pytest.raises(DeliveryError):
            await Email().deliver(finished_event(report), context)
    assert server.letters == []


@pytest.mark.asyncio
async def test_a_plain_connection_is_made_only_where_an_administrator_allows_it() -> None:
    async with mail_server("none") as server:
        async with connection(server, "none") as context:
            await Email().probe(context)
        async with connection(server, "none", policy=AddressPolicy(allow_private=("127.0.0.1",))) as context:
            with pytest.raises(DeliveryError) as caught:
                await Email().probe(context)
    assert caught.value.permanent
    assert "encryption" in caught.value.message


@pytest.mark.asyncio
async def test_the_installations_own_networks_are_out_of_reach(certificate: Certificate) -> None:
    async with mail_server("tls", certificate) as server:
        for host in ("127.0.0.1", "localhost", "2130706433"):
            async with connection(
                server, "tls", trusted=certificate.trusted(), policy=AddressPolicy(), host=host
            ) as context:
                with pytest.raises(OutgoingError) as caught:
                    await Email().probe(context)
                assert caught.value.permanent
                assert "private network" in caught.value.message


@pytest.mark.asyncio
async def test_a_repetition_has_the_same_message_id_and_one_project_is_one_topic() -> None:
    async with mail_server("none") as server, connection(server, "none") as context:
        for report in (failing(1), failing(1), failing(2)):
            context.learn(report)
            await Email().deliver(finished_event(report), context)
    first, again, other = server.letters
    assert first["Message-ID"] == again["Message-ID"] != other["Message-ID"]
    assert first["Date"] == again["Date"]
    assert first["References"] == other["References"]


@pytest.mark.asyncio
async def test_what_a_repository_says_makes_no_headers_and_no_commands() -> None:
    hostile = f"x\r\nBcc: eve@evil.test\r\n\r\n<script>{EVIL}\r\n.\r\nMAIL FROM:<eve@evil.test>\r\nRSET \u202e é \ud800"
    report = failing(branch=hostile, reasons=(hostile, ".", "\n.\n"), what_if=hostile)
    async with mail_server("none") as server, connection(server, "none") as context:
        context.learn(report)
        await Email().deliver(finished_event(report), context)
    [letter] = server.letters
    assert server.envelopes == [("quilate@acme.test", ("ann@acme.test", "bob@acme.test"))]
    assert letter["Bcc"] is None
    assert letter["To"] == "ann@acme.test, bob@acme.test"
    assert letter.defects == []
    assert not letter.is_multipart()
    assert "\n" not in letter["Subject"]
    lines = letter.get_content().splitlines()
    assert not any(line.startswith(("Bcc", "MAIL", "RSET")) for line in lines)
    assert "." in lines


@pytest.mark.parametrize(
    "changes",
    [
        {"sender": "quilate@acme.test\nBcc: eve@evil.test"},
        {"sender": "Quilate <quilate@acme.test>"},
        {"recipients": ["ann@acme.test, eve@evil.test"]},
        {"recipients": ["ann"]},
        {"recipients": []},
        {"recipients": ["ann@acme.test"] * 51},
        {"port": 0},
        {"port": 65_536},
        {"security": "ssl"},
    ],
)
def test_settings_that_cannot_be_meant_are_refused(changes: dict[str, Any]) -> None:
    settings = {"host": "mail.test", "sender": "quilate@acme.test", "recipients": ["ann@acme.test"], **changes}
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(settings, EmailSettings)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("refusals", "data_answer", "permanent", "said"),
    [
        ({"ann@acme.test": "550 unknown", "bob@acme.test": "550 unknown"}, "250 OK", True, "all recipients"),
        ({"ann@acme.test": "450 grey", "bob@acme.test": "450 grey"}, "250 OK", False, "all recipients"),
        ({}, "554 spam \x1b[31m", True, "554"),
        ({}, "452 full", False, "452"),
        ({}, "421 later", False, "421"),
    ],
    ids=["unknown", "grey", "spam", "full", "later"],
)
async def test_what_a_refusal_means(refusals: dict[str, str], data_answer: str, *, permanent: bool, said: str) -> None:
    report = failing()
    async with mail_server("none") as server:
        server.refusals, server.data_answer = refusals, data_answer
        async with connection(server, "none") as context:
            context.learn(report)
            with pytest.raises(DeliveryError) as caught:
                await Email().deliver(finished_event(report), context)
    assert caught.value.permanent == permanent
    assert said in caught.value.message
    assert "\x1b" not in caught.value.message


@pytest.mark.asyncio
async def test_one_unknown_recipient_keeps_nobody_else_from_the_message() -> None:
    report = failing()
    async with mail_server("none") as server:
        server.refusals = {"ann@acme.test": "550 unknown"}
        async with connection(server, "none") as context:
            context.learn(report)
            outcome = await Email().deliver(finished_event(report), context)
    assert outcome.summary == "sent a message to 1 of 2 addresses"
    assert server.envelopes == [("quilate@acme.test", ("bob@acme.test",))]


@pytest.mark.asyncio
async def test_a_server_that_is_not_there_is_tried_again() -> None:
    async with mail_server("none") as server:
        port = server.port
    async with connection(MailServer(port=port), "none") as context:
        with pytest.raises(OutgoingError) as caught:
            await Email().probe(context)
    assert not caught.value.permanent


@pytest.mark.asyncio
async def test_who_is_told_of_what() -> None:
    async with mail_server("none") as server:
        async with connection(server, "none") as context:
            for event, report in (
                (finished_event(passing(1)), passing(1)),
                (finished_event(superseded(2)), superseded(2)),
                (other_event(), passing(3)),
            ):
                context.learn(report)
                assert (await Email().deliver(event, context)).kind is OutcomeKind.NOTHING_TO_DO
            assert server.letters == []
            waiver = other_event("dev.quilate.waiver.requested")
            assert (await Email().deliver(waiver, context)).kind is OutcomeKind.DELIVERED
        async with connection(server, "none", when="always") as context:
            context.learn(passing())
            await Email().deliver(finished_event(passing()), context)
    assert [("waits for approval" in each["Subject"]) for each in server.letters] == [True, False]


@pytest.mark.asyncio
async def test_a_dry_run_sends_nothing() -> None:
    async with mail_server("none") as server, connection(server, "none", dry_run=True) as context:
        context.learn(failing())
        outcome = await Email().deliver(finished_event(failing()), context)
    assert outcome.summary.startswith("would send")
    assert server.letters == []
