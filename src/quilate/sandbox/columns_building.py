"""The JavaScript function that rebuilds rows from columns, written for one shape of batch, and what it is called with.

The text of a function depends on names and types alone, never on values, so that it is compiled once for a session. The
only foreign words in it are column names, each written as a JSON string.
"""

import json
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from quilate.sandbox.columns_reading import Batch, Column, ColumnsError, Kind

GREATEST_SAFE: Final = 2**53 - 1
SEPARATOR: Final = b"\0"

_ARRAYS: Final = {
    "b": "Int8Array",
    "h": "Int16Array",
    "i": "Int32Array",
    "B": "Uint8Array",
    "H": "Uint16Array",
    "I": "Uint32Array",
    "f": "Float32Array",
    "d": "Float64Array",
}
_ALIGNMENT: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A batch on its way into an isolate.

    Attributes:
        source: Expression whose value is a function of the helpers; that gives the builder.
        meta: JSON array of whole numbers that the builder reads places and lengths from.
        words: All texts, one after the other, ``SEPARATOR`` between them; a JSON array where ``quoted``.
        regions: Offset and bytes of what the memory holds.
        size: Of the memory, in bytes.
    """

    source: bytes
    meta: bytes
    words: bytes
    regions: tuple[tuple[int, memoryview], ...]
    size: int


class _Plan:
    """Collects the statements before the loop, and the values that they read."""

    def __init__(self) -> None:
        self.statements: list[str] = []
        self.numbers: list[int] = []
        self.words: list[bytes] = []
        self.regions: list[tuple[int, memoryview]] = []
        self.size = 0
        self._names = 0

    def row(self, columns: Iterable[Column]) -> str:
        fields, seen = [], set[str]()
        for column in columns:
            name = column.type.name
            if name in seen:
                message = f"two columns are called {name!r}"
                raise ColumnsError(message)
            seen.add(name)
            # A plain "__proto__": would set the prototype; computed, it is a property like any other.
            key = json.dumps(name) if name != "__proto__" else '["__proto__"]'
            fields.append(f"{key}:{self._value(column)}")
        return "{" + ",".join(fields) + "}"

    def number(self, value: int) -> str:
        self.numbers.append(value)
        return f"m[{len(self.numbers) - 1}]"

    def _name(self) -> str:
        self._names += 1
        return f"v{self._names}"

    def _value(self, column: Column) -> str:
        expression = self._present(column)
        if column.validity is None:
            return expression
        flags = self._array("B", _digits(column.validity, column.length))
        return f"({flags}[i]===48?null:{expression})"

    def _present(self, column: Column) -> str:
        described = column.type
        if column.dictionary is not None:
            words = self._array_of(column.dictionary)
            return f"{words}[{self._array(described.index_code, column.values, column)}[i]]"
        match described.kind:
            case Kind.NULL:
                expression = "null"
            case Kind.BOOL:
                expression = f"({self._array('B', _digits(column.values, column.length))}[i]===49)"
            case Kind.INT | Kind.FLOAT:
                expression = f"{self._array(described.code, column.values, column)}[i]"
            case Kind.STRUCT:
                expression = self.row(column.children)
            case Kind.TEXT | Kind.LARGE_TEXT:
                expression = f"{self._texts(column)}[i]"
            case _:
                expression = self._list(column)
        return expression

    def _array(self, code: str, values: memoryview, column: Column | None = None) -> str:
        """A typed array over values that the memory holds."""
        if code in "qQ":
            values, code = _doubles(values, column), "d"
        content = values.cast("B")
        name, offset = self._name(), self.size
        self.regions.append((offset, content))
        self.size += len(content) + -len(content) % _ALIGNMENT
        place, length = self.number(offset), self.number(len(values))
        self.statements.append(f"const {name}=new {_ARRAYS[code]}(M,{place},{length});")
        return name

    def _array_of(self, column: Column) -> str:
        """A JavaScript array of a column's values."""
        if column.type.kind in (Kind.TEXT, Kind.LARGE_TEXT) and column.validity is None:
            return self._texts(column)
        expression = self._value(column)
        name, length = self._name(), self.number(column.length)
        self.statements.append(f"const {name}=[];for(let i=0,n={length};i<n;i++){name}[i]={expression};")
        return name

    def _texts(self, column: Column) -> str:
        name = self._name()
        content, offsets = bytes(column.values), column.offsets.tolist() if column.offsets else [0]
        first = len(self.words)
        self.words.extend([content[start:end] for start, end in pairwise(offsets)])
        begin, end = self.number(first), self.number(len(self.words))
        self.statements.append(f"const {name}=slice(W,{begin},{end});")
        return name

    def _list(self, column: Column) -> str:
        items = self._array_of(column.children[0])
        assert column.offsets is not None  # noqa: S101 - a list that was read has them
        offsets = self._array(column.offsets.format, column.offsets)
        return f"slice({items},{offsets}[i],{offsets}[i+1])"


def _digits(bits: memoryview, length: int) -> memoryview:
    """Bits, lowest first, as one byte each: 48 or 49."""
    digits = f"{int.from_bytes(bits[: (length + 7) // 8], 'little'):0{length}b}"
    return memoryview(digits[::-1].encode()[:length])


def _doubles(values: memoryview, column: Column | None) -> memoryview:
    if len(values) and (max(values) > GREATEST_SAFE or min(values) < -GREATEST_SAFE):
        values = _refuse_unsafe(values, column)
    return memoryview(array("d", values))


def _refuse_unsafe(values: memoryview, column: Column | None) -> memoryview:
    validity = column.validity if column is not None else None
    kept = array(values.format, values)
    for index, value in enumerate(values):
        if -GREATEST_SAFE <= value <= GREATEST_SAFE:
            continue
        if validity is None or validity[index >> 3] >> (index & 7) & 1:
            name = column.type.name if column is not None else ""
            message = f"[{index}].{name} is {value}, beyond 2^53: declare it as a text, a number would change it"
            raise ColumnsError(message)
        kept[index] = 0
    return memoryview(kept)


def prepare(batch: Batch) -> Prepared:
    """Write the builder of a batch and collect its arguments.

    Raises:
        ColumnsError: Two columns of one name, or an integer beyond 2^53 (its place is named).
    """
    plan = _Plan()
    row = plan.row(batch.columns)
    length = plan.number(batch.length)
    joined = SEPARATOR.join(plan.words)
    split = 'split(T,"\\0")'
    if joined.count(SEPARATOR) >= max(len(plan.words), 1):
        joined = json.dumps([word.decode("utf-8", "replace") for word in plan.words]).encode()
        split = "parse(T)"
    source = (
        f"(({{split,slice,parse,{','.join(_ARRAYS.values())}}})=>(M,m,T)=>{{const W={split};{''.join(plan.statements)}"
        f"const rows=[];for(let i=0,n={length};i<n;i++)rows[i]={row};return rows}})"
    )
    return Prepared(
        source=source.encode(),
        meta=json.dumps(plan.numbers).encode(),
        words=joined,
        regions=tuple(plan.regions),
        size=max(plan.size, _ALIGNMENT),
    )


_MOST_WORDS: Final = 4096
_FEW_WORDS: Final = 256


def extractor(signature: str) -> bytes:
    """Write the functions that take rows apart whose names and kinds are those of ``signature``.

    They give up, with ``null``, at the first row that is not like that. ``now`` keeps texts in tables and gives
    ``undefined`` where more than half of them are different; ``plain`` does not.

    Args:
        signature: JSON array of pairs of a name and ``n`` (number), ``s`` (text), ``b`` (boolean) or ``o`` (anything).
    """
    fields = [(str(name), str(letter)) for name, letter in json.loads(signature)]
    plain = _extraction(fields)
    tables = _extraction([(name, "t" if letter == "s" else letter) for name, letter in fields])
    given = "{keys,create,miss,Float64Array,Int32Array,Uint8Array}"
    return f"(({given})=>({{now:{tables},plain:{plain}}}))".encode()


_EMPTY: Final = {
    "n": "new Float64Array(n)",
    "b": "new Uint8Array((n+7)>>3)",
    "t": "new Int32Array(n)",
    "s": "[]",
    "o": "[]",
}
_STORE: Final = {
    "n": 'if(typeof v==="number")a#[i]=v;',
    "b": "if(v===true)a#[i>>3]|=1<<(i&7);else if(v===false);",
    "t": (
        'if(typeof v==="string"){let k=t#[v];if(k===undefined){k=w#.length;'
        f"if(k>={_MOST_WORDS}||k>={_FEW_WORDS}&&k+k>i)return undefined;t#[v]=k;w#[k]=v}}a#[i]=k}}"
    ),
    "s": 'if(typeof v==="string")a#[i]=v;',
}


def _extraction(fields: Sequence[tuple[str, str]]) -> str:
    before, inside, after = [], [], []
    for index, (name, letter) in enumerate(fields):
        number = str(index)
        before.append(f"const a{index}={_EMPTY[letter]};let b{index}=null,x{index}=0;")
        if letter == "t":
            before.append(f"const t{index}=create(null),w{index}=[];")
        inside.append(f"v=r[{json.dumps(name)}];")
        if letter == "o":
            inside.append(f"if(v===undefined)return null;a{index}[i]=v;")
        else:
            blank = f'a{index}[i]="";' if letter == "s" else ""
            inside.append(_STORE[letter].replace("#", number))
            inside.append(f"else if(v===null){{{blank}b{index}=miss(b{index},n,i);x{index}++}}else return null;")
        words = f",words:w{index}" if letter == "t" else ""
        after.append(f'{{letter:"{letter}",values:a{index},nulls:x{index},bits:b{index}{words}}}')
    names = json.dumps([name for name, _ in fields])
    return (
        f"(rows,n)=>{{{''.join(before)}"
        f"for(let i=0;i<n;i++){{const r=rows[i];if(r===null||keys(r).length!=={len(fields)})return null;let v;"
        f"{''.join(inside)}}}return {{names:{names},columns:[{','.join(after)}]}}}}"
    )
