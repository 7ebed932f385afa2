"""One blueprint laid over another (``extends``), still as YAML with places.

Stages merge by name, checks by id, policies by name; within each, the child's keys stand. What the child adds comes
behind what the parent has.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from quilate.blueprints.reading import Reader, present
from quilate.blueprints.yaml_positions import Listing, LocatedText, Node, Scalar, Table, shown
from quilate.domain.errors import SourcePosition

BLUEPRINT_KEYS = (
    "id",
    "version",
    "description",
    "project_types",
    "extends",
    "stages",
    "policies",
    "concurrency",
    "waivers",
)
STAGE_KEYS = ("name", "description", "checks", "needs", "when", "policy", "effects")
CHECK_KEYS = (
    "id",
    "type",
    "required",
    "needs",
    "when",
    "timeout",
    "retries",
    "params",
    "severity",
    "enforce_from",
    "fresh_for",
    "effects",
)
POLICY_KEYS = ("rule", "engine", "binds_on", "file")

RegoReader = Callable[[str, SourcePosition], str]
"""A Rego file's name, as the blueprint writes it and where, to its text."""


def normalised_layer(top: Table, reader: Reader, read_rego: RegoReader) -> Table:
    """Return one blueprint file with parameters under ``params`` and Rego files read in; faults are reported."""
    entries = dict(top.entries)
    entries["stages"] = _listed(top, "stages", lambda node: _stage(node, reader, read_rego), reader)
    policies = reader.table(top, "policies")
    if policies is not None:
        read = {name: _policy(node, reader, read_rego) for name, node in policies.entries.items()}
        entries["policies"] = replace(policies, entries=read)
    return replace(top, entries=entries)


def _listed(table: Table, key: str, convert: Callable[[Node], Node], reader: Reader) -> Listing:
    items = tuple(convert(item) for item in reader.items(table, key))
    return Listing(items=items, position=table.keys.get(key, table.position))


def _stage(node: Node, reader: Reader, read_rego: RegoReader) -> Node:
    stage = reader.as_table(node, "each item of stages")
    if stage is None:
        return node
    entries = dict(stage.entries)
    entries["checks"] = _listed(stage, "checks", lambda item: _check(item, reader), reader)
    policy = present(stage, "policy")
    if policy is not None:
        entries["policy"] = _policy(policy, reader, read_rego)
    return replace(stage, entries=entries)


def _check(node: Node, reader: Reader) -> Node:
    """Move the parameters that stand beside the format's keys to those under ``params``."""
    check = reader.as_table(node, "each item of checks")
    if check is None:
        return node
    nested = reader.table(check, "params")
    parameters: dict[str, Node] = dict(nested.entries) if nested else {}
    places: dict[str, SourcePosition] = dict(nested.keys) if nested else {}
    for key, value in check.entries.items():
        if key in CHECK_KEYS:
            continue
        if key in parameters:
            first = places[key]
            reader.report(
                f"the parameter {shown(key)!r} is given twice, here and in line {first.line}", check.keys[key]
            )
            continue
        parameters[key] = value
        places[key] = check.keys[key]
    entries = {key: value for key, value in check.entries.items() if key in CHECK_KEYS}
    keys = {key: position for key, position in check.keys.items() if key in CHECK_KEYS}
    entries["params"] = Table(entries=parameters, keys=places, position=check.position)
    return replace(check, entries=entries, keys=keys)


def _policy(node: Node, reader: Reader, read_rego: RegoReader) -> Node:
    """Write a policy that is a bare rule as a mapping, and read the file of a Rego policy in."""
    if not isinstance(node, Table):
        return Table(entries={"rule": node}, keys={"rule": node.position}, position=node.position)
    reader.known_keys(node, POLICY_KEYS, "a policy")
    file = reader.located_text(node, "file")
    if file is None:
        return node
    position = node.entries["file"].position
    if present(node, "rule") is not None:
        reader.report("a policy has either a rule or a file, not both", position)
        return node
    module = read_rego(file.text, position)
    located = LocatedText(text=module, segments=((0, position),))
    rule = Scalar(value=module, position=position, located=located)
    entries = {key: value for key, value in node.entries.items() if key != "file"}
    entries.setdefault("engine", Scalar(value="rego", position=position, located=located))
    keys = {**node.keys, "rule": position}
    return replace(node, entries={**entries, "rule": rule}, keys=keys)


def merged_layers(parent: Table, child: Table) -> Table:
    """Return ``child`` laid over ``parent``."""
    entries = {**parent.entries, **child.entries}
    keys = {**parent.keys, **child.keys}
    entries["stages"] = _merged_lists(parent.entries["stages"], child.entries["stages"], "name", _merged_stages)
    for name in ("policies", "concurrency", "waivers"):
        above, below = present(parent, name), present(child, name)
        if isinstance(above, Table) and isinstance(below, Table):
            entries[name] = _merged_policies(above, below) if name == "policies" else _merged_tables(above, below)
    entries.pop("extends", None)
    return replace(child, entries=entries, keys=keys)


def _merged_tables(parent: Table, child: Table) -> Table:
    entries: Mapping[str, Node] = {**parent.entries, **child.entries}
    return replace(child, entries=entries, keys={**parent.keys, **child.keys})


def _merged_policies(parent: Table, child: Table) -> Table:
    entries = {**parent.entries, **child.entries}
    for name, below in child.entries.items():
        above = parent.entries.get(name)
        if isinstance(above, Table) and isinstance(below, Table):
            entries[name] = _merged_tables(above, below)
    return replace(child, entries=entries, keys={**parent.keys, **child.keys})


def _merged_stages(parent: Table, child: Table) -> Table:
    merged = _merged_tables(parent, child)
    checks = _merged_lists(parent.entries["checks"], child.entries["checks"], "id", _merged_checks)
    return replace(merged, entries={**merged.entries, "checks": checks})


def _merged_checks(parent: Table, child: Table) -> Table:
    """Return the child's check over the parent's; parameters of another type are not taken over."""
    merged = _merged_tables(parent, child)
    above, below = parent.entries["params"], child.entries["params"]
    own_type, its_type = _word(child, "type"), _word(parent, "type")
    if isinstance(above, Table) and isinstance(below, Table) and own_type in {"", its_type}:
        below = _merged_tables(above, below)
    return replace(merged, entries={**merged.entries, "params": below})


def _merged_lists(parent: Node, child: Node, key: str, merge: Callable[[Table, Table], Table]) -> Listing:
    above = parent.items if isinstance(parent, Listing) else ()
    below = child.items if isinstance(child, Listing) else ()
    inherited = {_word(item, key): index for index, item in enumerate(above) if isinstance(item, Table)}
    merged = list(above)
    replaced: set[int] = set()
    for item in below:
        index = inherited.get(_word(item, key)) if isinstance(item, Table) and _word(item, key) else None
        over = merged[index] if index is not None and index not in replaced else None
        if index is None or not isinstance(over, Table) or not isinstance(item, Table):
            merged.append(item)
        else:
            merged[index] = merge(over, item)
            replaced.add(index)
    return Listing(items=tuple(merged), position=child.position)


def _word(node: Node, key: str) -> str:
    value = node.entries.get(key) if isinstance(node, Table) else None
    return value.located.text if isinstance(value, Scalar) else ""
