"""``quilate verify``: accept or refuse a subject from its seal alone."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from quilate.app.cli.verification_target import Target
    from quilate.seals.keys import VerificationKey
    from quilate.seals.verification import Refusal, VerificationResult


@click.command("verify")
@click.argument("subject", default="last")
@click.option("--path", type=click.Path(file_okay=False, exists=True, path_type=Path), default=".", help="The project.")
@click.option("--seal", type=click.Path(dir_okay=False, path_type=Path), help="The seal; by default the run's own.")
@click.option("--key", "key_files", type=click.Path(path_type=Path), multiple=True, help="A trusted public key (PEM).")
@click.option("--policy-digest", default="", help="The blueprint's digest that is expected; by default quilate.yaml's.")
@click.option("--profile-digest", default="", help="The profile's digest that is expected.")
@click.option("--allow-local", is_flag=True, help="Accept a seal that was made on a laptop.")
@click.option("--max-age", type=click.FloatRange(min=0, min_open=True, max=36500), help="Refuse an older one; in days.")
@click.option("--bundle", type=click.Path(dir_okay=False, path_type=Path), help="A seal's bundle, judged offline.")
@click.option("--server", default="", help="The service whose newest seal about SUBJECT is judged.")
@click.option("--project", "slug", default="", help="With --server: the project's slug there.")
@click.option(
    "--token-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="With --server: a token; else QUILATE_TOKEN, else `quilate login`.",
)
@click.option("--log-key", "log_keys", multiple=True, help="A key of the audit log, which must then hold the seal.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
def command(  # noqa: PLR0913, PLR0917 - one argument per option, which click passes by name
    subject: str,
    path: Path,
    seal: Path | None,
    key_files: tuple[Path, ...],
    policy_digest: str,
    profile_digest: str,
    *,
    allow_local: bool,
    max_age: float | None,
    bundle: Path | None,
    server: str,
    slug: str,
    token_file: Path | None,
    log_keys: tuple[str, ...],
    as_json: bool,
) -> int:
    """Accept or refuse SUBJECT (a run's number, `last`, a path, or a digest) from its seal.

    A path is read again in full: what is at hand must be what was judged. A run is checked as it was kept. Trusted is
    this machine's own key, or only the keys given with --key. With --bundle or --server the seal comes from there, and
    --log-key demands the proof that the service's audit log holds it. Exit 0: accepted, 1: refused, 2: usage.
    """
    from datetime import timedelta  # noqa: PLC0415 - keeps `quilate --help` fast

    from quilate.app.cli.seal_source import SealSource, about_log, find_sealed  # noqa: PLC0415 - as above
    from quilate.seals.verification import Expectations  # noqa: PLC0415 - as above

    source = SealSource(seal=seal, bundle=bundle, server=server, project=slug, token_file=token_file)
    target = find_sealed(subject, path, source)
    given = Path(subject)
    home = given if given.is_dir() and not (subject == "last" or subject.isdecimal()) else path
    policy, profile = _expected(home, policy_digest, profile_digest)
    expected = Expectations(
        policy_digest=policy,
        subject_digest=target.subject_digest,
        profile_digest=profile or None,
        allow_local=allow_local,
        max_age=None if max_age is None else timedelta(days=max_age),
    )
    result = about_log(_verified(target, _trusted(key_files), expected), target, log_keys)
    for line in _as_json(result, target) if as_json else _as_text(result, target):
        click.echo(line)
    return 0 if result.accepted else 1


def _verified(target: "Target", keys: "tuple[VerificationKey, ...]", expected: Any) -> "VerificationResult":
    """Return the answer about the seal, and about the records beside it where there are any."""
    from dataclasses import replace  # noqa: PLC0415 - as above

    from quilate.seals.verification import verify_seal  # noqa: PLC0415 - as above

    result = verify_seal(target.seal, trusted_keys=keys, expected=expected, decision_bytes=target.decision)
    if result.statement is None or target.decision is None or target.decision_input is None:
        return result
    refusals = _about_replay(target.decision_input, target.decision, result.statement.input_digest)
    return replace(result, refusals=(*result.refusals, *refusals), checked=(*result.checked, "replay"))


def _about_replay(decision_input: bytes, decision: bytes, input_digest: str) -> "list[Refusal]":
    from quilate.domain.errors import QuilateError  # noqa: PLC0415 - as above
    from quilate.kit.canonical import sha256_of  # noqa: PLC0415 - as above
    from quilate.policy.decision import replay  # noqa: PLC0415 - as above
    from quilate.seals.verification import Refusal, RefusalCode  # noqa: PLC0415 - as above

    if sha256_of(decision_input) != input_digest:
        return [
            Refusal(
                code=RefusalCode.TAMPERED_DECISION,
                message="the decision's input is not the one that was sealed",
                next_step="get decision, input and seal again from where they were made",
            )
        ]
    try:
        same = replay(decision_input) == decision
    except QuilateError:
        same = False
    if same:
        return []
    return [
        Refusal(
            code=RefusalCode.NOT_REPLAYABLE,
            message="the sealed input does not lead to the sealed decision",
            next_step="verify with the version of Quilate that made it",
        )
    ]


def _expected(home: Path, policy_digest: str, profile_digest: str) -> tuple[str, str]:
    from quilate.app.cli.verification_target import expected_policy  # noqa: PLC0415 - as above

    if policy_digest:
        return _digest(policy_digest, "--policy-digest"), _digest(profile_digest, "--profile-digest")
    own = expected_policy(home)
    return own.policy_digest, _digest(profile_digest, "--profile-digest") or own.profile_digest


def _digest(text: str, option: str) -> str:
    import re  # noqa: PLC0415 - as above

    if not text:
        return ""
    matched = re.fullmatch(r"(?:sha256:)?([0-9a-fA-F]{64})", text)
    if matched is None:
        raise click.UsageError(f"{option} is sha256: and 64 hexadecimal digits")
    return f"sha256:{matched[1].lower()}"


def _trusted(files: tuple[Path, ...]) -> "tuple[VerificationKey, ...]":
    """Return the trusted keys; this machine's own stays a local one however it is given."""
    from dataclasses import replace  # noqa: PLC0415 - as above

    from quilate.domain.errors import ConfigurationError  # noqa: PLC0415 - as above
    from quilate.seals.keys import load_verification_key, local_verification_key  # noqa: PLC0415 - as above

    own = local_verification_key()
    if files:
        given = [load_verification_key(file) for file in files]
        return tuple(replace(key, local=own is not None and key.key_id == own.key_id) for key in given)
    if own is None:
        raise ConfigurationError(
            "no key is trusted here: this machine has none", next_step="give the signer's public key with --key"
        )
    return (own,)


def _as_text(result: "VerificationResult", target: "Target") -> list[str]:
    from quilate.evidence.safe_text import visible_text  # noqa: PLC0415 - as above

    word = "accepted" if result.accepted else "refused"
    statement = result.statement
    lines = [f"{word}: {target.subject_digest}"]
    if statement is not None:
        kind, name, revision = statement.subject_kind, statement.subject_name, statement.subject_revision[:12]
        blueprint = f"{statement.blueprint_id} v{statement.blueprint_version}"
        made = "by the service" if statement.environment.value == "service" else "on a laptop"
        lines[0] = f"{word}: {name} ({f'{kind} {revision}'.strip()}) {target.subject_digest}"
        lines += [
            f"  {statement.verdict.value} under {blueprint} {statement.blueprint_digest}",
            f"  signed {made} at {statement.time_verified:%Y-%m-%d %H:%M:%S} UTC by {result.key_id}",
            f"  checked: {', '.join(result.checked)}",
        ]
    for refusal in result.refusals:
        lines.append(f"  {refusal.code.value}: {refusal.message}")
        lines += [f"    {refusal.next_step}"] if refusal.next_step else []
    return [*map(visible_text, lines), f"exit {0 if result.accepted else 1}: {word}"]


def _as_json(result: "VerificationResult", target: "Target") -> list[str]:
    import json  # noqa: PLC0415 - as above

    from quilate.kit.canonical import to_document  # noqa: PLC0415 - as above

    document = {
        "format": "quilate-verification/v1",
        "accepted": result.accepted,
        "subject_digest": target.subject_digest,
        "key_id": result.key_id,
        "checked": list(result.checked),
        "refusals": to_document(result.refusals),
        "statement": to_document(result.statement),
    }
    return [json.dumps(document, indent=2)]
