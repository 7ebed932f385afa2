"""What a version has to be before it is stored: its shape, its schemas, its source."""

import asyncio
from dataclasses import dataclass

from quilate.domain.errors import ConfigurationError
from quilate.scripts.model import Mode, Shape
from quilate.scripts.payloads.marks import Marks
from quilate.scripts.versions.errors import ScriptRejectedError, invalid
from quilate.scripts.versions.model import PushWish, Remark, Validator, ViolationLike
from quilate.scripts.versions.schema_documents import SchemaDocument, read_schema
from quilate.scripts.versions.semver import Semver

MOST_REMARKS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedWish:
    """A version that may be stored."""

    wish: PushWish
    semver: Semver | None = None
    input_schema: SchemaDocument | None = None
    output_schema: SchemaDocument | None = None
    remarks: tuple[Remark, ...] = ()

    @property
    def schemas(self) -> tuple[bytes | None, bytes | None]:
        """Canonical JSON of both schemas."""
        return _canonical(self.input_schema), _canonical(self.output_schema)


def _canonical(document: SchemaDocument | None) -> bytes | None:
    return None if document is None else document.canonical


async def checked(wish: PushWish, validator: Validator) -> CheckedWish:
    """Return a wish once all of it was looked at.

    Raises:
        Problem: 422, something of it cannot be taken.
    """
    _require_shape(wish.shape)
    size = len(wish.source.encode())
    if size > wish.limits.source_bytes:
        raise invalid(
            f"the source is {size} bytes long, and {wish.limits.source_bytes} are its limit",
            "write less, or ask for more as limits.source_bytes",
            "#/source",
        )
    try:
        semver = None if wish.semver is None else Semver.parse(wish.semver)
        schemas = await asyncio.to_thread(_schemas, wish)
    except ConfigurationError as error:
        raise invalid(error.message, error.next_step) from error
    remarks = await validated(wish, validator)
    return CheckedWish(wish=wish, semver=semver, input_schema=schemas[0], output_schema=schemas[1], remarks=remarks)


async def validated(wish: PushWish, validator: Validator) -> tuple[Remark, ...]:
    """Return what the static validation says that is no error.

    Raises:
        ScriptRejectedError: There are errors.
    """
    violations = await validator(wish.source, wish.limits)
    errors = [each for each in violations if each.severity == "error"]
    if errors:
        raise ScriptRejectedError(errors)
    return tuple(map(_remark, violations[:MOST_REMARKS]))


def _remark(violation: ViolationLike) -> Remark:
    return Remark(
        rule=violation.rule,
        severity=str(violation.severity),
        line=violation.line,
        column=violation.column,
        message=violation.message,
        fix=violation.fix,
    )


def _schemas(wish: PushWish) -> tuple[SchemaDocument | None, SchemaDocument | None]:
    given = {"input_schema": wish.input_schema, "output_schema": wish.output_schema}
    first, second = (None if value is None else read_schema(value, name) for name, value in given.items())
    for document in (first, second):
        if document is not None:
            # What is marked wrongly would otherwise be found out by the first execution.
            Marks(document.value)
    return first, second


def _require_shape(shape: Shape) -> None:
    if shape.mode is Mode.GROUP and not shape.key:
        raise invalid("the mode group needs a key", "name the fields that make a group as shape.key", "#/shape/key")
    if shape.mode is not Mode.GROUP and shape.key:
        raise invalid("only the mode group has a key", "leave shape.key out", "#/shape/key")
    if len(set(shape.key)) < len(shape.key):
        raise invalid("the key names a field twice", "name each field once", "#/shape/key")
    if shape.mode is Mode.WHOLE and shape.combine:
        raise invalid(
            "the mode whole has one result and nothing to combine",
            "leave shape.combine out, or choose chunk or group",
            "#/shape/combine",
        )
