"""Walk one file's syntax tree once, collect what the rules ask about, then ask them.

The walk is iterative, so that deep code cannot exhaust the stack; calls are looked up by dotted name in one table.
"""

import ast
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from quilate.checks.crypto.catalogue import (
    BROKEN_CIPHER,
    BROKEN_HASH,
    ECB_MODE,
    NOT_APPROVED,
    SHA1,
    WITHDRAWN_SIGNATURE,
)
from quilate.checks.crypto.model import Hit, Limits, Rule, Use
from quilate.checks.crypto.resolver import constant, qualified
from quilate.checks.crypto.scopes import Scope, bind_import, bind_target
from quilate.checks.source_files import Source, UnparsedError
from quilate.domain.severity import Severity

_LIBRARIES = re.compile(
    r"hashlib|hmac|ssl|rypt|jwt|jose|random|passlib|argon2|requests|httpx|OpenSSL|urllib3|aiohttp|numpy"
)
_LEAVES = frozenset({ast.Name, ast.Constant, ast.Pass, ast.Break, ast.Continue, type(None)})
"""What stands in lists of nodes and holds no node; an omitted dictionary key or default is ``None``."""
_NO_CODE = frozenset(
    {"ctx", "op", "ops", "annotation", "returns", "names", "name", "attr", "arg", "id", "type_comment"}
)
"""Fields that hold text or operators, or annotations, in which no call is made."""
_SECRET_NAME = re.compile(
    r"(?:^|_)(?:token|secret|password|passwd|passphrase|nonce|salt|iv|otp|csrf|apikey|credential|session_?id"
    r"|(?:api|secret|private|encryption|session|aes|signing|hmac|crypto|master|access|fernet|cipher)_?key"
    r"|(?:reset|auth|verification|access|recovery)_?code)(?:$|_|\d)",
    re.IGNORECASE,
)
_HUMPS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_RULE_OF_ALGORITHM = {
    "MD2": BROKEN_HASH,
    "MD4": BROKEN_HASH,
    "MD5": BROKEN_HASH,
    "SHA-1": SHA1,
    "DES": BROKEN_CIPHER,
    "3DES": BROKEN_CIPHER,
    "RC2": BROKEN_CIPHER,
    "RC4": BROKEN_CIPHER,
    "Blowfish": BROKEN_CIPHER,
    "CAST5": BROKEN_CIPHER,
    "IDEA": BROKEN_CIPHER,
    "SEED": BROKEN_CIPHER,
    "ECB": ECB_MODE,
    "DSA": WITHDRAWN_SIGNATURE,
}


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Tell whether a name says that its value must not be guessed."""
    return _SECRET_NAME.search(_HUMPS.sub("_", name)) is not None


@dataclass(slots=True)
class Scan:
    """What the analysis of one file found."""

    limits: Limits
    hits: list[Hit] = field(default_factory=list)
    uses: list[Use] = field(default_factory=list)
    unauthenticated: list[Hit] = field(default_factory=list)
    has_mac: bool = False


@dataclass(slots=True)
class Site:
    """One place that a rule looks at, with all it may ask.

    ``name`` is the called function's dotted name, ``purpose`` the name of the secret that the value is meant for, or
    an empty string.
    """

    scan: Scan
    node: ast.expr | ast.stmt
    name: str
    scope: Scope
    purpose: str = ""

    @property
    def limits(self) -> Limits:
        """What is allowed."""
        return self.scan.limits

    def argument(self, position: int, *keywords: str) -> ast.expr | None:
        """Return an argument by its position (-1 for keyword only) or by one of its keywords."""
        call = self.node
        if not isinstance(call, ast.Call):
            return None
        for keyword in call.keywords:
            if keyword.arg in keywords:
                return keyword.value
        if 0 <= position < len(call.args):
            before = call.args[: position + 1]
            return None if any(isinstance(one, ast.Starred) for one in before) else call.args[position]
        return None

    def value(self, expression: ast.expr | None) -> object:
        """Return the constant value of an expression, ``UNKNOWN`` for any other; ``None`` where there is none."""
        return None if expression is None else constant(expression, self.scope)

    def number(self, expression: ast.expr | None) -> int | None:
        """Return a constant whole number, or ``None``."""
        value = self.value(expression)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def called(self, expression: ast.expr | None) -> str:
        """Return the dotted name of an expression, or an empty string."""
        return "" if expression is None else qualified(expression, self.scope)

    def report(  # noqa: PLR0913 - one argument per column of the finding
        self,
        rule: Rule,
        message: str,
        *,
        measured: str,
        limit: str = "none",
        node: ast.expr | ast.stmt | None = None,
        severity: Severity | None = None,
    ) -> None:
        """Add a fault."""
        self.scan.hits.append(
            Hit(
                rule=rule,
                severity=severity or rule.severity,
                node=node or self.node,
                message=message,
                measured=measured,
                limit=limit,
            )
        )

    def use(self, primitive: str, algorithm: str, *, severity: Severity | None = None) -> None:
        """Record the use of an algorithm, and report it where the profile does not allow it."""
        self.scan.uses.append(Use(primitive=primitive, algorithm=algorithm, line=self.node.lineno))
        if primitive == "mac":
            self.scan.has_mac = True
        limits = self.limits
        if algorithm in limits.forbidden:
            rule = _RULE_OF_ALGORITHM.get(algorithm, NOT_APPROVED)
            title = rule.title.replace("A ", "a ", 1) if rule.title.startswith("A ") else rule.title
            message = f"{algorithm} is used as a {primitive}: {title}"
            self.report(rule, message, measured=algorithm, limit="not allowed", severity=severity)
        elif limits.approved and algorithm and algorithm not in limits.approved:
            allowed = ", ".join(sorted(limits.approved))
            message = f"{algorithm} is used as a {primitive}, which the profile does not approve"
            self.report(NOT_APPROVED, message, measured=algorithm, limit=f"one of {allowed}")


CallRule = Callable[[Site], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleBook:
    """The rules by what they look at.

    ``calls`` are asked by exact dotted name, ``methods`` by the last part of a called name, ``assignments`` by the name
    of the attribute that is assigned, ``comparison`` at every ``==`` and ``!=``.
    """

    calls: Mapping[str, CallRule]
    methods: Mapping[str, CallRule]
    assignments: Mapping[str, Callable[[Site, ast.Attribute, ast.expr], None]]
    comparison: Callable[[Site, ast.Compare], None]


def parse(source: Source) -> ast.Module:
    """Return the syntax tree; a notebook may await at top level.

    Raises:
        UnparsedError: It is no Python that this interpreter reads, or nested too deeply.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            flags = ast.PyCF_ONLY_AST | (ast.PyCF_ALLOW_TOP_LEVEL_AWAIT if source.cell_starts else 0)
            tree = compile(source.text, "<source>", "exec", flags, dont_inherit=True)
    except SyntaxError as error:
        raise UnparsedError(f"has a syntax error in line {error.lineno}: {error.msg}") from error
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:
        raise UnparsedError("is nested too deeply or is otherwise no text that Python reads") from error
    if not isinstance(tree, ast.Module):
        raise UnparsedError("is no Python module")
    return tree


def scan_source(source: Source, limits: Limits, book: RuleBook) -> Scan:
    """Return what the rules find in one file, in order of place.

    Raises:
        UnparsedError: The file could not be parsed.
    """
    tree = parse(source)
    scan = Scan(limits=limits)
    if not _may_use_cryptography(source.text):
        return scan
    walk = _Walk()
    walk.run(tree)
    _ask(scan, walk, book)
    if not scan.has_mac:
        scan.hits.extend(scan.unauthenticated)
    scan.hits.sort(key=lambda hit: (hit.node.lineno, hit.node.col_offset, hit.rule.id, hit.message))
    return scan


def _ask(scan: Scan, walk: "_Walk", book: RuleBook) -> None:
    for call, scope, purpose in walk.calls:
        name = qualified(call.func, scope)
        rule = book.calls.get(name) if name else None
        if rule is None:
            last = call.func.attr if isinstance(call.func, ast.Attribute) else name.rpartition(".")[2]
            rule = book.methods.get(last)
        if rule is not None:
            rule(Site(scan, call, name, scope, purpose))
    for target, value, scope in walk.attributes:
        assignment = book.assignments.get(target.attr)
        if assignment is not None:
            assignment(Site(scan, target, "", scope), target, value)
    for compare, scope in walk.compares:
        book.comparison(Site(scan, compare, "", scope), compare)


def _may_use_cryptography(text: str) -> bool:
    """Tell whether a file may import what the rules know; any other file is only parsed."""
    if not _LIBRARIES.search(text):
        return False
    if "__import__" in text or "import_module" in text:
        return True
    lines = text.replace("\\\n", " ").split("\n")
    return any("import" in line and _LIBRARIES.search(line) for line in lines)


_FIELDS: dict[type, tuple[str, ...]] = {}


def _fields_of(kind: type[ast.AST]) -> tuple[str, ...]:
    """Return the fields of a node type that may hold further nodes."""
    fields = _FIELDS.get(kind)
    if fields is None:
        fields = _FIELDS[kind] = tuple(name for name in kind._fields if name not in _NO_CODE)
    return fields


Item = tuple[ast.AST, Scope, str]


class _Walk:
    """One pass over the tree, with a stack of its own, that fills the scopes and collects the places to look at."""

    def __init__(self) -> None:
        self.calls: list[tuple[ast.Call, Scope, str]] = []
        self.attributes: list[tuple[ast.Attribute, ast.expr, Scope]] = []
        self.compares: list[tuple[ast.Compare, Scope]] = []

    def run(self, tree: ast.Module) -> None:
        """Visit every node once."""
        stack: list[Item] = [(tree, Scope(), "")]
        visitors = self._visitors()
        while stack:
            item = stack.pop()
            node, scope, purpose = item
            visit = visitors.get(type(node))
            if visit is not None:
                scope, purpose = visit(node, scope, purpose)
            for name in _fields_of(type(node)):
                value = getattr(node, name, None)
                if type(value) is list:
                    stack.extend([(child, scope, purpose) for child in value if type(child) not in _LEAVES])
                elif type(value) not in _LEAVES and isinstance(value, ast.AST):
                    stack.append((value, scope, purpose))

    def _visitors(self) -> dict[type, Callable[..., tuple[Scope, str]]]:
        return {
            ast.Call: self._call,
            ast.Compare: self._compare,
            ast.Assign: self._assign,
            ast.AnnAssign: self._assign_one,
            ast.NamedExpr: self._assign_one,
            ast.AugAssign: self._opaque,
            ast.For: self._opaque,
            ast.AsyncFor: self._opaque,
            ast.comprehension: self._opaque,
            ast.withitem: self._with,
            ast.Import: self._import,
            ast.ImportFrom: self._import,
            ast.FunctionDef: self._function,
            ast.AsyncFunctionDef: self._function,
            ast.Lambda: self._function,
            ast.ClassDef: self._class,
            ast.Global: self._global,
            ast.keyword: self._keyword,
        }

    def _call(self, node: ast.Call, scope: Scope, purpose: str) -> tuple[Scope, str]:
        self.calls.append((node, scope, purpose))
        return scope, purpose

    def _compare(self, node: ast.Compare, scope: Scope, purpose: str) -> tuple[Scope, str]:
        if isinstance(node.ops[0], ast.Eq | ast.NotEq):
            self.compares.append((node, scope))
        return scope, purpose

    def _assign(self, node: ast.Assign, scope: Scope, purpose: str) -> tuple[Scope, str]:
        for target in node.targets:
            purpose = self._assigned(target, node.value, scope, purpose)
        return scope, purpose

    def _assign_one(self, node: ast.AnnAssign | ast.NamedExpr, scope: Scope, purpose: str) -> tuple[Scope, str]:
        if node.value is not None:
            purpose = self._assigned(node.target, node.value, scope, purpose)
        return scope, purpose

    def _assigned(self, target: ast.expr, value: ast.expr, scope: Scope, purpose: str) -> str:
        bind_target(scope, target, value)
        name = ""
        if isinstance(target, ast.Attribute):
            self.attributes.append((target, value, scope))
            name = target.attr
        elif isinstance(target, ast.Name):
            name = target.id
        return name if is_secret_name(name) else purpose

    def _opaque(
        self, node: ast.AugAssign | ast.For | ast.comprehension, scope: Scope, purpose: str
    ) -> tuple[Scope, str]:
        bind_target(scope, node.target, None)
        return scope, purpose

    def _with(self, node: ast.withitem, scope: Scope, purpose: str) -> tuple[Scope, str]:
        if node.optional_vars is not None:
            bind_target(scope, node.optional_vars, node.context_expr)
        return scope, purpose

    def _import(self, node: ast.Import | ast.ImportFrom, scope: Scope, purpose: str) -> tuple[Scope, str]:
        bind_import(scope, node)
        return scope, purpose

    def _function(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, scope: Scope, purpose: str
    ) -> tuple[Scope, str]:
        inner = Scope(parent=scope)
        if not isinstance(node, ast.Lambda):
            scope.bind(node.name, node.lineno, None)
            purpose = node.name if is_secret_name(node.name) else ""
        arguments = node.args
        for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg):
            if one is not None:
                inner.bind(one.arg, one.lineno, None)
        return inner, purpose

    def _class(self, node: ast.ClassDef, scope: Scope, purpose: str) -> tuple[Scope, str]:  # noqa: ARG002 - as all visitors
        scope.bind(node.name, node.lineno, None)
        return Scope(parent=scope, is_class=True), ""

    def _global(self, node: ast.Global, scope: Scope, purpose: str) -> tuple[Scope, str]:
        for name in node.names:
            scope.outer_names[name] = scope.module()
        return scope, purpose

    def _keyword(self, node: ast.keyword, scope: Scope, purpose: str) -> tuple[Scope, str]:
        return scope, node.arg if node.arg and is_secret_name(node.arg) else purpose
