"""What a submission says beside its data, read by hand: the hottest route has no time for a general reader."""

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

import msgspec

from quilate.datasets.model import NAME, NAME_PATTERN
from quilate.domain.nearest import nearest_hint
from quilate.kit.web.idempotency import LONGEST_KEY
from quilate.kit.web.problems import Problem
from quilate.scripts.batch.model import WRITABLE
from quilate.scripts.executions.model import LEAST_PRIORITY, MOST_PRIORITY, Options
from quilate.scripts.executions.service import MOST_WAIT_SECONDS
from quilate.scripts.exports.model import OutputTarget
from quilate.scripts.model import FileFormat
from quilate.scripts.versions.schema_words import escaped

MOST_ATTEMPTS = 10
_NO_NUL = "^[^\\x00]*$"
LONGEST_VERSION = 100


class Asked(msgspec.Struct, frozen=True):
    """The parameters of a submission."""

    wait: Annotated[float, msgspec.Meta(ge=0, le=MOST_WAIT_SECONDS)] = 0.0
    priority: Annotated[int, msgspec.Meta(ge=LEAST_PRIORITY, le=MOST_PRIORITY)] = 0
    attempts: Annotated[int, msgspec.Meta(ge=1, le=MOST_ATTEMPTS)] = 3
    output_format: FileFormat | None = None
    output_dataset: Annotated[str, msgspec.Meta(max_length=128)] = ""
    output_gate: bool = False
    output_blueprint: Annotated[str, msgspec.Meta(max_length=200, pattern=_NO_NUL)] = ""
    output_url: Annotated[str, msgspec.Meta(max_length=2048, pattern=_NO_NUL)] = ""

    @property
    def options(self) -> Options:
        """As the service takes them."""
        return Options(
            priority=self.priority, attempts=self.attempts, output_format=self.output_format, target=self.target
        )

    @property
    def target(self) -> OutputTarget | None:
        """Where the output is to go besides.

        Raises:
            Problem: 422, what is said of it does not go together.
        """
        if self.output_gate and not self.output_dataset:
            raise malformed("output_gate", "query", "a gate judges a dataset: name it as output_dataset")
        if self.output_blueprint and not self.output_gate:
            raise malformed("output_blueprint", "query", "only a gate has a blueprint: send output_gate=true")
        if not self.output_dataset and not self.output_url:
            return None
        if self.output_dataset and not NAME.match(self.output_dataset):
            raise malformed("output_dataset", "query", "that is no name of a dataset")
        return OutputTarget(
            dataset=self.output_dataset, gate=self.output_gate, blueprint=self.output_blueprint, url=self.output_url
        )


_NOTHING = Asked()
_KNOWN = Asked.__struct_fields__
_LONGEST_NAME = 100
_FORMATS = [each.value for each in FileFormat if each in WRITABLE]
_FORMATS_TAKEN = f"expected one of {', '.join(_FORMATS)}"


def read_asked(query: Mapping[str, str]) -> Asked:
    """Return the parameters of a query.

    Raises:
        Problem: 422, one is not as it is documented, or there is none of that name: an output that was to go somewhere
            would be lost in silence.
    """
    if not query:
        return _NOTHING
    unknown = next((name for name in query if name not in _KNOWN), None)
    if unknown is not None:
        detail = f"there is no such parameter{nearest_hint(unknown[:_LONGEST_NAME], _KNOWN)}"
        raise malformed(_as_pointer(unknown), "query", detail)
    try:
        asked = msgspec.convert(dict(query), Asked, strict=False)
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at `$")
        name = place.strip(".`")
        # The value itself is not repeated.
        raise malformed(name, "query", _FORMATS_TAKEN if name == "output_format" else message) from error
    if asked.output_format is not None and asked.output_format not in WRITABLE:
        raise malformed("output_format", "query", _FORMATS_TAKEN)
    return asked


def _as_pointer(name: str) -> str:
    """Return the name of a parameter as a part of a JSON pointer, cut where it is too long for a message."""
    return escaped(name[:_LONGEST_NAME]).encode("utf-8", "replace").decode()


def read_script(text: str) -> UUID:
    """Return the id of a path.

    Raises:
        Problem: 422, it is none.
    """
    try:
        return UUID(text)
    except ValueError as error:
        raise malformed("script", "path", "expected a UUID") from error


def read_version(text: str) -> str:
    """Return the name of a version in a path.

    Raises:
        Problem: 422, it can be none.
    """
    if not 0 < len(text) <= LONGEST_VERSION or "\0" in text:
        raise malformed("version", "path", f"expected 1 to {LONGEST_VERSION} characters without NUL")
    return text


def malformed(name: str, part: str, detail: str) -> Problem:
    """Return the answer to a parameter that is not as it is documented."""
    return Problem(
        status=422,
        type="invalid-request",
        detail="the request does not have the form that is documented",
        next_step="correct what errors names",
        extensions={"errors": [{"pointer": f"#/{name}", "in": part, "detail": detail}]},
    )


def described_parameters(*, version: bool) -> list[dict[str, Any]]:
    """Return the parameters for the API's description; ``version`` where the path has one."""
    uuid = {"type": "string", "format": "uuid", "title": "Script"}
    path = [_parameter("script", "path", "The script's id.", uuid)]
    if version:
        name = {"type": "string", "minLength": 1, "maxLength": LONGEST_VERSION, "title": "Version"}
        path.append(_parameter("version", "path", "Its id, its semantic version or its number.", name))
    wait = {"type": "number", "minimum": 0, "maximum": MOST_WAIT_SECONDS, "default": 0}
    priority = {"type": "integer", "minimum": LEAST_PRIORITY, "maximum": MOST_PRIORITY, "default": 0}
    attempts = {"type": "integer", "minimum": 1, "maximum": MOST_ATTEMPTS, "default": 3}
    formats = {"type": "string", "enum": _FORMATS}
    key = {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY}
    return [
        *path,
        _parameter(
            "wait",
            "query",
            "Seconds to wait for the end: 200 with the result if it comes within them, else 202.",
            wait,
        ),
        _parameter("priority", "query", "Higher ones first within the project.", priority),
        _parameter("attempts", "query", "How often it is begun where a sandbox or a worker dies.", attempts),
        _parameter("output_format", "query", "How the output is to be written.", formats),
        *_described_target(),
        _parameter(
            "Idempotency-Key",
            "header",
            "Any name for this request; sent again with it, the request is not carried out twice.",
            key,
        ),
    ]


def _described_target() -> list[dict[str, Any]]:
    text = {"type": "string"}
    return [
        _parameter(
            "output_dataset",
            "query",
            "A dataset of the project: the output becomes a version of it once the execution has completed.",
            text | {"maxLength": 128, "pattern": NAME_PATTERN},
        ),
        _parameter("output_gate", "query", "Submit a run that judges this version.", {"type": "boolean"}),
        _parameter(
            "output_blueprint",
            "query",
            "By which that run judges, `name` or `name@version`; the project's own without it.",
            text | {"maxLength": 200},
        ),
        _parameter(
            "output_url",
            "query",
            "`s3`, `gs` or `az` address below which the output is written as well, where the installation allows it.",
            text | {"maxLength": 2048},
        ),
    ]


def _parameter(name: str, place: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "in": place,
        "required": place == "path",
        "description": description,
        "schema": schema,
    }
