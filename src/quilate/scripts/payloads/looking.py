"""Looks at a payload's records by a schema and rewrites them; pure reading of a stream, for use in a thread.

A first look finds violations and subjects and tells whether anything has to be rewritten; where it has, a second one
gives the rewritten content. Only a JSON document is held in memory as a whole.
"""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import IO, Any

import msgspec

from quilate.scripts.model import FileFormat
from quilate.scripts.payloads.columns import Batch, ColumnRewriting, batches_of, records_of, written
from quilate.scripts.payloads.errors import MOST_VIOLATIONS, too_large
from quilate.scripts.payloads.input_schema import InputSchema
from quilate.scripts.payloads.json_guard import (
    BrokenJsonError,
    LineTooLongError,
    decode,
    decode_document,
    lines_of,
    long_integers,
    long_violation,
    may_hold_long_integers,
)
from quilate.scripts.payloads.model import PayloadLimits, Violation
from quilate.scripts.payloads.sensitive import Rewriting
from quilate.scripts.payloads.tokens import Tokeniser
from quilate.scripts.versions.schema_words import escaped

_LINES = 1000
MOST_SUBJECTS = 1_000_000


@dataclass(slots=True, kw_only=True)
class Look:
    """What was seen.

    Attributes:
        schema: By which it is looked at.
        tokeniser: Of the project.
        limits: On documents, lines and nesting.
        nulls_are_missing: A null of a column may be a property that the record has not, as in what a script has given.
        violations: What breaks the schema; one more than are told means that there are more.
        subjects: Whom records are about.
        records: How many were looked at.
        rewritten: The content that the script gets is another than the one that was sent.
    """

    schema: InputSchema
    tokeniser: Tokeniser
    limits: PayloadLimits
    nulls_are_missing: bool = False
    violations: list[Violation] = field(default_factory=list)
    subjects: set[bytes] = field(default_factory=set)
    records: int = 0
    rewritten: bool = False

    @property
    def full(self) -> bool:
        """Whether more violations were found than are told."""
        return len(self.violations) > MOST_VIOLATIONS

    def first(self, stream: IO[bytes], format_: FileFormat, size: int) -> bytes | None:
        """Look at a content; return the rewritten one where it is a document, ``None`` else.

        Raises:
            Problem: 413, it cannot be checked piece by piece and is too long to be checked as a whole; 422, it cannot
                be read.
        """
        if format_ is FileFormat.JSON:
            return self._document(stream, size)
        if not self.schema.by_record:
            return self._whole(stream, format_, size)
        if format_ is FileFormat.NDJSON:
            for _ in self._lines(stream, write=False):
                pass
        else:
            for batch in self._batches(stream, format_):
                self._records(batch)
                if self.full:
                    break
        if not self.violations:
            self.violations += self.schema.length_violations(self.records)
        return None

    def second(self, stream: IO[bytes], format_: FileFormat) -> Iterator[bytes]:
        """Give the rewritten content of lines or columns that a first look has let in."""
        if format_ is FileFormat.NDJSON:
            return self._lines(stream, write=True)
        rewriting = ColumnRewriting(self.schema.marks, self.schema.record_place)
        read = self._batches(stream, format_)
        return written((rewriting.with_tokens(batch, self.tokeniser) for batch in read), format_)

    # JSON -----------------------------------------------------------------------------------------------------------

    def _document(self, stream: IO[bytes], size: int) -> bytes | None:
        data = self._read_whole(stream, size)
        try:
            value = decode_document(data, self.limits.depth)
        except BrokenJsonError as error:
            self.violations.append(error.violation(data))
            return None
        value = self._checked(value, data, self.schema.marks.root)
        self.records = len(value) if isinstance(value, list) else 1
        return msgspec.json.encode(value) if self.rewritten and not self.violations else None

    def _checked(self, value: Any, data: bytes, place: Any) -> Any:
        """Return a whole value as the script gets it."""
        if may_hold_long_integers(data):
            before = msgspec.json.encode(value)
            value, found = long_integers(value, self.schema.marks, place, "")
            self.violations += [_in_record(each, value) for each in found][: MOST_VIOLATIONS + 1]
            self.rewritten = self.rewritten or msgspec.json.encode(value) != before
        self.violations += self.schema.violations(value)
        return value if self.violations else self._protected(value, place)

    def _protected(self, value: Any, place: Any) -> Any:
        asked = self.schema.protection
        if asked.tokenise or asked.subjects:
            rewriting = Rewriting(marks=self.schema.marks, tokeniser=self.tokeniser, subjects=self.subjects)
            value = rewriting.apply(value, place)
            self.rewritten = self.rewritten or asked.tokenise
            self._require_subjects()
        return value

    def _read_whole(self, stream: IO[bytes], size: int) -> bytes:
        if size > self.limits.document_bytes:
            raise too_large("a document whose schema is checked as a whole", self.limits.document_bytes)
        return stream.read()

    def _require_subjects(self) -> None:
        if len(self.subjects) > MOST_SUBJECTS:
            raise too_large("the list of those whom the records are about", MOST_SUBJECTS)

    # Lines ----------------------------------------------------------------------------------------------------------

    def _lines(self, stream: IO[bytes], *, write: bool) -> Iterator[bytes]:
        """Give the lines as the script gets them, where they are to be written; look at them in any case."""
        ready: list[bytes] = []
        index = 0
        try:
            for number, begin, line in lines_of(stream, self.limits):
                value = self._line(line, number, begin, index)
                index += 1
                if write:
                    ready.append(msgspec.json.encode(value))
                if self.full:
                    break
                if len(ready) >= _LINES:
                    yield b"\n".join(ready) + b"\n"
                    ready.clear()
        except LineTooLongError as error:
            self.violations.append(error.violation())
        self.records = index
        if ready:
            yield b"\n".join(ready) + b"\n"

    def _decoded(self, line: bytes, number: int, begin: int, index: int) -> Any:
        """Return the value of a line; ``None`` and a violation where it is no JSON."""
        try:
            return decode(line, self.limits.depth)
        except BrokenJsonError as error:
            self.violations.append(error.violation(line, line=number, begin=begin, record=index))
            return None

    def _line(self, line: bytes, number: int, begin: int, index: int) -> Any:
        before_it = len(self.violations)
        value = self._decoded(line, number, begin, index)
        if len(self.violations) > before_it:
            return None
        place = self.schema.record_place
        if may_hold_long_integers(line):
            before = msgspec.json.encode(value)
            value, found = long_integers(value, self.schema.marks, place, f"/{index}")
            self.violations += [_at(each, index, number) for each in found]
            self.rewritten = self.rewritten or msgspec.json.encode(value) != before
        self.violations += self.schema.record_violations(value, index, number)
        return self._protected(value, place)

    # Columns --------------------------------------------------------------------------------------------------------

    def _batches(self, stream: IO[bytes], format_: FileFormat) -> Iterator[Batch]:
        rewriting = ColumnRewriting(self.schema.marks, self.schema.record_place)
        for batch in batches_of(stream, format_, rewriting.texts()):
            read = rewriting.as_read(batch)
            self.rewritten = self.rewritten or read.schema.types != batch.schema.types
            yield read

    def _records(self, batch: Batch) -> None:
        marks, place = self.schema.marks, self.schema.record_place
        asked = self.schema.protection
        seen = records_of(batch)
        long = dict(seen.long)
        for row, record in enumerate(seen.values):
            index = self.records
            self.records += 1
            if row in long:
                self.violations.append(long_violation(f"/{index}/{escaped(long[row])}", index))
            else:
                self.violations += self._found(record, partial(self.schema.record_violations, record, index), 2)
            if self.full:
                return
            if asked.subjects:
                Rewriting(marks=marks, tokeniser=self.tokeniser, subjects=self.subjects).apply(record, place)
        self.rewritten = self.rewritten or asked.tokenise
        self._require_subjects()

    def _found(self, value: Any, check: Callable[[], list[Violation]], begin: int) -> list[Violation]:
        """Return what breaks the schema once the nulls that are missing properties are left out.

        Args:
            value: What is checked; it is changed.
            check: Checks it.
            begin: How many parts of a violation's path lead to it.
        """
        found = check()
        while self.nulls_are_missing and [each for each in found if _left_out(value, each.path.split("/")[begin:])]:
            found = check()
        return found

    # Schemas of arrays that are more than their records ---------------------------------------------------------------

    def _whole(self, stream: IO[bytes], format_: FileFormat, size: int) -> bytes | None:
        """Look at lines or columns as the one array that the script gets."""
        data = self._read_whole(stream, size)
        if format_ is FileFormat.NDJSON:
            return self._whole_lines(data)
        batches = list(self._batches(io.BytesIO(data), format_))
        value: list[Any] = []
        for batch in batches:
            seen = records_of(batch)
            before = len(value)
            self.violations += [
                long_violation(f"/{before + row}/{escaped(name)}", before + row)
                for row, name in seen.long[: MOST_VIOLATIONS + 1]
            ]
            value += seen.values
        self.records = len(value)
        self.violations += self._found(value, partial(self.schema.violations, value), 1) if not self.violations else []
        if not self.violations:
            self._protected(value, self.schema.marks.root)
        if self.violations or not self.rewritten:
            return None
        rewriting = ColumnRewriting(self.schema.marks, self.schema.record_place)
        return b"".join(written((rewriting.with_tokens(each, self.tokeniser) for each in batches), format_))

    def _whole_lines(self, data: bytes) -> bytes | None:
        value: list[Any] = []
        try:
            for number, begin, line in lines_of(io.BytesIO(data), self.limits):
                value.append(self._decoded(line, number, begin, len(value)))
                if self.full:
                    break
        except LineTooLongError as error:
            self.violations.append(error.violation())
        self.records = len(value)
        if self.violations:
            return None
        read = self._checked(value, data, self.schema.marks.root)
        if self.violations or not self.rewritten:
            return None
        return b"".join(msgspec.json.encode(each) + b"\n" for each in read)


def _left_out(value: Any, path: list[str]) -> bool:
    """Take the null at a path out of its object; tell whether there was one."""
    if not path:
        return False
    *way, name = [each.replace("~1", "/").replace("~0", "~") for each in path]
    for each in way:
        value = value[int(each)] if isinstance(value, list) else value[each]
    if not isinstance(value, dict) or value.get(name, name) is not None:
        return False
    del value[name]
    return True


def _at(violation: Violation, record: int, line: int | None) -> Violation:
    return Violation(path=violation.path, rule=violation.rule, message=violation.message, record=record, line=line)


def _in_record(violation: Violation, value: Any) -> Violation:
    first = violation.path.split("/")[1] if violation.path else ""
    return _at(violation, int(first), None) if isinstance(value, list) and first.isdigit() else violation
