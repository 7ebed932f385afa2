"""What an expression stands for: its dotted name through aliases, and its value where that is constant.

A call leaves ``()`` in the name: ``hmac.new(key).digest()`` is ``hmac.new().digest()``, so that a rule can ask what an
object was made by. Depth and sizes are bounded, since the code under analysis is hostile.
"""

import ast
import base64
import binascii
from typing import Final

from quilate.checks.crypto.scopes import Scope

_MAX_DEPTH = 12
_MAX_LENGTH = 4096
_MAX_EXPONENT = 64
_SAME_MODULES = (
    ("Cryptodome.", "Crypto."),
    ("cryptography.hazmat.decrepit.ciphers.", "cryptography.hazmat.primitives.ciphers."),
    ("requests.api.", "requests."),
    ("requests.sessions.", "requests."),
    ("requests.session(", "requests.Session("),
    ("jose.jwt.", "jwt."),
    ("jwt.api_jwt.", "jwt."),
)


class Unknown:
    """The type of ``UNKNOWN``: no constant value."""


UNKNOWN: Final = Unknown()


def qualified(node: ast.expr, scope: Scope, depth: int = 0) -> str:
    """Return the dotted name that ``node`` stands for, or an empty string."""
    if depth > _MAX_DEPTH:
        return ""
    if isinstance(node, ast.Name):
        return _qualified_name(node, scope, depth)
    if isinstance(node, ast.Attribute):
        return _qualified_attribute(node, scope, depth)
    if isinstance(node, ast.Call):
        return _qualified_call(node, scope, depth)
    if isinstance(node, ast.Await):
        return qualified(node.value, scope, depth + 1)
    return ""


def normal(name: str) -> str:
    """Return a name with the module under which the rules know it."""
    for prefix, replacement in _SAME_MODULES:
        if name.startswith(prefix):
            return replacement + name[len(prefix) :]
    return name


def _qualified_name(node: ast.Name, scope: Scope, depth: int) -> str:
    owner = scope.find(node.id)
    if owner is None:
        stars = scope.module().stars
        return f"{stars[0]}.{node.id}" if len(stars) == 1 else node.id
    bound = owner.value(node.id, node.lineno, local=owner is scope)
    if isinstance(bound, str):
        return normal(bound)
    return qualified(bound, owner, depth + 1) if bound is not None else ""


def _qualified_attribute(node: ast.Attribute, scope: Scope, depth: int) -> str:
    if isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}:
        owner = scope.enclosing_class()
        if owner is None or node.attr not in owner.bindings:
            return ""
        bound = owner.value(node.attr, node.lineno, local=False)
        return bound if isinstance(bound, str) else qualified(bound, owner, depth + 1) if bound is not None else ""
    base = qualified(node.value, scope, depth + 1)
    return normal(f"{base}.{node.attr}") if base else ""


def _qualified_call(node: ast.Call, scope: Scope, depth: int) -> str:
    function = qualified(node.func, scope, depth + 1)
    if function in {"getattr", "builtins.getattr"} and len(node.args) > 1:
        attribute = constant(node.args[1], scope, depth + 1)
        base = qualified(node.args[0], scope, depth + 1)
        return normal(f"{base}.{attribute}") if base and isinstance(attribute, str) else ""
    if function in {"__import__", "importlib.import_module"} and node.args:
        module = constant(node.args[0], scope, depth + 1)
        return module if isinstance(module, str) else ""
    return normal(f"{function}()") if function else ""


def constant(node: ast.expr, scope: Scope, depth: int = 0) -> object:
    """Return the value that ``node`` always has, or ``UNKNOWN``; bytes, text, numbers, None, and tuples of them."""
    if depth > _MAX_DEPTH:
        return UNKNOWN
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name | ast.Attribute):
        return _constant_name(node, scope, depth)
    if isinstance(node, ast.BinOp):
        left, right = constant(node.left, scope, depth + 1), constant(node.right, scope, depth + 1)
        return _combined(node.op, left, right)
    if isinstance(node, ast.Tuple | ast.List):
        values = [constant(element, scope, depth + 1) for element in node.elts[:_MAX_LENGTH]]
        return UNKNOWN if any(value is UNKNOWN for value in values) else tuple(values)
    if isinstance(node, ast.Call):
        return _constant_call(node, scope, depth)
    return UNKNOWN


def _constant_name(node: ast.Name | ast.Attribute, scope: Scope, depth: int) -> object:
    if isinstance(node, ast.Name):
        name, owner = node.id, scope.find(node.id)
    elif isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}:
        name, owner = node.attr, scope.enclosing_class()
    else:
        return UNKNOWN
    if owner is None or name not in owner.bindings:
        return UNKNOWN
    bound = owner.value(name, node.lineno, local=owner is scope)
    return constant(bound, owner, depth + 1) if isinstance(bound, ast.expr) else UNKNOWN


def _combined(operator: ast.operator, left: object, right: object) -> object:
    if isinstance(left, int) and isinstance(right, int):
        return _arithmetic(operator, left, right)
    if isinstance(operator, ast.Add):
        if isinstance(left, bytes) and isinstance(right, bytes):
            return left + right if len(left) + len(right) <= _MAX_LENGTH else UNKNOWN
        if isinstance(left, str) and isinstance(right, str):
            return left + right if len(left) + len(right) <= _MAX_LENGTH else UNKNOWN
    if isinstance(operator, ast.Mult):
        if isinstance(left, int):
            left, right = right, left
        if isinstance(left, bytes | str) and isinstance(right, int):
            return left * right if len(left) * max(right, 0) <= _MAX_LENGTH else UNKNOWN
    return UNKNOWN


def _arithmetic(operator: ast.operator, left: int, right: int) -> object:
    small = max(left.bit_length(), right.bit_length()) <= _MAX_EXPONENT
    if not small:
        return UNKNOWN
    if isinstance(operator, ast.Add):
        return left + right
    if isinstance(operator, ast.Sub):
        return left - right
    if isinstance(operator, ast.Mult):
        return left * right
    if isinstance(operator, ast.Pow) and 0 <= right <= _MAX_EXPONENT:
        return left**right
    if isinstance(operator, ast.LShift) and 0 <= right <= _MAX_EXPONENT:
        return left << right
    if isinstance(operator, ast.FloorDiv) and right:
        return left // right
    return UNKNOWN


def _constant_call(node: ast.Call, scope: Scope, depth: int) -> object:
    if isinstance(node.func, ast.Attribute) and node.func.attr in {"encode", "decode"}:
        value = constant(node.func.value, scope, depth + 1)
        if isinstance(value, str):
            return value.encode("utf-8", "replace")
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else UNKNOWN
    if len(node.args) != 1 or node.keywords:
        return b"" if not node.args and qualified(node.func, scope, depth + 1) in {"bytes", "bytearray"} else UNKNOWN
    name = qualified(node.func, scope, depth + 1)
    value = constant(node.args[0], scope, depth + 1)
    if value is UNKNOWN:
        return UNKNOWN
    if name in {"bytes", "bytearray"}:
        return _bytes_of(value)
    try:
        if name in {"bytes.fromhex", "bytearray.fromhex", "binascii.unhexlify", "binascii.a2b_hex"}:
            return binascii.unhexlify(value.replace(" ", "") if isinstance(value, str) else value)  # type: ignore[arg-type] - a wrong type is caught below
        if name in {"base64.b64decode", "base64.urlsafe_b64decode", "base64.b64encode", "base64.urlsafe_b64encode"}:
            raw = value.encode() if isinstance(value, str) else value
            return getattr(base64, name.rpartition(".")[2])(raw)
    except (ValueError, TypeError):
        return UNKNOWN
    return UNKNOWN


def _bytes_of(value: object) -> object:
    if isinstance(value, bytes):
        return value
    if isinstance(value, int) and 0 <= value <= _MAX_LENGTH:
        return bytes(value)
    if isinstance(value, tuple) and all(isinstance(item, int) and 0 <= item <= 255 for item in value):  # noqa: PLR2004 - a byte
        return bytes(value)
    return UNKNOWN
