"""TLS connections: verification, host names, protocol versions."""

import ast

from quilate.checks.crypto.catalogue import NO_HOSTNAME, NO_VERIFICATION, OLD_PROTOCOL
from quilate.checks.crypto.scanner import CallRule, Site

_HTTP = ["get", "post", "put", "patch", "delete", "head", "options", "request"]
_OLD = {
    "PROTOCOL_SSLv2": "SSL 2.0",
    "PROTOCOL_SSLv3": "SSL 3.0",
    "PROTOCOL_TLSv1": "TLS 1.0",
    "PROTOCOL_TLSv1_1": "TLS 1.1",
    "SSLv2_METHOD": "SSL 2.0",
    "SSLv3_METHOD": "SSL 3.0",
    "TLSv1_METHOD": "TLS 1.0",
    "TLSv1_1_METHOD": "TLS 1.1",
    "SSLv3": "SSL 3.0",
    "TLSv1": "TLS 1.0",
    "TLSv1_1": "TLS 1.1",
}
_OLD_MODULES = ("ssl", "ssl.TLSVersion", "OpenSSL.SSL")
_UNVERIFIED = "ssl._create_unverified_context"
_NO_CERTIFICATE = frozenset({"ssl.CERT_NONE", "OpenSSL.SSL.VERIFY_NONE"})


def _report_unverified(site: Site, measured: str) -> None:
    message = "The certificate is not verified, so that anybody on the way can answer in the server's place"
    site.report(NO_VERIFICATION, message, measured=measured, limit="verified")


def _verify_argument(site: Site) -> None:
    """``verify=False`` of requests and httpx."""
    if site.value(site.argument(-1, "verify")) is False:
        site.use("tls", "TLS")
        _report_unverified(site, "verify=False")


def _aiohttp(site: Site) -> None:
    for keyword in ("ssl", "verify_ssl"):
        if site.value(site.argument(-1, keyword)) is False:
            _report_unverified(site, f"{keyword}=False")
            return


def _certificate_argument(site: Site) -> None:
    """``cert_reqs`` of urllib3 and ``ssl.wrap_socket``."""
    argument = site.argument(-1, "cert_reqs")
    if site.called(argument) in _NO_CERTIFICATE or site.value(argument) in {"CERT_NONE", "NONE"}:
        _report_unverified(site, "CERT_NONE")


def _unverified_context(site: Site) -> None:
    site.use("tls", "TLS")
    _report_unverified(site, "ssl._create_unverified_context")


def _protocol(site: Site, version: ast.expr | None) -> None:
    base, _, name = site.called(version).rpartition(".")
    if name in _OLD and base in _OLD_MODULES:
        message = f"The connection may use {_OLD[name]}"
        site.report(OLD_PROTOCOL, message, measured=_OLD[name], limit="TLS 1.2 or later", node=version)


def _context(site: Site) -> None:
    site.use("tls", "TLS")
    _protocol(site, site.argument(0, "protocol", "method"))


def _wrap_socket(site: Site) -> None:
    site.use("tls", "TLS")
    _protocol(site, site.argument(-1, "ssl_version"))
    _certificate_argument(site)


def _pool(site: Site) -> None:
    site.use("tls", "TLS")
    _certificate_argument(site)
    _protocol(site, site.argument(-1, "ssl_version"))


def _plain_context(site: Site) -> None:
    site.use("tls", "TLS")


def _openssl_verify(site: Site) -> None:
    if site.name == "OpenSSL.SSL.Context().set_verify" and site.called(site.argument(0, "mode")) in _NO_CERTIFICATE:
        _report_unverified(site, "VERIFY_NONE")


def _assigned_hostname(site: Site, target: ast.Attribute, value: ast.expr) -> None:  # noqa: ARG001 - as all assignments
    if site.value(value) is False:
        message = "The host name is not compared, so that any valid certificate of anybody will do"
        site.report(NO_HOSTNAME, message, measured="check_hostname=False", limit="compared")


def _assigned_mode(site: Site, target: ast.Attribute, value: ast.expr) -> None:  # noqa: ARG001 - as all assignments
    if site.called(value) in _NO_CERTIFICATE:
        _report_unverified(site, "CERT_NONE")


def _assigned_verify(site: Site, target: ast.Attribute, value: ast.expr) -> None:
    if site.value(value) is False and site.called(target.value) in {"requests.Session()", "httpx.Client()"}:
        _report_unverified(site, "verify=False")


def _assigned_version(site: Site, target: ast.Attribute, value: ast.expr) -> None:  # noqa: ARG001 - as all assignments
    _protocol(site, value)


def _assigned_default(site: Site, target: ast.Attribute, value: ast.expr) -> None:
    if site.called(target.value) == "ssl" and site.called(value) == _UNVERIFIED:
        _report_unverified(site, "ssl._create_unverified_context")


CALLS: dict[str, CallRule] = {
    **{
        f"{module}.{method}": _verify_argument
        for module in ("requests", "requests.Session()", "httpx", "httpx.Client()", "httpx.AsyncClient()")
        for method in (*_HTTP, "stream")
    },
    "httpx.Client": _verify_argument,
    "httpx.AsyncClient": _verify_argument,
    "aiohttp.TCPConnector": _aiohttp,
    **{f"aiohttp.ClientSession().{method}": _aiohttp for method in _HTTP},
    **{
        f"urllib3.{name}": _pool
        for name in ("PoolManager", "ProxyManager", "HTTPSConnectionPool", "poolmanager.PoolManager")
    },
    _UNVERIFIED: _unverified_context,
    "ssl._create_stdlib_context": _unverified_context,
    "ssl.SSLContext": _context,
    "OpenSSL.SSL.Context": _context,
    "ssl.wrap_socket": _wrap_socket,
    "ssl.create_default_context": _plain_context,
    "OpenSSL.SSL.Context().set_verify": _openssl_verify,
}
ASSIGNMENTS = {
    "check_hostname": _assigned_hostname,
    "verify_mode": _assigned_mode,
    "verify": _assigned_verify,
    "minimum_version": _assigned_version,
    "maximum_version": _assigned_version,
    "_create_default_https_context": _assigned_default,
}
