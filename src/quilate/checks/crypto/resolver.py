"""What an expression stands for: its dotted name through aliases, and its value where that is constant.

A call leaves ``()`` in the name: ``hmac.new(key).digest()`` is ``hmac.new().digest()``, so that a rule can ask what an
object was made by. Depth and sizes are bounded, since the code under analysis is hostile.
"""

import ast
import base64
import binascii
import operator
from collections.abc import Callable
from typing import Any, Final

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
    if isinstance(node, ast.Constant):
        return node.value
    folder = _FOLDERS.get(type(node))
    return folder(node, scope, depth + 1) if folder is not None and depth <= _MAX_DEPTH else UNKNOWN


def _constant_operation(node: ast.BinOp, scope: Scope, depth: int) -> object:
    return _combined(node.op, constant(node.left, scope, depth), constant(node.right, scope, depth))


def _constant_sequence(node: ast.Tuple | ast.List, scope: Scope, depth: int) -> object:
    values = [constant(element, scope, depth) for element in node.elts[:_MAX_LENGTH]]
    return UNKNOWN if any(value is UNKNOWN for value in values) else tuple(values)


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
    return constant(bound, owner, depth) if isinstance(bound, ast.expr) else UNKNOWN


def _combined(operation: ast.operator, left: object, right: object) -> object:
    if isinstance(left, int) and isinstance(right, int):
        return _arithmetic(operation, left, right)
    if isinstance(operation, ast.Mult):
        if isinstance(left, int):
            left, right = right, left
        if isinstance(left, bytes | str) and isinstance(right, int) and len(left) * right <= _MAX_LENGTH:
            return left * right
    elif isinstance(operation, ast.Add):
        both_bytes = isinstance(left, bytes) and isinstance(right, bytes)
        if both_bytes or (isinstance(left, str) and isinstance(right, str)):
            return _joined(left, right)
    return UNKNOWN


def _joined(left: Any, right: Any) -> object:
    return left + right if len(left) + len(right) <= _MAX_LENGTH else UNKNOWN


def _arithmetic(operation: ast.operator, left: int, right: int) -> object:
    fold = _ARITHMETIC.get(type(operation))
    small = max(left.bit_length(), right.bit_length()) <= _MAX_EXPONENT
    bounded = not isinstance(operation, ast.Pow | ast.LShift) or 0 <= right <= _MAX_EXPONENT
    if fold is None or not small or not bounded or (isinstance(operation, ast.FloorDiv) and right == 0):
        return UNKNOWN
    return fold(left, right)


def _constant_call(node: ast.Call, scope: Scope, depth: int) -> object:
    if isinstance(node.func, ast.Attribute) and node.func.attr in {"encode", "decode"}:
        return _recoded(constant(node.func.value, scope, depth))
    name = qualified(node.func, scope, depth)
    if name in {"bytes", "bytearray"} and not node.args and not node.keywords:
        return b""
    if len(node.args) != 1 or node.keywords:
        return UNKNOWN
    convert = _CONVERSIONS.get(name)
    value = constant(node.args[0], scope, depth) if convert is not None else UNKNOWN
    if convert is None or value is UNKNOWN:
        return UNKNOWN
    try:
        return convert(value)
    except (ValueError, TypeError):
        return UNKNOWN


def _recoded(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "replace")
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else UNKNOWN


def _from_hexadecimal(value: Any) -> bytes:
    return binascii.unhexlify(value.replace(" ", "") if isinstance(value, str) else value)


def _as_bytes(value: Any) -> Any:
    return value.encode() if isinstance(value, str) else value


def _bytes_of(value: object) -> object:
    if isinstance(value, bytes):
        return value
    if isinstance(value, int) and 0 <= value <= _MAX_LENGTH:
        return bytes(value)
    if isinstance(value, tuple) and all(isinstance(item, int) and 0 <= item <= 255 for item in value):  # noqa: PLR2004 - a byte
        return bytes(value)
    return UNKNOWN


_FOLDERS: dict[type, Callable[..., object]] = {
    ast.Name: _constant_name,
    ast.Attribute: _constant_name,
    ast.BinOp: _constant_operation,
    ast.Tuple: _constant_sequence,
    ast.List: _constant_sequence,
    ast.Call: _constant_call,
}
_ARITHMETIC: dict[type, Callable[[int, int], object]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Pow: operator.pow,
    ast.LShift: operator.lshift,
    ast.FloorDiv: operator.floordiv,
}
_CONVERSIONS: dict[str, Callable[[Any], object]] = {
    "bytes": _bytes_of,
    "bytearray": _bytes_of,
    "bytes.fromhex": _from_hexadecimal,
    "bytearray.fromhex": _from_hexadecimal,
    "binascii.unhexlify": _from_hexadecimal,
    "binascii.a2b_hex": _from_hexadecimal,
    "base64.b64decode": lambda value: base64.b64decode(_as_bytes(value)),
    "base64.urlsafe_b64decode": lambda value: base64.urlsafe_b64decode(_as_bytes(value)),
    "base64.b64encode": lambda value: base64.b64encode(_as_bytes(value)),
    "base64.urlsafe_b64encode": lambda value: base64.urlsafe_b64encode(_as_bytes(value)),
}
