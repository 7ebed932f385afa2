"""Where ``quilate verify`` takes a seal from: beside the run, a bundle's file, or a service."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from quilate.app.cli.audit_export import read_token
from quilate.app.cli.ci_environment import exchanged_token
from quilate.app.cli.verification_target import Target, digest_of, find_target
from quilate.app.cli.verifier_keys import read_file, verifier_keys
from quilate.domain.errors import ConfigurationError
from quilate.seals.log_proof import SealBundle, bundle_of, parse_bundle, verify_logged
from quilate.seals.verification import Refusal, RefusalCode, VerificationResult


@dataclass(frozen=True, slots=True, kw_only=True)
class SealSource:
    """What the command line says about the seal's place; at most one of ``seal``, ``bundle`` and ``server``."""

    seal: Path | None = None
    bundle: Path | None = None
    server: str = ""
    project: str = ""
    token_file: Path | None = None


def find_sealed(subject: str, project: Path, source: SealSource) -> Target:
    """Return what to verify.

    Raises:
        ConfigurationError: There is no such run, path or seal.
        ServiceError: The service refused to give the seal.
    """
    if sum(1 for each in (source.seal, source.bundle, source.server) if each) > 1:
        raise click.UsageError("give one of --seal, --bundle and --server")
    if source.bundle is None and not source.server:
        return find_target(subject, project, source.seal)
    digest = digest_of(subject, project)
    if source.bundle is not None:
        bundle = parse_bundle(read_file(source.bundle), str(source.bundle))
    else:
        if not source.project:
            raise click.UsageError("--server needs --project, the project's slug there")
        token = read_token(source.server, source.token_file)
        token = token or exchanged_token(source.server, source.project, os.environ)
        bundle = fetch_bundle(source.server, token, source.project, digest)
    return Target(seal=bundle.envelope, subject_digest=digest, decision=None, decision_input=None, bundle=bundle)


def fetch_bundle(server: str, token: str, project: str, subject: str) -> SealBundle:
    """Return the newest seal about a subject from a service; whether it is to be believed is not judged here.

    Args:
        server: The service's address.
        token: An API token; empty in the single-user mode.
        project: The project's slug.
        subject: The subject's digest.

    Raises:
        ConfigurationError: The service has no seal about the subject, or its answer is no seal.
        ServiceError: The service refused the request.
    """
    from quilate.client.transport import Connection, Transport, path_of  # noqa: PLC0415 - loads the HTTP library

    transport = Transport(Connection(url=server, token=token))
    try:
        answer = transport.request("GET", path_of("projects", project, "seals"), query={"subject": subject, "limit": 1})
        items = transport.convert(answer, dict[str, Any]).get("items")
    finally:
        transport.close()
    if not isinstance(items, list) or not items or not isinstance(items[0], dict):
        raise ConfigurationError(
            f"the service has no seal about {subject}", next_step="have it judged first: quilate run --server"
        )
    try:
        return bundle_of(items[0])
    except ValueError as error:
        raise ConfigurationError(
            f"the service's answer holds no seal: {error}", next_step="use the version of Quilate that the service has"
        ) from error


def about_log(result: VerificationResult, target: Target, log_keys: tuple[str, ...]) -> VerificationResult:
    """Return the answer with what the audit log says about the seal, where keys of the log were given.

    Raises:
        ConfigurationError: A key cannot be read.
    """
    if not log_keys:
        return result
    trusted = verifier_keys(log_keys, "--log-key")
    try:
        verify_logged(target.bundle or SealBundle(envelope=target.seal, proof=None), trusted)
    except ValueError as error:
        refusal = Refusal(
            code=RefusalCode.NOT_LOGGED,
            message=f"the audit log does not vouch for the seal: {error}",
            next_step="ask the service for the bundle again, and for the log's key: quilate audit keys",
        )
        return replace(result, refusals=(*result.refusals, refusal))
    return replace(result, checked=(*result.checked, "log"))
