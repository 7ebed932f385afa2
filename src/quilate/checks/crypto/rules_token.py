"""JSON Web Tokens (PyJWT and python-jose)."""

import ast

from quilate.checks.crypto.catalogue import UNSIGNED_TOKEN
from quilate.checks.crypto.rules_keys import check_key
from quilate.checks.crypto.scanner import CallRule, Site


def _encode(site: Site) -> None:
    argument = site.argument(2, "algorithm")
    algorithm = site.value(argument)
    unsigned = argument is not None and (
        algorithm is None or (isinstance(algorithm, str) and algorithm.lower() == "none")
    )
    if unsigned:
        _report(site, "The token is issued without a signature", "algorithm none")
        return
    site.use("jwt", algorithm if isinstance(algorithm, str) else "")
    check_key(site, site.argument(1, "key"))


def _decode(site: Site) -> None:
    names = site.value(site.argument(2, "algorithms"))
    named = names if isinstance(names, tuple) else (names,)
    if _signature_ignored(site):
        _report(site, "The token is read without verifying its signature", "not verified")
        return
    if any(isinstance(name, str) and name.lower() == "none" for name in named):
        _report(site, "The token may come without a signature", "algorithm none")
        return
    site.use("jwt", "")
    check_key(site, site.argument(1, "key"))


def _signature_ignored(site: Site) -> bool:
    if site.value(site.argument(-1, "verify")) is False:
        return True
    options = site.argument(3, "options")
    if isinstance(options, ast.Name):
        owner = site.scope.find(options.id)
        bound = owner.value(options.id, options.lineno, local=owner is site.scope) if owner else None
        options = bound if isinstance(bound, ast.expr) else options
    if not isinstance(options, ast.Dict):
        return False
    for key, value in zip(options.keys, options.values, strict=True):
        if key is not None and site.value(key) == "verify_signature":
            return site.value(value) is False
    return False


def _report(site: Site, message: str, measured: str) -> None:
    site.report(UNSIGNED_TOKEN, message, measured=measured, limit="a verified signature")


CALLS: dict[str, CallRule] = {"jwt.encode": _encode, "jwt.decode": _decode, "jwt.decode_complete": _decode}
