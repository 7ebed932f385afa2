"""Start git so that it obeys nobody but us: no system or user configuration, no hooks, one transport, hard limits."""

import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from quilate.domain.errors import ToolMissingError
from quilate.kit.process.model import ProcessLimits, ProcessOutcome, ProcessResult
from quilate.kit.process.run import run_process
from quilate.runs.workspaces.addresses import HttpsRepository, Repository
from quilate.runs.workspaces.errors import SourceRefusedError, SourceUnavailableError
from quilate.runs.workspaces.limits import Credential, TransferLimits, WorkspaceSettings

_PASSED_ON = (
    *("PATH", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR"),
    *("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"),
)
_SETTINGS = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "",
    "core.bigFileThreshold": "16m",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "submodule.recurse": "false",
    "fetch.recurseSubmodules": "false",
    # One pack for each fetch, so that the limit of a file's length bounds what arrives.
    "fetch.unpackLimit": "1",
    "transfer.bundleURI": "false",
    "pack.threads": "1",
    "protocol.version": "2",
    # A redirection would lead past the address that was judged.
    "http.followRedirects": "false",
    "http.lowSpeedLimit": "1000",
    "http.lowSpeedTime": "30",
}
_CREDENTIAL_HELPER = (
    "!f() { test \"$1\" = get && printf 'username=%s\\npassword=%s\\n'"
    ' "$QUILATE_GIT_USERNAME" "$QUILATE_GIT_PASSWORD"; }; f'
)
"""The secret is in the environment of git alone: no argument list and no file holds it."""

_BLOCK = 512
"""What POSIX counts ``ulimit -f`` in, in bytes."""

_TOO_LARGE = (b"File too large", f"signal {int(signal.SIGXFSZ)}".encode(), b"invalid index-pack output")
"""The last is what git says where the program that writes the pack was ended by the limit of a file's length."""

_DISK_FULL = b"No space left on device"
_NO_ACCESS = (b"Authentication failed", b"could not read Username", b"could not read Password", b"error: 403")
_NOT_THERE = (b"not found", b"does not appear to be a git repository", b"does not exist")


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteAccess:
    """How one repository is reached: its address, the network addresses it is bound to, its credential."""

    repository: Repository
    pinned: tuple[str, ...] = ()
    credential: Credential | None = None


class Git:
    """Runs git commands for one directory of mirrors."""

    def __init__(self, home: Path, settings: WorkspaceSettings) -> None:
        self._home = home
        self._settings = settings
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Whose repositories may be read is decided by `allowed_local_roots`; git's own question, whether they belong
        # to the user of this process, would only refuse those of a service account. `upload-pack` reads it from here.
        (home / ".gitconfig").write_text("[safe]\n\tdirectory = *\n", encoding="utf-8")

    @property
    def limits(self) -> TransferLimits:
        """The limits of each command."""
        return self._settings.transfer

    def run(self, *arguments: str, access: RemoteAccess | None = None, output_bytes: int = 16 << 20) -> ProcessResult:
        """Run a command to its end, its files limited in length; its exit status is the caller's to judge.

        Raises:
            SourceRefusedError: It took too long, too much memory, or wrote too much.
            ToolMissingError: git is not installed.
        """
        limited = ("/bin/sh", "-c", 'ulimit -f "$1" && shift && exec "$@"', "sh", str(self.limits.bytes // _BLOCK))
        try:
            result = run_process(
                (*limited, "git", "--no-pager", *arguments),
                directory=self._home,
                environment=self.environment(access),
                limits=ProcessLimits(
                    wall_seconds=self.limits.seconds, memory_bytes=self.limits.memory_bytes, output_bytes=output_bytes
                ),
            )
        except OSError as error:
            raise _missing() from error
        self._require_within_limits(result)
        return result

    def _require_within_limits(self, result: ProcessResult) -> None:
        if result.returncode == _NO_SUCH_PROGRAM:
            raise _missing()
        if result.outcome is ProcessOutcome.TIMED_OUT:
            raise SourceUnavailableError(
                f"the repository did not arrive within {self.limits.seconds:g} seconds",
                next_step="run again later, or have the limit raised",
            )
        if _DISK_FULL in result.stderr:
            raise SourceUnavailableError("the worker's disk is full", next_step="free space, or lower the cache's size")
        too_large = any(sign in result.stderr for sign in _TOO_LARGE) or result.returncode == -signal.SIGXFSZ
        if result.outcome is ProcessOutcome.MEMORY_EXCEEDED or (result.returncode and too_large):
            raise SourceRefusedError(
                f"the repository needs more than {self.limits.bytes} bytes of disk or"
                f" {self.limits.memory_bytes} bytes of memory",
                next_step="have the limit raised, or submit an archive of what is judged",
            )

    @contextmanager
    def stream(self, *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
        """Start a command on a mirror that is spoken to through pipes; it is ended with the block or its time."""
        try:
            process = subprocess.Popen(  # noqa: S603 - git with fixed options, never a shell
                ["git", "--no-pager", *arguments],  # noqa: S607 - git as PATH has it
                cwd=self._home,
                env=self.environment(None),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        except OSError as error:
            raise _missing() from error
        clock = threading.Timer(self.limits.seconds, process.kill)
        clock.daemon = True
        clock.start()
        try:
            with process:
                try:
                    yield process
                finally:
                    process.kill()
        except BrokenPipeError as error:
            raise SourceUnavailableError("git ended early", next_step="run again") from error
        finally:
            clock.cancel()

    def environment(self, access: RemoteAccess | None) -> dict[str, str]:
        """Return git's whole environment."""
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        environment |= {
            "HOME": str(self._home),
            "XDG_CONFIG_HOME": str(self._home),
            "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_OPTIONAL_LOCKS": "0",
            # No repository is looked for: each command is given the one it works on.
            "GIT_CEILING_DIRECTORIES": str(self._home.parent),
            "GIT_ALLOW_PROTOCOL": access.repository.protocol if access else "none",
        }
        settings = dict(_SETTINGS)
        if access is not None and isinstance(access.repository, HttpsRepository):
            settings |= self._https_settings(access, access.repository)
            if access.credential is not None:
                environment |= _credential_environment(access.credential)
        return environment | _configuration(settings)

    def _https_settings(self, access: RemoteAccess, repository: HttpsRepository) -> dict[str, str]:
        settings = {}
        if access.pinned:
            settings["http.curloptResolve"] = f"{repository.host}:{repository.port}:{','.join(access.pinned)}"
        if self._settings.certificate_authorities is not None:
            settings["http.sslCAInfo"] = str(self._settings.certificate_authorities)
        if access.credential is not None:
            settings["credential.helper"] = _CREDENTIAL_HELPER
        return settings


_NO_SUCH_PROGRAM = 127


def _configuration(settings: Mapping[str, str]) -> dict[str, str]:
    environment = {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (name, value) in enumerate(settings.items()):
        environment |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return environment


def _credential_environment(credential: Credential) -> dict[str, str]:
    if any(character in credential.username + credential.password for character in "\r\n\0"):
        raise SourceRefusedError(
            "the project's credential for this repository holds a line break", next_step="have it set again"
        )
    return {"QUILATE_GIT_USERNAME": credential.username, "QUILATE_GIT_PASSWORD": credential.password}


def _missing() -> ToolMissingError:
    return ToolMissingError("git is not installed on the worker", next_step="install git 2.37 or newer")


def remote_error(result: ProcessResult) -> SourceRefusedError | SourceUnavailableError:
    """Return the error for a remote command that failed; what the other side says is not repeated."""
    if any(sign in result.stderr for sign in _NO_ACCESS):
        return SourceRefusedError(
            "the repository asks for a login that the project has not, or refuses it",
            next_step="have the project's credential for this host set by its administrator",
        )
    if any(sign in result.stderr for sign in _NOT_THERE):
        return SourceRefusedError("there is no repository at that address", next_step="correct the address")
    return SourceUnavailableError(
        "the repository cannot be reached", next_step="see that the worker reaches its host, then run again"
    )


def output_lines(output: bytes) -> Sequence[str]:
    """Return lines of git's output."""
    return output.decode("utf-8", "replace").splitlines()
