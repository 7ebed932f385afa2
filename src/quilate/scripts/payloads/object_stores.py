"""Objects of S3 and what speaks its language, Google Cloud Storage and Azure, where the installation allows it.

``QUILATE_OBJECT_STORES`` lists what may be read and written, and the credentials are the service's own, so the list is
the permission: ``s3://bucket/prefix``, ``gs://bucket/prefix``, ``az://container/prefix``; ``{project}`` stands for the
slug of the project that asks. After a ``?`` may stand ``endpoint``, ``region``, ``account``, ``anonymous=1`` and
``mode=read``. A prefix ends at a slash: ``s3://data/in`` allows ``s3://data/in/x``, not ``s3://data/inner``.
"""

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from quilate.domain.errors import ConfigurationError
from quilate.kit.web.problems import Problem
from quilate.scripts.payloads.errors import refused, source_refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from obstore.store import AzureStore, ClientConfig, GCSStore, RetryConfig, S3Store

    type_of_store = S3Store | GCSStore | AzureStore

SCHEMES = ("s3", "gs", "az")
_OPTIONS = frozenset({"endpoint", "region", "account", "anonymous", "mode"})
_BUCKET = re.compile(r"\A[A-Za-z0-9$][A-Za-z0-9._$-]{0,254}\Z")
_LONGEST_KEY = 1024
_PIECE = 1 << 20
_PART = 8 << 20
_PARTS_AT_ONCE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectRule:
    """One place that may be used.

    Attributes:
        scheme: ``s3``, ``gs`` or ``az``.
        bucket: Bucket or container.
        prefix: What the key begins with, without slashes at its ends; empty for all of the bucket.
        endpoint: Another server than the provider's own; set by the installation, so it may be private.
        region: Of S3.
        account: Of Azure.
        anonymous: Requests are not signed.
        writes: Outputs may be put there.
    """

    scheme: str
    bucket: str
    prefix: str = ""
    endpoint: str = ""
    region: str = ""
    account: str = ""
    anonymous: bool = False
    writes: bool = True

    def covers(self, scheme: str, bucket: str, key: str, project: str) -> bool:
        """Tell whether an object lies in this place, for a project."""
        own, prefix = (text.replace("{project}", project) for text in (self.bucket, self.prefix))
        return (scheme, bucket) == (self.scheme, own) and (not prefix or key.startswith(f"{prefix}/"))


def read_rule(text: str) -> ObjectRule:
    """Return the rule of one entry of the setting.

    Raises:
        ValueError: It is none.
    """
    parts = urlsplit(text)
    try:
        options = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
    except ValueError:
        options = {"": ""}
    bucket = parts.netloc
    right = parts.scheme in SCHEMES and _BUCKET.match(bucket.replace("{project}", "p")) and not parts.fragment
    if not right or not options.keys() <= _OPTIONS or options.get("mode", "read") not in {"read", "write"}:
        raise ValueError("expects addresses like s3://bucket/prefix?region=eu-west-1, with commas between them")
    endpoint = options.get("endpoint", "").rstrip("/")
    if endpoint and urlsplit(endpoint).scheme not in {"https", "http"}:
        raise ValueError("expects endpoints like https://minio.example.org:9000")
    return ObjectRule(
        scheme=parts.scheme,
        bucket=bucket,
        prefix=parts.path.strip("/"),
        endpoint=endpoint,
        region=options.get("region", ""),
        account=options.get("account", ""),
        anonymous=options.get("anonymous", "") == "1",
        writes=options.get("mode", "write") == "write",
    )


@dataclass(slots=True, kw_only=True)
class ObjectStores:
    """Reads and writes objects.

    Attributes:
        rules: What the installation allows.
        seconds: How long nothing may come.
        retry_seconds: How long a request is tried again where the provider is busy or away.
    """

    rules: Sequence[ObjectRule] = ()
    seconds: float = 60.0
    retry_seconds: float = 60.0
    _stores: dict[ObjectRule, "type_of_store"] = field(default_factory=dict)

    @staticmethod
    def is_object(reference: str) -> bool:
        """Tell whether a reference is the address of an object."""
        return urlsplit(reference).scheme in SCHEMES

    def require(self, url: str, project: str, *, writing: bool = False) -> ObjectRule:
        """Return the rule that allows an address to a project.

        Raises:
            Problem: 422, none does; the same words whether there is such an object or not.
        """
        scheme, bucket, key = _split(url)
        for rule in self.rules:
            if rule.covers(scheme, bucket, key, project) and (rule.writes or not writing):
                return rule
        verb = "written" if writing else "read"
        raise source_refused(
            f"objects may not be {verb} there",
            "have the installation's administrator allow the bucket and prefix with QUILATE_OBJECT_STORES",
        )

    async def read(self, url: str, *, project: str | None = None, limit: int | None = None) -> AsyncIterator[bytes]:
        """Give an object's content.

        Args:
            url: Its address.
            project: The slug of the project that asks; ``None`` for an address that the service itself has written.
            limit: Bytes at most.

        Raises:
            Problem: 422, it may not be read, is not there or longer than allowed; 503, the provider does not answer.
        """
        import obstore  # noqa: PLC0415 - a large library, only where objects are used

        rule, key = self._rule_of(url, project), _split(url)[2]
        with _as_problem(url):
            found = await obstore.get_async(self._store(rule, _split(url)[1]), key)
            size = found.meta["size"]
            if limit is not None and size > limit:
                raise source_refused(f"the object is longer than {limit} bytes", "split it")
            async for piece in found.stream(min_chunk_size=_PIECE):
                yield bytes(piece)

    async def write(self, url: str, content: Path | AsyncIterator[bytes], *, project: str) -> None:
        """Put an object where it is whole or not at all.

        Raises:
            Problem: 422, it may not be written; 503, the provider does not answer.
        """
        import obstore  # noqa: PLC0415 - as above

        rule, (_, bucket, key) = self.require(url, project, writing=True), _split(url)
        with _as_problem(url):
            await obstore.put_async(
                self._store(rule, bucket), key, content, chunk_size=_PART, max_concurrency=_PARTS_AT_ONCE
            )

    async def delete(self, url: str) -> None:
        """Delete an object that the service has written; one that is not there is none.

        Raises:
            Problem: 422, nothing may be written there any more; 503, the provider does not answer.
        """
        import obstore  # noqa: PLC0415 - as above

        rule, (_, bucket, key) = self._rule_of(url, None), _split(url)
        if not rule.writes:
            raise source_refused("objects may not be deleted there", "allow it, or delete the object by hand")
        with _as_problem(url, missing_is_fine=True):
            await obstore.delete_async(self._store(rule, bucket), key)

    def _rule_of(self, url: str, project: str | None) -> ObjectRule:
        if project is not None:
            return self.require(url, project)
        scheme, bucket, key = _split(url)
        for rule in self.rules:
            # Whoever wrote the address was asked then; now only the place has to be one that is still used.
            pattern = re.escape(rule.bucket).replace(re.escape("{project}"), "[a-z0-9-]+")
            if rule.scheme == scheme and re.fullmatch(pattern, bucket):
                prefix = re.escape(rule.prefix).replace(re.escape("{project}"), "[a-z0-9-]+")
                if not rule.prefix or re.match(f"{prefix}/", key):
                    return rule
        return self.require(url, "")

    def _store(self, rule: ObjectRule, bucket: str) -> "type_of_store":
        known = self._stores.get(rule) if "{project}" not in rule.bucket else None
        if known is None:
            known = self._opened(rule, bucket)
            if "{project}" not in rule.bucket:
                self._stores[rule] = known
        return known

    def _opened(self, rule: ObjectRule, bucket: str) -> "type_of_store":
        from obstore.store import AzureStore, GCSStore, S3Store  # noqa: PLC0415 - as above

        client: ClientConfig = {
            "allow_http": rule.endpoint.startswith("http://"),
            "connect_timeout": timedelta(seconds=min(self.seconds, 10.0)),
            "read_timeout": timedelta(seconds=self.seconds),
            # The whole exchange, which a large object may take long for.
            "timeout": timedelta(days=1),
        }
        retry: RetryConfig = {"max_retries": 5, "retry_timeout": timedelta(seconds=self.retry_seconds)}
        own: dict[str, Any] = {"skip_signature": True} if rule.anonymous else {}
        match rule.scheme:
            case "s3":
                own |= {"region": rule.region} if rule.region else {}
                own |= {"endpoint": rule.endpoint, "virtual_hosted_style_request": False} if rule.endpoint else {}
                return S3Store(bucket, client_options=client, retry_config=retry, **own)
            case "gs":
                own |= {"base_url": rule.endpoint} if rule.endpoint else {}
                return GCSStore(bucket, client_options=client, retry_config=retry, **own)
            case _:
                own |= {"account_name": rule.account} if rule.account else {}
                own |= {"endpoint": rule.endpoint} if rule.endpoint else {}
                return AzureStore(bucket, client_options=client, retry_config=retry, **own)


def rules_of(texts: Sequence[str]) -> tuple[ObjectRule, ...]:
    """Return the rules of a setting that was read.

    Raises:
        ConfigurationError: One is none.
    """
    try:
        return tuple(read_rule(text) for text in texts)
    except ValueError as error:
        raise ConfigurationError(f"QUILATE_OBJECT_STORES {error}", next_step="correct it") from error


def _split(url: str) -> tuple[str, str, str]:
    """Return scheme, bucket and key of an address.

    Raises:
        Problem: 422, it is none, or its key leads elsewhere.
    """
    try:
        parts = urlsplit(url)
        bucket, key = parts.netloc, parts.path.removeprefix("/")
    except ValueError:
        bucket = key = ""
        parts = urlsplit("")
    # Of the whole address: reading it has dropped line breaks already.
    strange = parts.query or parts.fragment or "@" in bucket or "\\" in key or not url.isprintable()
    steps = key.split("/")
    if parts.scheme not in SCHEMES or not _BUCKET.match(bucket) or strange or {"", ".", ".."} & set(steps):
        raise source_refused(
            "that is no address of an object", "write s3://bucket/key, gs://bucket/key or az://container/blob"
        )
    if len(key.encode()) > _LONGEST_KEY:
        raise source_refused(f"an object's key has at most {_LONGEST_KEY} bytes", "take a shorter one")
    return parts.scheme, bucket, key


@contextmanager
def _as_problem(url: str, *, missing_is_fine: bool = False) -> "Iterator[None]":
    """Raise a provider's refusal as an answer; its own words may hold credentials or addresses of the installation."""
    from obstore.exceptions import (  # noqa: PLC0415 - as above
        BaseError,
        PermissionDeniedError,
        UnauthenticatedError,
    )

    scheme, bucket, _ = _split(url)
    place = f"{scheme}://{bucket}"
    try:
        yield
    except FileNotFoundError as error:
        if not missing_is_fine:
            raise refused(f"there is no such object in {place}", "see that its key is right") from error
    except (PermissionDeniedError, UnauthenticatedError) as error:
        raise refused(
            f"{place} does not let the service in", "have the installation's administrator see to its credentials"
        ) from error
    except BaseError as error:
        raise Problem(
            status=503,
            type="unavailable",
            detail=f"{place} does not answer as it should",
            next_step="try again; if it stays so, have the installation's administrator look at its endpoint",
            headers={"Retry-After": "30"},
        ) from error
