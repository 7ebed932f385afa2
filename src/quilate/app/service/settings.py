"""What the service reads from its environment: every variable with its meaning, checked once at the start.

``docs/settings.md`` is written from ``VARIABLES`` by ``settings_page`` and tested against it.
"""

import ipaddress
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from quilate.app.service.setting_readers import (
    LOG_LEVELS,
    QUEUES,
    number_reader,
    read_database_address,
    read_directory,
    read_engines,
    read_flag,
    read_host,
    read_keys,
    read_level,
    read_modules,
    read_names,
    read_networks,
    read_object_stores,
    read_queues,
    read_roots,
    read_sandbox_level,
    read_text,
    read_variables,
    read_web_address,
    seconds_reader,
)
from quilate.domain.errors import ConfigurationError, ConfigurationErrors

_MOST_WORKERS = 4
_MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one process of the service; see ``VARIABLES`` for the meaning of each."""

    state: Path = Path(".quilate")
    database_url: str = field(default="", repr=False)
    host: str = "127.0.0.1"
    port: int = 8080
    public_url: str = ""
    allowed_hosts: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    local: bool = False
    artifacts: Path | None = None
    queues: tuple[str, ...] = QUEUES
    workers: int = field(default_factory=lambda: min(os.cpu_count() or 1, _MOST_WORKERS))
    checks_per_worker: int = field(default_factory=lambda: min(os.cpu_count() or 1, 8))
    plugins: tuple[str, ...] = ()
    repository_roots: tuple[str, ...] = ()
    data_roots: tuple[str, ...] = ()
    repository_hosts: tuple[str, ...] = ()
    private_repositories: bool = False
    lease_seconds: float = 15.0
    beat_seconds: float = 5.0
    database_connections: int = 16
    request_bytes: int = 10 * _MIB
    upload_bytes: int = 1024 * _MIB
    event_bytes: int = _MIB
    event_days: int = 90
    backup_days: int = 30
    delivery_days: int = 30
    cache_days: int = 30
    cache_answers: int = 50_000
    check_log_days: int = 30
    idempotency_hours: int = 24
    requests_per_second: int = 500
    concurrent_requests: int = 2000
    metrics_token: str = field(default="", repr=False)
    worker_metrics_port: int = 0
    witnesses: tuple[str, ...] = ()
    access_record_days: int = 365
    stop_seconds: float = 20.0
    log_level: str = "info"
    trace_endpoint: str = ""
    secrets_key_file: Path | None = None
    secret_variables: tuple[str, ...] = ()
    private_addresses: tuple[str, ...] = ()
    plain_http: bool = False
    script_workers: int = field(default_factory=lambda: min(os.cpu_count() or 1, _MOST_WORKERS))
    script_engines: tuple[str, ...] = ("default", "strict")
    sandbox_min_level: str = "locked"
    script_cpu_ms_per_second: int = 2_000
    script_cpu_ms_burst: int = 120_000
    script_concurrency: int = 128
    script_queue_length: int = 100_000
    payload_bytes: int = 4096 * _MIB
    payload_days: int = 30
    object_stores: tuple[str, ...] = ()

    @property
    def base_url(self) -> str:
        """Where people and other machines reach the service, without a slash at the end."""
        return self.public_url or f"http://{bracketed(self.host)}:{self.port}"

    @property
    def hosts(self) -> tuple[str, ...]:
        """Names that a request's ``Host`` may carry, without a port; ``*`` stands for any."""
        if self.allowed_hosts and not self.local:
            return self.allowed_hosts
        own = urlsplit(self.base_url).hostname or self.host
        return tuple(dict.fromkeys((own.lower(), "localhost", "127.0.0.1", "::1")))

    @property
    def artifact_directory(self) -> Path:
        """Where content-addressed artifacts lie; shared by all machines."""
        return self.artifacts or self.state / "artifacts"

    @property
    def secrets_key(self) -> Path:
        """Where the key of stored secrets lies; shared by all machines."""
        return self.secrets_key_file or self.state / "keys" / "secrets.key"

    @property
    def log_directory(self) -> Path:
        """Where ``quilate up`` writes what its processes say."""
        return self.state / "logs"

    @property
    def backup_directory(self) -> Path:
        """Where the backups before an upgrade lie."""
        return self.state / "backups"

    @property
    def postgres_directory(self) -> Path:
        """Where the embedded PostgreSQL is asked to lie."""
        return self.state / "postgres"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One environment variable.

    Attributes:
        name: Its name.
        setting: The field of ``Settings`` that it fills.
        read: Turns its text into the value; raises ``ValueError`` that says what is expected.
        meaning: One sentence for the documentation.
        default: The default as the documentation says it.
    """

    name: str
    setting: str
    read: Callable[[str], Any]
    meaning: str
    default: str


def bracketed(host: str) -> str:
    """Return a host as it stands in a URL."""
    return f"[{host}]" if ":" in host else host


def is_loopback(host: str) -> bool:
    """Return whether a host names this machine's loopback interface only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


VARIABLES: tuple[Variable, ...] = tuple(
    Variable(name=name, setting=setting, read=read, meaning=meaning, default=default)
    for name, setting, read, default, meaning in (
        ("QUILATE_STATE", "state", read_directory, "`./.quilate`",
         "Directory of everything that this machine keeps: database, artifacts, backups, logs, keys."),
        ("QUILATE_DATABASE_URL", "database_url", read_database_address, "the embedded PostgreSQL",
         "PostgreSQL 15 or newer; over a network its certificate is verified unless `sslmode` says otherwise."),
        ("QUILATE_HOST", "host", read_host, "`127.0.0.1`",
         "Address on which the API listens."),
        ("QUILATE_PORT", "port", number_reader(0, 65535), "`8080`",
         "Port on which the API listens; 0 takes any free one."),
        ("QUILATE_PUBLIC_URL", "public_url", read_web_address, "`http://HOST:PORT`",
         "Address by which others reach the service, used in links."),
        ("QUILATE_ALLOWED_HOSTS", "allowed_hosts", read_names, "the public URL's host and loopback",
         "Names that the `Host` of a request may carry, with commas; `*` allows any."),
        ("QUILATE_TRUSTED_PROXIES", "trusted_proxies", read_networks, "none",
         "Addresses or networks of proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed."),
        ("QUILATE_LOCAL", "local", read_flag, "`0`",
         "Single-user mode: loopback only, no login. Set by `quilate up --local`."),
        ("QUILATE_ARTIFACTS", "artifacts", read_directory, "`artifacts` in the state directory",
         "Directory of artifacts. API and workers on several machines share it."),
        ("QUILATE_QUEUES", "queues", read_queues, f"`{','.join(QUEUES)}`",
         "Queues that this machine's workers serve."),
        ("QUILATE_WORKERS", "workers", number_reader(1, 64), "one for each core, at most 4",
         "Worker processes that `quilate up` starts."),
        ("QUILATE_CHECKS_PER_WORKER", "checks_per_worker", number_reader(1, 256), "one for each core, at most 8",
         "Checks that one worker process runs at a time."),
        ("QUILATE_PLUGINS", "plugins", read_modules, "none",
         "Python modules, with commas, that the API, workers and the processes of their checks load first."),
        ("QUILATE_REPOSITORY_ROOTS", "repository_roots", read_roots, "none; in the single-user mode `/`",
         "Directories, with commas, below which repositories may be cloned by path; `{project}` stands for the slug."),
        ("QUILATE_DATA_ROOTS", "data_roots", read_roots, "none; in the single-user mode `/`",
         "Directories, with commas, below which data and models may be registered by path, `{project}` as above."),
        ("QUILATE_REPOSITORY_HOSTS", "repository_hosts", read_names, "any",
         "The only hosts, with commas, from which repositories may be cloned."),
        ("QUILATE_PRIVATE_REPOSITORIES", "private_repositories", read_flag, "`0`",
         "Let repositories be cloned from loopback, link-local and private addresses."),
        ("QUILATE_LEASE_SECONDS", "lease_seconds", seconds_reader(1, 3600), "`15`",
         "After this long without a sign of life a worker's work is given to another."),
        ("QUILATE_BEAT_SECONDS", "beat_seconds", seconds_reader(0.1, 1200), "`5`",
         "A worker renews its lease this often; at most half the lease."),
        ("QUILATE_DATABASE_CONNECTIONS", "database_connections", number_reader(2, 500), "`16`",
         "Database connections of one process at most."),
        ("QUILATE_REQUEST_BYTES", "request_bytes", number_reader(1024, 1 << 30), "`10485760`",
         "Longest request body in bytes, uploads apart."),
        ("QUILATE_UPLOAD_BYTES", "upload_bytes", number_reader(1024, 1 << 40), "`1073741824`",
         "Longest uploaded archive or data file in bytes."),
        ("QUILATE_EVENT_BYTES", "event_bytes", number_reader(1024, 1 << 30), "`1048576`",
         "Longest single CloudEvent in bytes; a batch and a provider's delivery are request bodies as any other."),
        ("QUILATE_DELIVERY_DAYS", "delivery_days", number_reader(0, 36500), "`30`",
         "Days for which ended deliveries and the events behind them are kept; 0 for good."),
        ("QUILATE_CACHE_DAYS", "cache_days", number_reader(1, 36500), "`30`",
         "Days for which answers of checks are kept in the result cache."),
        ("QUILATE_CACHE_ANSWERS", "cache_answers", number_reader(0, 1_000_000_000), "`50000`",
         "Answers that the result cache keeps of one project at most; the oldest go first."),
        ("QUILATE_CHECK_LOG_DAYS", "check_log_days", number_reader(1, 36500), "`30`",
         "Days for which the live logs of checks are kept; evidence, decisions and seals stay."),
        ("QUILATE_IDEMPOTENCY_HOURS", "idempotency_hours", number_reader(1, 8760), "`24`",
         "Hours for which the answer to an `Idempotency-Key` is kept; that of a run is kept with the run."),
        ("QUILATE_BACKUP_DAYS", "backup_days", number_reader(1, 36500), "`30`",
         "Days after which `POST /api/backup/cleanup` deletes a backup; the newest of the database stays."),
        ("QUILATE_EVENT_DAYS", "event_days", number_reader(1, 36500), "`90`",
         "Days for which incoming events are kept; those that still wait are kept longer."),
        ("QUILATE_REQUESTS_PER_SECOND", "requests_per_second", number_reader(0, 1_000_000), "`500`",
         "Requests a second of one address or login in the long run, twice as many at once; 0 for any number."),
        ("QUILATE_CONCURRENT_REQUESTS", "concurrent_requests", number_reader(10, 100_000), "`2000`",
         "Requests at a time, open streams included; further ones are told to come back."),
        ("QUILATE_METRICS_TOKEN", "metrics_token", read_text, "none",
         "What a scraper of `/metrics` sends as `Authorization: Bearer`; without it anybody may scrape."),
        ("QUILATE_WORKER_METRICS_PORT", "worker_metrics_port", number_reader(0, 65535), "`0`",
         "The first free port from this one on, on which a worker answers `/metrics`; 0 for none."),
        ("QUILATE_WITNESSES", "witnesses", read_keys, "none",
         "Keys, with commas, as `name+id+base64`, whose cosignatures the audit log's checkpoints take."),
        ("QUILATE_ACCESS_RECORD_DAYS", "access_record_days", number_reader(1, 36500), "`365`",
         "Days for which it is kept who saw which evidence."),
        ("QUILATE_STOP_SECONDS", "stop_seconds", seconds_reader(1, 600), "`20`",
         "A process that was asked to stop is ended after this long."),
        ("QUILATE_LOG_LEVEL", "log_level", read_level, "`info`",
         f"Least level that is logged: {', '.join(LOG_LEVELS)}."),
        ("QUILATE_SECRETS_KEY_FILE", "secrets_key_file", read_directory, "`keys/secrets.key` in the state directory",
         "File of the key that stored secrets are encrypted with; made at the first start, shared by all machines."),
        ("QUILATE_SECRET_VARIABLES", "secret_variables", read_variables, "none; in the single-user mode any",
         "Variables that workers may give to checks, with commas; `PREFIX_*` too, `project:NAME` for one project."),
        ("QUILATE_PRIVATE_ADDRESSES", "private_addresses", read_names, "none",
         "Hosts and networks, with commas, on private addresses that connections may reach; `*` for any."),
        ("QUILATE_PLAIN_HTTP", "plain_http", read_flag, "`0`",
         "Let connections use `http://` addresses, which carry their credentials in the clear."),
        ("QUILATE_SCRIPT_WORKERS", "script_workers", number_reader(0, 256), "one for each core, at most 4",
         "Sandbox processes for hosted scripts on this machine; 0 for none."),
        ("QUILATE_SCRIPT_ENGINES", "script_engines", read_engines, "`default,strict`",
         "Engines that this machine's sandboxes have: `default`, `fast` (V8 with its compilers), `strict`."),
        ("QUILATE_SANDBOX_MIN_LEVEL", "sandbox_min_level", read_sandbox_level, "`locked`",
         "Weakest isolation with which scripts are executed: `jailed`, `locked` or `process` (development only)."),
        ("QUILATE_SCRIPT_CPU_MS_PER_SECOND", "script_cpu_ms_per_second", number_reader(1, 10_000_000), "`2000`",
         "Milliseconds of processor time for scripts that a project gets back each second; its quota may say else."),
        ("QUILATE_SCRIPT_CPU_MS_BURST", "script_cpu_ms_burst", number_reader(1, 1_000_000_000), "`120000`",
         "Milliseconds of processor time for scripts that a project can save up; its quota may say else."),
        ("QUILATE_SCRIPT_CONCURRENCY", "script_concurrency", number_reader(1, 100_000), "`128`",
         "Executions of scripts that one project has running at a time; its quota may say else."),
        ("QUILATE_SCRIPT_QUEUE_LENGTH", "script_queue_length", number_reader(1, 10_000_000), "`100000`",
         "Executions of scripts that one project has waiting at most; its quota may say else."),
        ("QUILATE_PAYLOAD_BYTES", "payload_bytes", number_reader(1024, 1 << 44), "`4294967296`",
         "Longest input or output of a script in bytes, its compression undone."),
        ("QUILATE_PAYLOAD_DAYS", "payload_days", number_reader(0, 36500), "`30`",
         "Days for which inputs, outputs and consoles of executions are kept, 0 for good; projects may say else."),
        ("QUILATE_OBJECT_STORES", "object_stores", read_object_stores, "none",
         "Places, with commas, that scripts may read and write: `s3://bucket/prefix?region=eu-west-1`, `gs:`, `az:`."),
        ("QUILATE_TRACE_ENDPOINT", "trace_endpoint", read_web_address, "none",
         "OpenTelemetry collector (OTLP over HTTP) that receives the traces."),
    )
)  # fmt: skip
"""Every variable that the service reads, in the order of the documentation."""


def load_settings(environment: Mapping[str, str] | None = None, **given: Any) -> Settings:
    """Return the settings of an environment; what is ``given`` and not ``None`` wins over it.

    Args:
        environment: Variables by name; the process's own by default. An empty variable counts as absent.
        given: Values of the command line, by the names of the fields of ``Settings``.

    Raises:
        ConfigurationErrors: Every variable that is wrong, by name.
    """
    source = os.environ if environment is None else environment
    values: dict[str, Any] = {}
    wrong = []
    for variable in VARIABLES:
        text = source.get(variable.name, "")
        if not text or given.get(variable.setting) is not None:
            continue
        try:
            values[variable.setting] = variable.read(text)
        except ValueError as error:
            # The value is not repeated: it may hold a password.
            wrong.append(
                ConfigurationError(f"{variable.name} {error}", next_step=f"correct or unset {variable.name}"),
            )
    if wrong:
        raise ConfigurationErrors(tuple(wrong))
    values |= {name: value for name, value in given.items() if value is not None}
    settings = Settings(**values)
    settings = replace(settings, state=settings.state.absolute())
    if settings.local and not settings.repository_roots:
        # Who works alone may judge whatever lies on the own machine.
        settings = replace(settings, repository_roots=("/",))
    if settings.local and not settings.data_roots:
        settings = replace(settings, data_roots=("/",))
    _check_together(settings)
    return settings


def _check_together(settings: Settings) -> None:
    if settings.beat_seconds > settings.lease_seconds / 2:
        raise ConfigurationError(
            f"QUILATE_BEAT_SECONDS ({settings.beat_seconds:g}) is more than half of QUILATE_LEASE_SECONDS"
            f" ({settings.lease_seconds:g})",
            next_step="a worker must be able to miss one beat: shorten the beat or lengthen the lease",
        )
    if settings.local and not is_loopback(settings.host):
        raise ConfigurationError(
            f"the single-user mode has no login and listens on loopback only, not on {settings.host}",
            next_step="leave out --host, or start the service with login: quilate up without --local",
        )


def settings_environment(settings: Settings) -> dict[str, str]:
    """Return the variables from which ``load_settings`` makes the same settings again, for a child process."""
    written = {}
    for variable in VARIABLES:
        value = getattr(settings, variable.setting)
        if value is None or value in ("", ()):
            continue
        if isinstance(value, bool):
            value = int(value)
        written[variable.name] = ",".join(value) if isinstance(value, tuple) else str(value)
    return written


def settings_page() -> str:
    """Return ``docs/settings.md``."""
    lines = [
        "# Settings of the service",
        "",
        "Written from `src/quilate/app/service/settings.py`; options of the command line win over the environment.",
        "",
        "| variable | default | meaning |",
        "| --- | --- | --- |",
    ]
    lines += [f"| `{each.name}` | {each.default} | {each.meaning} |" for each in VARIABLES]
    return "\n".join([*lines, ""])
