"""Read a data contract: strict keys, exact places, nothing silently ignored."""

from decimal import Decimal, InvalidOperation

from quilate.checks.data.contracts.located_yaml import Mapping, Scalar, contract_error, load_located
from quilate.checks.data.contracts.model import Contract, NotEvaluated, Property, RangeLimit
from quilate.checks.data.contracts.quality import read_quality
from quilate.checks.data.contracts.vocabulary import (
    CONTRACT_KEYS,
    DESCRIPTIVE_FORMATS,
    INTEGER_BITS,
    OBJECT_KEYS,
    PROPERTY_KEYS,
    SENSITIVE_CLASSIFICATIONS,
    SENSITIVE_TAGS,
    TYPE_OPTIONS,
)
from quilate.checks.tables.values import (
    STRING_FORMATS,
    LogicalType,
    chrono_format,
    instant_of,
    pattern_fault,
)
from quilate.domain.nearest import nearest_hint

_KEPT_OPTIONS = ("minLength", "maxLength", "pattern", "format", "timezone")
_RANGE_OPTIONS = {
    "minimum": (True, False),
    "maximum": (False, False),
    "exclusiveMinimum": (True, True),
    "exclusiveMaximum": (False, True),
}


def read_contract(path: str, content: bytes, object_name: str) -> Contract:
    """Return one object of the contract.

    Args:
        path: The name to use in messages.
        content: The YAML.
        object_name: Which object of ``schema``; may be empty where there is only one.

    Raises:
        EvidenceError: The contract is wrong; names line, column and the nearest valid key.
    """
    document = load_located(path, content)
    document.only(CONTRACT_KEYS, "a contract")
    for key in ("apiVersion", "kind", "id", "version", "schema"):
        if key not in document.entries:
            raise contract_error(f"the contract lacks {key!r}", document.position)
    if document.text("kind") != "DataContract":
        raise contract_error("kind must be DataContract", document.at("kind"))
    if not document.text("apiVersion").startswith("v3."):
        raise contract_error("apiVersion must be v3.x, for example v3.1.0", document.at("apiVersion"))
    return _read_object(document, _chosen(document, object_name))


def _chosen(document: Mapping, object_name: str) -> Mapping:
    objects = document.mappings("schema")
    names = [item.text("name") for item in objects]
    if not objects:
        raise contract_error("schema has no object", document.at("schema"))
    if not object_name and len(objects) == 1:
        return objects[0]
    if object_name in names:
        return objects[names.index(object_name)]
    if not object_name:
        raise contract_error(f"bind `object` to one of {', '.join(names)}", document.at("schema"))
    raise contract_error(
        f"schema has no object {object_name!r}{nearest_hint(object_name, names)}", document.at("schema")
    )


def _read_object(document: Mapping, item: Mapping) -> Contract:
    item.only(OBJECT_KEYS, "an object")
    name = _required_name(item, "an object")
    open_demands: list[NotEvaluated] = []
    properties = tuple(_read_property(entry, open_demands) for entry in item.mappings("properties"))
    columns = [member.column for member in properties]
    for member in properties:
        if columns.count(member.column) > 1:
            raise contract_error(f"the property {member.name!r} is described more than once", member.position)
    quality = read_quality(item, name, open_demands, of_object=True)
    names = [member.name for member in properties]
    for rule in quality.rules:
        for unknown in (used for used in rule.properties if used not in names):
            raise contract_error(f"no property {unknown!r}{nearest_hint(unknown, names)}", rule.position)
    return Contract(
        id=document.text("id"),
        version=document.text("version"),
        object_name=name,
        properties=properties,
        quality=quality.rules,
        additional_columns_refused=quality.additional_columns_refused,
        not_evaluated=tuple(open_demands),
    )


def _required_name(item: Mapping, owner: str) -> str:
    name = item.text("name")
    if not name:
        raise contract_error(f"{owner} lacks its name", item.position)
    return name


def _read_property(item: Mapping, open_demands: list[NotEvaluated]) -> Property:
    item.only(PROPERTY_KEYS, "a property")
    name = _required_name(item, "a property")
    written_type = item.text("logicalType")
    if written_type and written_type not in TYPE_OPTIONS:
        hint = nearest_hint(written_type, TYPE_OPTIONS)
        raise contract_error(f"unknown logicalType {written_type!r}{hint}", item.at("logicalType"))
    logical_type = LogicalType(written_type) if written_type in set(LogicalType) else None
    if written_type and logical_type is None:
        reason = f"values of logicalType {written_type} are not judged"
        open_demands.append(NotEvaluated(subject=name, reason=reason, position=item.at("logicalType")))
    quality = read_quality(item, name, open_demands, of_object=False)
    options = _Options(item, name, written_type, logical_type, open_demands)
    return Property(
        name=name,
        column=item.text("physicalName", name),
        position=item.position,
        logical_type=logical_type,
        required=item.flag("required"),
        unique=item.flag("unique"),
        key_position=_key_position(item),
        limits=options.limits(),
        pattern=options.pattern(),
        min_length=options.length("minLength"),
        max_length=options.length("maxLength"),
        string_format=options.string_format(),
        date_format=options.date_format,
        written_format=options.mapping.text("format"),
        enum=_enum(item),
        max_missing_ratio=quality.max_missing_ratio,
        sensitive=_is_sensitive(item),
        quality=quality.rules,
    )


def _key_position(item: Mapping) -> int | None:
    if not item.flag("primaryKey"):
        return None
    written = item.text("primaryKeyPosition", "1")
    if not written.lstrip("-").isdecimal():
        raise contract_error("primaryKeyPosition must be an integer", item.at("primaryKeyPosition"))
    return int(written)


def _enum(item: Mapping) -> tuple[str, ...] | None:
    if "enum" not in item.entries:
        return None
    values = []
    for entry in item.mappings("enum"):
        if "value" not in entry.entries:
            raise contract_error("an item of enum lacks its value", entry.position)
        values.append(entry.text("value"))
    return tuple(values)


def _is_sensitive(item: Mapping) -> bool:
    tags = {node.text.casefold() for node in item.sequence("tags") if isinstance(node, Scalar)}
    return item.text("classification").casefold() in SENSITIVE_CLASSIFICATIONS or not tags.isdisjoint(SENSITIVE_TAGS)


class _Options:
    """The ``logicalTypeOptions`` of one property."""

    def __init__(
        self,
        item: Mapping,
        name: str,
        written_type: str,
        logical_type: LogicalType | None,
        open_demands: list[NotEvaluated],
    ) -> None:
        empty = Mapping(entries={}, keys={}, position=item.position)
        self.mapping = item.mapping("logicalTypeOptions") or empty
        self._name = name
        self._type = logical_type
        self._open = open_demands
        if written_type:
            self.mapping.only(TYPE_OPTIONS[written_type], f"logicalTypeOptions of {written_type}")
        elif self.mapping.keys:
            raise contract_error("logicalTypeOptions need a logicalType", self.mapping.position)
        for key in self.mapping.keys:
            if logical_type is not None and key not in (*_KEPT_OPTIONS, *_RANGE_OPTIONS):
                self._leave_open(key, f"{key} is not judged")
        self.date_format = self._date_format()

    def _leave_open(self, key: str, reason: str) -> None:
        self._open.append(NotEvaluated(subject=self._name, reason=reason, position=self.mapping.at(key)))

    def _date_format(self) -> str:
        written = self.mapping.text("format")
        if not written or self._type not in {LogicalType.DATE, LogicalType.TIMESTAMP}:
            return ""
        translated = chrono_format(written)
        if translated is None:
            raise contract_error(
                f"format {written!r} has letters other than yyyy yy MM dd HH mm ss SSS T", self.mapping.at("format")
            )
        return translated

    def string_format(self) -> str:
        """Return the string format where it is judged."""
        written = self.mapping.text("format")
        if self._type is not LogicalType.STRING or not written or written in DESCRIPTIVE_FORMATS:
            return ""
        if written not in STRING_FORMATS:
            self._leave_open("format", f"the string format {written!r} is not judged")
            return ""
        return written

    def pattern(self) -> str:
        """Return the pattern after a trial."""
        written = self.mapping.text("pattern")
        if written and (fault := pattern_fault(written)):
            raise contract_error(f"pattern {written!r} cannot be used: {fault}", self.mapping.at("pattern"))
        return written

    def length(self, key: str) -> int | None:
        """Return a length in code points."""
        written = self.mapping.text(key)
        if not written:
            return None
        if not (written.isascii() and written.isdecimal()):
            raise contract_error(f"{key} must be an integer from zero", self.mapping.at(key))
        return int(written)

    def limits(self) -> tuple[RangeLimit, ...]:
        """Return the bounds of the range, those of an integer's format among them."""
        if self._type is None:
            return ()
        written = tuple(self._limit(key) for key in self.mapping.keys if key in _RANGE_OPTIONS)
        if self._type is not LogicalType.INTEGER or not (name := self.mapping.text("format")):
            return written
        if name not in INTEGER_BITS:
            raise contract_error(
                f"unknown format {name!r}{nearest_hint(name, INTEGER_BITS)}", self.mapping.at("format")
            )
        signed, bits = INTEGER_BITS[name]
        lowest, highest = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
        return (
            *written,
            RangeLimit(text=str(lowest), number=Decimal(lowest), below=True, exclusive=False),
            RangeLimit(text=str(highest), number=Decimal(highest), below=False, exclusive=False),
        )

    def _limit(self, key: str) -> RangeLimit:
        written = self.mapping.text(key)
        below, exclusive = _RANGE_OPTIONS[key]
        if self._type in {LogicalType.DATE, LogicalType.TIMESTAMP}:
            moment = instant_of(written, self._type, self.date_format)
            if moment is None:
                raise contract_error(f"{key} {written!r} is no {self._type}", self.mapping.at(key))
            return RangeLimit(text=written, number=Decimal(moment), below=below, exclusive=exclusive)
        try:
            number = Decimal(written)
        except InvalidOperation:
            number = Decimal("NaN")
        if not number.is_finite():
            raise contract_error(f"{key} must be a number, not {written!r}", self.mapping.at(key))
        return RangeLimit(text=written, number=number, below=below, exclusive=exclusive)
