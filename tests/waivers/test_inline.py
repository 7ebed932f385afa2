"""C11: an inline waiver has rule, expiry and reason and is a comment; what is written wrongly waives nothing."""

import json
from datetime import date

import pytest

from quilate.waivers.inline import find_inline_waivers

GOOD = "quilate: waive ruff/S324 until=2026-12-31 reason=a checksum, no signature"


def test_a_comment_beside_code_covers_its_own_line() -> None:
    (found,), errors = find_inline_waivers("src/app.py", f"import hashlib\n\nx = hashlib.md5()  # {GOOD}\n")
    assert errors == ()
    assert (found.rule, found.until, found.reason) == ("ruff/S324", date(2026, 12, 31), "a checksum, no signature")
    assert (found.paths, found.line, found.source, found.id) == (("src/app.py",), 3, "src/app.py:3", "src/app.py:3")
    assert (found.owner, found.approver, found.binding) == ("inline", "", True)


@pytest.mark.parametrize("between", ["", "\n", "# why\n", "\n# why\n\n"])
def test_a_comment_that_stands_alone_covers_the_next_line_with_code(between: str) -> None:
    (found,), _ = find_inline_waivers("a.py", f"def f():\n    # {GOOD}\n{between}    return md5()\n")
    assert found.line == 3 + between.count("\n")
    assert found.source == "a.py:2"


def test_stacked_comments_cover_the_same_line() -> None:
    found, _ = find_inline_waivers("a.py", f"# {GOOD}\n# {GOOD.replace('S324', 'S105')}\nx = 1\n")
    assert [(one.rule, one.line) for one in found] == [("ruff/S324", 3), ("ruff/S105", 3)]


@pytest.mark.parametrize(
    "text",
    [
        f'x = "# {GOOD}"\n',
        f'"""\n# {GOOD}\n"""\n',
        f"x = f'# {GOOD}'\n",
        f"x = 1  # see: {GOOD}\n",
        f"# the words {GOOD}\n",
        f"# {GOOD.replace('waive', 'waived')}\nx = 1\n",
    ],
)
def test_text_that_is_no_such_comment_is_no_waiver(text: str) -> None:
    assert find_inline_waivers("a.py", text) == ((), ())


@pytest.mark.parametrize(
    ("path", "text", "line"),
    [
        ("a.js", f"// {GOOD}\nlet a\n", 2),
        ("a.ts", f"let a  // {GOOD}\n", 1),
        ("a.sql", f"select 1 -- {GOOD}\n", 1),
        ("a.yaml", f"key: 1  # {GOOD}\n", 1),
        ("a.html", f"<p>\n<!-- {GOOD} -->\n<b>\n", 3),
        ("a.md", f"<!-- {GOOD} -->\ntext\n", 2),
        ("Dockerfile", f"# {GOOD}\nFROM scratch\n", 2),
        ("a.js", f"// {GOOD}\r\nlet a\r\n", 2),
        ("a.py", f"\ufeffx = 1  # {GOOD}\n", 1),
    ],
)
def test_comments_of_other_files(path: str, text: str, line: int) -> None:
    (found,), errors = find_inline_waivers(path, text)
    assert (found.line, found.reason, errors) == (line, "a checksum, no signature", ())


@pytest.mark.parametrize("path", ["a.csv", "a.json", "a.txt", "a.md", "a.html"])
def test_data_and_prose_hold_no_waivers_behind_a_hash(path: str) -> None:
    assert find_inline_waivers(path, f"# {GOOD}\nx\n") == ((), ())


@pytest.mark.parametrize(
    ("comment", "reason", "owner"),
    [
        ('reason="two words" owner=ana until=2026-12-31', "two words", "ana"),
        ("owner='ana maria' until=2026-12-31 reason='it is = fine'", "it is = fine", "ana maria"),
        ("until=2026-12-31 reason=until=never owner=nobody", "until=never owner=nobody", "inline"),
    ],
)
def test_fields_in_any_order_and_in_quotation_marks(comment: str, reason: str, owner: str) -> None:
    (found,), errors = find_inline_waivers("a.py", f"x = 1  # quilate: waive ruff/S* {comment}\n")
    assert (found.reason, found.owner, errors) == (reason, owner, ())


@pytest.mark.parametrize(
    ("comment", "message"),
    [
        ("", "waiver: the rule is missing"),
        ("until=2026-12-31 reason=x", "waiver: the rule is missing"),
        ("S324 until=2026-12-31 reason=x", "waiver: 'S324' is no rule id"),
        ("* until=2026-12-31 reason=x", "waiver: '*' is no rule id"),
        ("ruff/S324 reason=x", "waiver of ruff/S324: until=YYYY-MM-DD is missing"),
        ("ruff/S324 until=2026-12-31", "waiver of ruff/S324: reason=… is missing"),
        ("ruff/S324 until=2026-12-31 reason=", "waiver of ruff/S324: reason is empty"),
        ('ruff/S324 until=2026-12-31 reason="  "', "waiver of ruff/S324: reason is empty"),
        ("ruff/S324 until=2026-02-30 reason=x", "waiver of ruff/S324: until='2026-02-30' is no date"),
        ("ruff/S324 until=never reason=x", "waiver of ruff/S324: until='never' is no date"),
        (
            "ruff/S324 untill=2026-12-31 reason=x",
            "waiver of ruff/S324: unknown field 'untill', did you mean 'until'?",
        ),
        ("ruff/S324 approver=me until=2026-12-31 reason=x", "waiver of ruff/S324: unknown field 'approver'"),
        ("ruff/S324 until=2026-12-31 until=2027-12-31 reason=x", "waiver of ruff/S324: until is given twice"),
        ("ruff/S324 please until=2026-12-31", "waiver of ruff/S324: 'please until=2026-12-31' is not understood"),
        ("ruff/S324 until=2026-12-31 reason=\x1b[2J", "waiver of ruff/S324: reason holds a character"),
        (f"ruff/S324 until=2026-12-31 reason={'x' * 501}", "waiver of ruff/S324: reason is longer than 500"),
    ],
)
def test_what_is_written_wrongly_waives_nothing_and_says_where(comment: str, message: str) -> None:
    waivers, (error,) = find_inline_waivers("src/a.py", f"\nx = 1  # quilate: waive {comment}\n")
    assert waivers == ()
    assert error.message.startswith(message)
    assert (str(error.position), bool(error.next_step)) == ("src/a.py:2:8", True)


def test_a_comment_without_code_behind_it_covers_nothing() -> None:
    waivers, (error,) = find_inline_waivers("a.py", f"x = 1\n# {GOOD}\n")
    assert (waivers, error.message) == ((), "waiver of ruff/S324: no line with code follows it")


def test_what_cannot_be_read_as_python_is_told() -> None:
    waivers, errors = find_inline_waivers("a.py", f"x = 1  # {GOOD}\ny = (\n# {GOOD}\n")
    assert [one.line for one in waivers] == [1]
    assert "not valid Python" in errors[-1].message


def test_a_notebook_is_read_cell_by_cell() -> None:
    cells = [
        {"cell_type": "markdown", "source": f"# {GOOD}"},
        {"cell_type": "code", "source": ["%matplotlib inline\n", "x = 1\n"]},
        {"cell_type": "code", "source": ["!pip list\n", f"# {GOOD}\n", "y = md5()\n"]},
    ]
    (found,), errors = find_inline_waivers("a.ipynb", json.dumps({"cells": cells}))
    assert errors == ()
    assert (found.cell, found.line, found.source) == (2, 3, "a.ipynb:cell 2:2")


@pytest.mark.parametrize("text", ["[]", "{", '{"cells": 7}', '{"cells": [1, {"cell_type": "code", "source": 3}]}'])
def test_what_is_no_notebook_holds_no_waivers(text: str) -> None:
    assert find_inline_waivers("a.ipynb", f"{text}{GOOD}") == ((), ())
    assert find_inline_waivers("a.ipynb", text.replace("{", f'{{"x": "{GOOD}",', 1)) == ((), ())


def test_the_covered_line_is_kept_as_a_digest_only() -> None:
    beside, _ = find_inline_waivers("a.py", f'password = "hunter2"  # {GOOD}\n')
    above, _ = find_inline_waivers("a.py", f'# {GOOD}\npassword  =  "hunter2"\n')
    other, _ = find_inline_waivers("a.py", f'# {GOOD}\npassword = "hunter3"\n')
    assert beside[0].covered
    assert "hunter" not in repr(beside + above)
    assert beside[0].covered != other[0].covered
