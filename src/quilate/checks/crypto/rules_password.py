"""Password hashing and key derivation."""

import ast

from quilate.checks.crypto.catalogue import (
    ARGON2_COST,
    BCRYPT_COST,
    CONSTANT_SALT,
    PBKDF2_ITERATIONS,
    SCRYPT_COST,
    WEAK_PASSWORD_HASH,
)
from quilate.checks.crypto.rules_hash import algorithm_of
from quilate.checks.crypto.scanner import CallRule, Site
from quilate.kit.words import counted

_KDF = "cryptography.hazmat.primitives.kdf"
_BROKEN_SCHEMES = (
    *("md5_crypt", "apr_md5_crypt", "sha1_crypt", "des_crypt", "bsdi_crypt", "bigcrypt", "crypt16", "lmhash", "nthash"),
    *(
        "msdcc",
        "ldap_md5",
        "ldap_salted_md5",
        "ldap_sha1",
        "ldap_salted_sha1",
        "ldap_plaintext",
        "plaintext",
        "hex_md5",
    ),
    *("hex_sha1", "hex_md4", "mysql323", "mysql41", "oracle10", "postgres_md5"),
)
_PYCRYPTO_DEFAULT_COUNT = 1000
_ARGON2_DEFAULTS = {"time": 3, "memory": 65536}
"""argon2-cffi 21 and later; https://argon2-cffi.readthedocs.io/en/stable/api.html."""


def _check_salt(site: Site, salt: ast.expr | None) -> None:
    value = site.value(salt)
    if isinstance(value, bytes | str):
        message = "The salt is a constant, so that one table serves to guess all passwords"
        measured = f"a constant of {counted(len(value), 'byte')}"
        site.report(CONSTANT_SALT, message, measured=measured, limit="fresh", node=salt)


def _check_iterations(site: Site, algorithm: str, iterations: int | None) -> None:
    site.use("kdf", "PBKDF2")
    least = site.limits.min_pbkdf2_iterations.get(algorithm, site.limits.min_pbkdf2_iterations["SHA-256"])
    if iterations is not None and iterations < least:
        name = f"PBKDF2-HMAC-{algorithm}" if algorithm else "PBKDF2"
        message = f"{name} runs {counted(iterations, 'iteration')}"
        site.report(PBKDF2_ITERATIONS, message, measured=str(iterations), limit=f"at least {least}")


def _pbkdf2_hashlib(site: Site) -> None:
    _check_iterations(
        site, algorithm_of(site, site.argument(0, "hash_name")), site.number(site.argument(3, "iterations"))
    )
    _check_salt(site, site.argument(2, "salt"))


def _pbkdf2_cryptography(site: Site) -> None:
    algorithm = algorithm_of(site, site.argument(0, "algorithm"))
    _check_iterations(site, algorithm, site.number(site.argument(3, "iterations")))
    _check_salt(site, site.argument(2, "salt"))


def _pbkdf2_pycrypto(site: Site) -> None:
    count = site.argument(3, "count")
    algorithm = algorithm_of(site, site.argument(-1, "hmac_hash_module")) or "SHA-1"
    _check_iterations(site, algorithm, site.number(count) if count is not None else _PYCRYPTO_DEFAULT_COUNT)
    _check_salt(site, site.argument(1, "salt"))


def _pbkdf2_passlib(site: Site) -> None:
    algorithm = {"1": "SHA-1", "6": "SHA-256", "2": "SHA-512"}.get(site.name.rpartition(".")[0][-1], "SHA-256")
    _check_iterations(site, algorithm, site.number(site.argument(-1, "rounds")))


def _scrypt(salt_position: int, n_position: int, n_keyword: str) -> CallRule:
    def rule(site: Site) -> None:
        site.use("kdf", "scrypt")
        cost = site.number(site.argument(n_position, n_keyword))
        least = site.limits.min_scrypt_n
        if cost is not None and cost < least:
            site.report(SCRYPT_COST, f"scrypt runs with n = {cost}", measured=str(cost), limit=f"at least {least}")
        _check_salt(site, site.argument(salt_position, "salt"))

    return rule


def _bcrypt(position: int, keyword: str, salt: str = "") -> CallRule:
    def rule(site: Site) -> None:
        site.use("kdf", "bcrypt")
        cost = site.number(site.argument(position, keyword))
        least = site.limits.min_bcrypt_cost
        if cost is not None and cost < least:
            site.report(BCRYPT_COST, f"bcrypt runs with cost {cost}", measured=str(cost), limit=f"at least {least}")
        if salt:
            _check_salt(site, site.argument(-1, salt))

    return rule


def _report_argon2(site: Site, time: int | None, memory: int | None) -> None:
    site.use("kdf", "Argon2")
    limits = site.limits
    if memory is not None and memory < limits.min_argon2_memory_kib:
        message = f"Argon2 runs in {memory} KiB of memory"
        site.report(
            ARGON2_COST, message, measured=f"{memory} KiB", limit=f"at least {limits.min_argon2_memory_kib} KiB"
        )
    elif time is not None and time < limits.min_argon2_time:
        message = f"Argon2 runs {time} passes"
        site.report(ARGON2_COST, message, measured=str(time), limit=f"at least {limits.min_argon2_time}")


def _argon2_cffi(site: Site) -> None:
    time, memory = site.argument(0, "time_cost"), site.argument(1, "memory_cost")
    _report_argon2(
        site,
        site.number(time) if time is not None else _ARGON2_DEFAULTS["time"],
        site.number(memory) if memory is not None else _ARGON2_DEFAULTS["memory"],
    )


def _argon2_cryptography(site: Site) -> None:
    _report_argon2(site, site.number(site.argument(-1, "iterations")), site.number(site.argument(-1, "memory_cost")))
    _check_salt(site, site.argument(-1, "salt"))


def _broken_scheme(site: Site) -> None:
    scheme = site.name.split(".")[2]
    site.use("kdf", scheme)
    message = f"Passwords are kept as {scheme}, which is broken within seconds"
    site.report(WEAK_PASSWORD_HASH, message, measured=scheme, limit="Argon2id, scrypt or bcrypt")


def _hkdf(site: Site) -> None:
    site.use("kdf", "HKDF")


CALLS: dict[str, CallRule] = {
    "hashlib.pbkdf2_hmac": _pbkdf2_hashlib,
    f"{_KDF}.pbkdf2.PBKDF2HMAC": _pbkdf2_cryptography,
    "Crypto.Protocol.KDF.PBKDF2": _pbkdf2_pycrypto,
    **{
        f"passlib.hash.pbkdf2_{name}.{method}": _pbkdf2_passlib
        for name in ("sha1", "sha256", "sha512")
        for method in ("using", "encrypt", "hash")
    },
    "hashlib.scrypt": _scrypt(-1, -1, "n"),
    f"{_KDF}.scrypt.Scrypt": _scrypt(0, 2, "n"),
    "Crypto.Protocol.KDF.scrypt": _scrypt(1, 3, "N"),
    "bcrypt.gensalt": _bcrypt(0, "rounds"),
    "Crypto.Protocol.KDF.bcrypt": _bcrypt(1, "cost", "salt"),
    "passlib.hash.bcrypt.using": _bcrypt(-1, "rounds"),
    "passlib.hash.bcrypt.hash": _bcrypt(-1, "rounds"),
    "argon2.PasswordHasher": _argon2_cffi,
    f"{_KDF}.argon2.Argon2id": _argon2_cryptography,
    **{
        f"passlib.hash.{scheme}.{method}": _broken_scheme
        for scheme in _BROKEN_SCHEMES
        for method in ("hash", "encrypt", "using")
    },
    f"{_KDF}.hkdf.HKDF": _hkdf,
    "Crypto.Protocol.KDF.HKDF": _hkdf,
}
