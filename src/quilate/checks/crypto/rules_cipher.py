"""Symmetric ciphers, their modes, nonces and keys."""

import ast

from quilate.checks.crypto.catalogue import CONSTANT_NONCE, UNAUTHENTICATED_MODE
from quilate.checks.crypto.model import Hit
from quilate.checks.crypto.rules_keys import METHODS as KEY_METHODS
from quilate.checks.crypto.rules_keys import check_key
from quilate.checks.crypto.scanner import CallRule, Site
from quilate.kit.words import counted

_CIPHERS = "cryptography.hazmat.primitives.ciphers"
_ALGORITHMS = {
    "AES": "AES",
    "AES128": "AES",
    "AES256": "AES",
    "Camellia": "Camellia",
    "ChaCha20": "ChaCha20",
    "TripleDES": "3DES",
    "ARC4": "RC4",
    "RC2": "RC2",
    "Blowfish": "Blowfish",
    "CAST5": "CAST5",
    "IDEA": "IDEA",
    "SEED": "SEED",
    "SM4": "SM4",
}
_PYCRYPTO = {
    "AES": "AES",
    "DES": "DES",
    "DES3": "3DES",
    "ARC4": "RC4",
    "ARC2": "RC2",
    "Blowfish": "Blowfish",
    "CAST": "CAST5",
    "ChaCha20": "ChaCha20",
    "ChaCha20_Poly1305": "ChaCha20-Poly1305",
    "Salsa20": "Salsa20",
}
_PYCRYPTO_MODES = {
    1: "ECB",
    2: "CBC",
    3: "CFB",
    5: "OFB",
    6: "CTR",
    8: "CCM",
    9: "EAX",
    10: "SIV",
    11: "GCM",
    12: "OCB",
}
_AEAD = {
    "AESGCM": "AES",
    "AESCCM": "AES",
    "AESOCB3": "AES",
    "AESSIV": "AES",
    "AESGCMSIV": "AES",
    "ChaCha20Poly1305": "ChaCha20-Poly1305",
}
_UNAUTHENTICATED = frozenset({"CBC", "CTR", "CFB", "CFB8", "OFB"})
_TAKES_NONCE = frozenset({"CBC", "CTR", "CFB", "CFB8", "OFB", "GCM"})


def _check_nonce(site: Site, nonce: ast.expr | None) -> None:
    value = site.value(nonce)
    if isinstance(value, bytes) and value:
        message = "The IV or nonce is a constant, so that equal messages or two messages together give the content away"
        measured = f"a constant of {counted(len(value), 'byte')}"
        site.report(CONSTANT_NONCE, message, measured=measured, limit="fresh", node=nonce)


def _check_mode(site: Site, mode: str) -> None:
    site.use("mode", mode)
    if mode in _UNAUTHENTICATED:
        site.scan.unauthenticated.append(
            Hit(
                rule=UNAUTHENTICATED_MODE,
                severity=UNAUTHENTICATED_MODE.severity,
                node=site.node,
                message=f"{mode} encrypts without authentication, so that a changed message is not noticed",
                measured=mode,
                limit="an authenticated mode, or a MAC",
            )
        )


def _algorithm(site: Site) -> None:
    site.use("cipher", _ALGORITHMS[site.name.rpartition(".")[2]])
    check_key(site, site.argument(0, "key"))
    if site.name.endswith(".ChaCha20"):
        _check_nonce(site, site.argument(1, "nonce"))


def _mode(site: Site) -> None:
    mode = site.name.rpartition(".")[2]
    _check_mode(site, mode)
    if mode in _TAKES_NONCE:
        _check_nonce(site, site.argument(0, "initialization_vector", "nonce"))


def _aead(site: Site) -> None:
    site.use("cipher", _AEAD[site.name.rpartition(".")[2]])
    check_key(site, site.argument(0, "key"))


def _fernet(site: Site) -> None:
    site.use("cipher", "AES")
    check_key(site, site.argument(0, "key"))


def _pycrypto(site: Site) -> None:
    module = site.name.split(".")[2]
    site.use("cipher", _PYCRYPTO[module])
    check_key(site, site.argument(0, "key"))
    mode = _pycrypto_mode(site, site.argument(1, "mode")) if module not in {"ChaCha20", "Salsa20", "ARC4"} else ""
    if mode:
        _check_mode(site, mode)
    position = 2 if mode and mode != "ECB" else -1
    _check_nonce(site, site.argument(position, "iv", "IV", "nonce"))


def _pycrypto_mode(site: Site, mode: ast.expr | None) -> str:
    number = site.number(mode)
    if number is not None:
        return _PYCRYPTO_MODES.get(number, "")
    _, separator, name = site.called(mode).rpartition(".MODE_")
    return name if separator else ""


def _encrypt(site: Site) -> None:
    """``AESGCM(key).encrypt(nonce, data, aad)``, besides what the keys' rule asks of the same method."""
    maker = site.name.rpartition(".")[0]
    if maker.startswith(f"{_CIPHERS}.aead.") and not maker.endswith("AESSIV()"):
        _check_nonce(site, site.argument(0, "nonce"))
        return
    KEY_METHODS["encrypt"](site)


CALLS: dict[str, CallRule] = {
    **{f"{_CIPHERS}.algorithms.{name}": _algorithm for name in _ALGORITHMS},
    **{f"{_CIPHERS}.modes.{name}": _mode for name in ("ECB", "CBC", "CTR", "CFB", "CFB8", "OFB", "GCM", "XTS")},
    **{f"{_CIPHERS}.aead.{name}": _aead for name in _AEAD},
    **{f"Crypto.Cipher.{name}.new": _pycrypto for name in _PYCRYPTO},
    "cryptography.fernet.Fernet": _fernet,
}
METHODS: dict[str, CallRule] = {"encrypt": _encrypt, "decrypt": KEY_METHODS["decrypt"]}
