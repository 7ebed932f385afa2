"""Keys: where they come from, how long they are, on which curve."""

import ast
import re

from quilate.checks.crypto.catalogue import (
    HARD_CODED_KEY,
    KEY_FROM_HASH,
    PKCS1_ENCRYPTION,
    PREDICTABLE_RANDOM,
    SHORT_KEY,
    WEAK_CURVE,
)
from quilate.checks.crypto.scanner import CallRule, Site
from quilate.kit.words import counted

_ASYMMETRIC = "cryptography.hazmat.primitives.asymmetric"
_PUBLIC = re.compile(r"-----BEGIN (?:PUBLIC KEY|RSA PUBLIC KEY|CERTIFICATE)")
_BARE_HASH = re.compile(
    r"(?:base64\.(?:urlsafe_)?b64encode|bytes)?\(?"
    r"(?:hashlib\.(?:new|md5|sha\w+|blake2\w)\(\)\.(?:hex)?digest\(\)|Crypto\.Hash\.\w+\.new\(\)\.(?:hex)?digest\(\))"
)
_CURVE_BITS = re.compile(r"(?P<bits>\d{2,3})")


def check_key(site: Site, key: ast.expr | None) -> None:
    """Report a key that is written in the source, made by a bare hash, or drawn from a predictable generator."""
    if key is None:
        return
    value = site.value(key)
    if isinstance(value, bytes | str):
        _check_constant(site, key, value)
    elif origin := site.called(key):
        _check_origin(site, key, origin)


def _check_constant(site: Site, key: ast.expr, value: bytes | str) -> None:
    text = value.decode("latin-1") if isinstance(value, bytes) else value
    if text and not _PUBLIC.match(text.lstrip()):
        unit = "byte" if isinstance(value, bytes) else "character"
        message = "The key is written in the source, where everybody who reads the code has it"
        site.report(HARD_CODED_KEY, message, measured=f"a constant of {counted(len(value), unit)}", node=key)


def _check_origin(site: Site, key: ast.expr, origin: str) -> None:
    """Report a key by the calls that it comes from."""
    if origin.startswith(("base64.urlsafe_b64encode()", "base64.b64encode()")):
        origin = _encoded(site, key) or origin
    if _BARE_HASH.fullmatch(origin):
        message = "The key is the plain hash of another value, which can be guessed at the speed of the hash"
        site.report(
            KEY_FROM_HASH, message, measured=origin.replace("()", ""), limit="a key derivation function", node=key
        )
    elif origin.startswith(("random.", "numpy.random.")) and not origin.startswith("random.SystemRandom"):
        message = "The key comes from a generator whose next values can be computed from earlier ones"
        site.report(
            PREDICTABLE_RANDOM, message, measured=origin.replace("()", ""), limit="secrets or os.urandom", node=key
        )


def _encoded(site: Site, key: ast.expr) -> str:
    """Return what a base64 call encodes."""
    if isinstance(key, ast.Name):
        owner = site.scope.find(key.id)
        bound = owner.value(key.id, key.lineno, local=owner is site.scope) if owner else None
        key = bound if isinstance(bound, ast.expr) else key
    return site.called(key.args[0]) if isinstance(key, ast.Call) and key.args else ""


def _short(algorithm: str, position: int, *keywords: str) -> CallRule:
    def rule(site: Site) -> None:
        site.use("key", algorithm)
        bits = site.number(site.argument(position, *keywords))
        limits = site.limits
        least = {"RSA": limits.min_rsa_bits, "DSA": limits.min_dsa_bits}.get(algorithm, limits.min_dh_bits)
        # What is forbidden at any length is reported already.
        if bits is not None and bits < least and algorithm not in limits.forbidden:
            message = f"The {algorithm} key has {bits} bits"
            site.report(SHORT_KEY, message, measured=f"{bits} bits", limit=f"at least {least} bits")

    return rule


def _report_curve(site: Site, name: str) -> None:
    match = _CURVE_BITS.search(name)
    bits = int(match["bits"]) if match else 0
    if bits and bits < site.limits.min_curve_bits:
        least = site.limits.min_curve_bits
        message = f"The curve {name} has {bits} bits"
        site.report(WEAK_CURVE, message, measured=f"{bits} bits", limit=f"at least {least} bits")


def _curve_class(site: Site) -> None:
    _report_curve(site, site.name.rpartition(".")[2])


def _curve_argument(position: int) -> CallRule:
    def rule(site: Site) -> None:
        site.use("key", "EC")
        curve = site.argument(position, "curve")
        if isinstance(curve, ast.Call):
            return
        value = site.value(curve)
        name = value if isinstance(value, str) else site.called(curve)
        if isinstance(value, str) or (name.startswith(f"{_ASYMMETRIC}.ec.") and not name.endswith("()")):
            _report_curve(site, name.rpartition(".")[2])

    return rule


def _rsa_encryption(site: Site) -> None:
    """``public_key.encrypt(data, padding.PKCS1v15())`` and the same for decryption."""
    if site.called(site.argument(1, "padding")) == f"{_ASYMMETRIC}.padding.PKCS1v15()":
        _report_pkcs1(site)


def _report_pkcs1(site: Site) -> None:
    site.use("cipher", "RSA")
    message = "RSA encrypts with PKCS #1 v1.5 padding, which gives the plaintext away to who may ask often enough"
    site.report(PKCS1_ENCRYPTION, message, measured="PKCS #1 v1.5", limit="OAEP")


CALLS: dict[str, CallRule] = {
    f"{_ASYMMETRIC}.rsa.generate_private_key": _short("RSA", 1, "key_size"),
    f"{_ASYMMETRIC}.dsa.generate_private_key": _short("DSA", 0, "key_size"),
    f"{_ASYMMETRIC}.dsa.generate_parameters": _short("DSA", 0, "key_size"),
    f"{_ASYMMETRIC}.dh.generate_parameters": _short("DH", 1, "key_size"),
    "Crypto.PublicKey.RSA.generate": _short("RSA", 0, "bits"),
    "Crypto.PublicKey.DSA.generate": _short("DSA", 0, "bits"),
    "Crypto.PublicKey.ElGamal.generate": _short("ElGamal", 0, "bits"),
    f"{_ASYMMETRIC}.ec.generate_private_key": _curve_argument(0),
    f"{_ASYMMETRIC}.ec.derive_private_key": _curve_argument(1),
    "Crypto.PublicKey.ECC.generate": _curve_argument(-1),
    **{
        f"{_ASYMMETRIC}.ec.{name}": _curve_class
        for name in ("SECP192R1", "SECT163K1", "SECT163R2", "SECP224R1", "SECT233K1", "SECT233R1", "SECP256K1")
    },
    "Crypto.Cipher.PKCS1_v1_5.new": _report_pkcs1,
}
METHODS: dict[str, CallRule] = {"encrypt": _rsa_encryption, "decrypt": _rsa_encryption}
