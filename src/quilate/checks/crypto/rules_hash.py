"""Hash functions, message authentication codes, and digests that are compared."""

import ast

from quilate.checks.crypto.catalogue import DIGEST_COMPARISON
from quilate.checks.crypto.rules_keys import check_key
from quilate.checks.crypto.scanner import CallRule, Site
from quilate.domain.severity import Severity

_NAMES = {
    "md2": "MD2",
    "md4": "MD4",
    "md5": "MD5",
    "sha": "SHA-1",
    "sha1": "SHA-1",
    "sha224": "SHA-224",
    "sha256": "SHA-256",
    "sha384": "SHA-384",
    "sha512": "SHA-512",
    "sha3224": "SHA3-224",
    "sha3256": "SHA3-256",
    "sha3384": "SHA3-384",
    "sha3512": "SHA3-512",
    "blake2b": "BLAKE2b",
    "blake2s": "BLAKE2s",
    "ripemd160": "RIPEMD-160",
    "ripemd": "RIPEMD-160",
    "sm3": "SM3",
}
NAMES = tuple(dict.fromkeys(_NAMES.values()))
"""The hash functions as findings spell them."""

_HASHLIB = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha3_224", "sha3_256", "sha3_384", "sha3_512")
_CRYPTOGRAPHY = ("MD5", "SHA1", "SHA224", "SHA256", "SHA384", "SHA512", "SHA3_256", "SHA3_384", "SHA3_512", "SM3")
_PYCRYPTO = (
    "MD2",
    "MD4",
    "MD5",
    "SHA",
    "SHA1",
    "SHA224",
    "SHA256",
    "SHA384",
    "SHA512",
    "RIPEMD160",
    "RIPEMD",
    "SHA3_256",
)
_MAC_DIGESTS = (
    "hmac.new().digest()",
    "hmac.new().hexdigest()",
    "hmac.digest()",
    "Crypto.Hash.HMAC.new().digest()",
    "Crypto.Hash.HMAC.new().hexdigest()",
    "cryptography.hazmat.primitives.hmac.HMAC().finalize()",
)


def algorithm_named(name: str) -> str:
    """Return our name for a hash function named in any library's spelling, or the name as it is."""
    return _NAMES.get(name.casefold().replace("-", "").replace("_", "").replace("/", ""), name)


def algorithm_of(site: Site, expression: ast.expr | None) -> str:
    """Return the hash function that an argument names, as text, function, module or instance; else an empty string."""
    value = site.value(expression)
    if isinstance(value, str):
        return algorithm_named(value)
    name = site.called(expression).removesuffix("()").removesuffix(".new")
    base, _, last = name.rpartition(".")
    return algorithm_named(last) if base in {"hashlib", "Crypto.Hash", "cryptography.hazmat.primitives.hashes"} else ""


def _plain(site: Site) -> None:
    """A constructor whose name is the hash function's."""
    if site.value(site.argument(-1, "usedforsecurity")) is False:
        return
    site.use("hash", algorithm_named(site.name.removesuffix(".new").rpartition(".")[2]))


def _by_name(position: int) -> CallRule:
    def rule(site: Site) -> None:
        algorithm = algorithm_of(site, site.argument(position, "name", "digest"))
        if algorithm and site.value(site.argument(-1, "usedforsecurity")) is not False:
            site.use("hash", algorithm)

    return rule


def _mac(digest_position: int, digest_keywords: tuple[str, ...], default: str) -> CallRule:
    def rule(site: Site) -> None:
        digest = site.argument(digest_position, *digest_keywords)
        algorithm = algorithm_of(site, digest) if digest is not None else default
        # HMAC needs no collision resistance: SHA-1 in it is deprecated, not broken.
        site.use("mac", algorithm or "HMAC", severity=Severity.LOW if algorithm == "SHA-1" else None)
        check_key(site, site.argument(0, "key"))

    return rule


def comparison(site: Site, node: ast.Compare) -> None:
    """A message authentication code compared with ``==``."""
    for side in (node.left, node.comparators[0]):
        if isinstance(side, ast.Call | ast.Name) and site.called(side) in _MAC_DIGESTS:
            site.report(
                DIGEST_COMPARISON,
                "A message authentication code is compared with ==, whose time tells how much of it is right",
                measured="==",
                limit="hmac.compare_digest",
            )
            return


CALLS: dict[str, CallRule] = {
    **{f"hashlib.{name}": _plain for name in (*_HASHLIB, "blake2b", "blake2s")},
    **{f"cryptography.hazmat.primitives.hashes.{name}": _plain for name in _CRYPTOGRAPHY},
    **{f"Crypto.Hash.{name}.new": _plain for name in _PYCRYPTO},
    "hashlib.new": _by_name(0),
    "hashlib.file_digest": _by_name(1),
    "hmac.new": _mac(2, ("digestmod",), ""),
    "hmac.digest": _mac(2, ("digest",), ""),
    "hmac.HMAC": _mac(2, ("digestmod",), ""),
    "cryptography.hazmat.primitives.hmac.HMAC": _mac(1, ("algorithm",), ""),
    "Crypto.Hash.HMAC.new": _mac(2, ("digestmod",), "MD5"),
}
