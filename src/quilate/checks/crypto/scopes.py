"""Scopes of one file and what their names are bound to, collected in the walk and read afterwards."""

import ast
from dataclasses import dataclass, field

Bound = str | ast.expr | None
"""An imported dotted name, an assigned expression, or ``None`` for what cannot be known."""


@dataclass(slots=True, eq=False)
class Scope:
    """A module, class or function. ``bindings`` keeps every binding of a name with its line."""

    parent: "Scope | None" = None
    is_class: bool = False
    bindings: dict[str, list[tuple[int, Bound]]] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)
    outer_names: dict[str, "Scope"] = field(default_factory=dict)

    def bind(self, name: str, line: int, value: Bound) -> None:
        """Add a binding of ``name``; a name declared ``global`` is bound in the module."""
        self.outer_names.get(name, self).bindings.setdefault(name, []).append((line, value))

    def module(self) -> "Scope":
        """Return the outermost scope."""
        scope = self
        while scope.parent is not None:
            scope = scope.parent
        return scope

    def enclosing_class(self) -> "Scope | None":
        """Return the nearest class around this scope, or ``None``."""
        scope: Scope | None = self
        while scope is not None and not scope.is_class:
            scope = scope.parent
        return scope

    def find(self, name: str) -> "Scope | None":
        """Return the scope in which ``name`` is bound as seen from here; a class hides its names from its functions."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.bindings and (not scope.is_class or scope is self):
                return scope
            scope = scope.parent
        return None

    def value(self, name: str, line: int, *, local: bool) -> Bound:
        """Return what ``name``, bound here, stands for at ``line``.

        Among several bindings, within one scope the last before the line counts, from outside an import, else nothing
        is known.
        """
        bindings = self.bindings[name]
        if len(bindings) == 1:
            return bindings[0][1]
        if local:
            before = [binding for binding in bindings if binding[0] <= line]
            return max(before or bindings, key=lambda binding: binding[0])[1]
        imports = [value for _, value in bindings if isinstance(value, str)]
        return imports[-1] if len(imports) == len(bindings) else None


def bind_target(scope: Scope, target: ast.expr, value: Bound) -> None:
    """Bind the names of an assignment's target; unpacking binds pair by pair where both sides are written out."""
    if isinstance(target, ast.Name):
        scope.bind(target.id, target.lineno, value)
    elif isinstance(target, ast.Attribute):
        owner = scope.enclosing_class()
        if owner is not None and isinstance(target.value, ast.Name) and target.value.id in {"self", "cls"}:
            owner.bind(target.attr, target.lineno, value)
    elif isinstance(target, ast.Starred):
        bind_target(scope, target.value, None)
    elif isinstance(target, ast.Tuple | ast.List):
        pairs: list[Bound] = [None] * len(target.elts)
        if isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(target.elts):
            pairs = list(value.elts)
        for element, part in zip(target.elts, pairs, strict=True):
            bind_target(scope, element, part)


def bind_import(scope: Scope, node: ast.Import | ast.ImportFrom) -> None:
    """Bind the names of an import; relative imports begin with a dot and so never look like a library."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            if alias.asname:
                scope.bind(alias.asname, node.lineno, alias.name)
            else:
                top = alias.name.partition(".")[0]
                scope.bind(top, node.lineno, top)
        return
    module = "." * node.level + (node.module or "")
    for alias in node.names:
        if alias.name == "*":
            scope.stars.append(module)
        else:
            scope.bind(alias.asname or alias.name, node.lineno, f"{module}.{alias.name}")
