"""Code frames: the place as anybody may see it; never a secret, a terminal command or a data record (C12, C16)."""

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quilate.evidence.frames import MAX_WIDTH, code_frame, frame_source
from quilate.evidence.model import Location

LINES = ["import ssl", "    ctx.check_hostname = False", "    ctx.verify_mode = ssl.CERT_NONE", ""]


def at(line: int | None = 3, column: int | None = None, end: int | None = None, path: str = "svc/feed.py") -> Location:
    return Location(path=path, line=line, column=column, end_column=end)


def frame(lines: Sequence[str], location: Location, *secrets: Location) -> str:
    return "\n".join(code_frame(lines, location, secret_locations=secrets))


def from_disk(
    root: Path, location: Location, secrets: Iterable[tuple[str, int]] = (), *, is_secret: bool = False
) -> tuple[str, ...]:
    return frame_source(root, secrets)(location, is_secret)


def test_a_frame_shows_the_line_before_the_line_and_carets() -> None:
    assert code_frame(LINES, at(column=5)) == (
        "  --> svc/feed.py:3:5",
        "    2 |     ctx.check_hostname = False",
        "    3 |     ctx.verify_mode = ssl.CERT_NONE",
        "      |     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
    )


def test_carets_stand_under_the_columns() -> None:
    assert code_frame(LINES, at(column=9, end=20))[-1] == "      |         ^^^^^^^^^^^"


def test_without_a_column_the_whole_line_is_marked() -> None:
    assert code_frame(LINES, at())[-1] == "      |     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^"


def test_the_first_line_has_none_before_it() -> None:
    assert code_frame(LINES, at(1, 1, 7)) == ("  --> svc/feed.py:1:1", "    1 | import ssl", "      | ^^^^^^")


@pytest.mark.parametrize(
    ("location", "header"),
    [
        (at(None), "  --> svc/feed.py"),
        (at(99), "  --> svc/feed.py:99"),
        (at(0), "  --> svc/feed.py:0"),
        (Location(path="d.csv", line=3, record=2, field="income"), "  --> d.csv:3, record 2, field income"),
        (Location(url="https://host.test/x"), "  --> https://host.test/x"),
        (Location(url="https://u:" + "hunter2" + "@host.test/x"), "  --> https://[masked]@host.test/x"),
        (Location(), "  --> "),
    ],
)
def test_a_place_without_a_line_to_show_is_only_named(location: Location, header: str) -> None:
    assert code_frame(LINES, location) == (header,)


def test_a_data_record_is_never_shown() -> None:
    record = Location(path="d.csv", line=1, record=1, field="name")

    assert "Maria" not in frame(["Maria Silva,123.456.789-00"], record)


def test_tabs_and_wide_characters_keep_the_carets_in_place() -> None:
    assert code_frame(["\tx = y"], at(1, 2, 3))[1:] == ("    1 |     x = y", "      |     ^")
    assert code_frame(["漢字 = y"], at(1, 6, 7))[1:] == ("    1 | 漢字 = y", "      |        ^")


def test_terminal_commands_and_reversed_text_are_made_visible() -> None:
    hostile = 'x = "\x1b[2J\u202e\u2066\x07\x9b31m"'
    shown = frame([hostile], at(1, path="a\x1b[31m.py"))

    assert "\\x1b[2J\\u202e\\u2066\\x07\\x9b31m" in shown
    assert "a\\x1b[31m.py" in shown
    assert all(line.isprintable() for line in shown.split("\n"))


def test_a_long_line_is_cut_around_the_mark() -> None:
    text = "a" * 5000 + " = BAD" + "b" * 5000
    lines = code_frame([text], at(1, 5004, 5007))

    assert all(len(line) <= MAX_WIDTH for line in lines)
    shown, carets = lines[1], lines[2]
    assert shown[carets.index("^") : carets.rindex("^") + 1] == "BAD"
    assert "…" in shown


def test_a_token_beside_the_finding_is_masked_and_the_carets_follow() -> None:
    token = "ghp" + "_" + "a1B2" * 9
    text = f'call("{token}", verify=False)'
    column = text.index("verify") + 1

    lines = code_frame([text], at(1, column, column + 12))

    assert lines[1] == '    1 | call("[masked]", verify=False)'
    assert lines[2].index("^") == lines[1].index("verify")


def test_the_place_of_a_secret_is_masked_in_full() -> None:
    text = "x = compute('correct horse', 7)"
    column = text.index("correct") + 1
    spanned = Location(path="svc/feed.py", line=1, column=column, end_column=column + 13)

    assert "    1 | x = compute('[masked]', 7)" in frame([text], at(1, 1, 2), spanned)
    assert "    1 | [masked]" in frame([text], at(1, 1, 2), at(1))
    assert "correct" not in frame([text, "y"], at(2), at(1))


def test_a_secret_reported_for_other_text_hides_the_whole_line() -> None:
    beyond = Location(path="svc/feed.py", line=1, column=5, end_column=900)

    assert "hidden" not in frame(["x = 'hidden'"], at(1), beyond)


def test_a_secret_over_several_lines_is_masked_on_each() -> None:
    lines = ["k = '''first", "second", "third''' + tail"]
    secret = Location(path="svc/feed.py", line=1, column=8, end_line=3, end_column=6)

    shown = [frame(lines, at(number), secret) for number in (1, 2, 3)]

    assert not any(word in text for text in shown for word in ("first", "second", "third"))
    assert "''' + tail" in shown[2]


def test_lines_of_a_private_key_are_masked() -> None:
    begin, end = "-----BEGIN " + "PRIVATE KEY-----", "-----END " + "PRIVATE KEY-----"
    lines = ["k = '''", begin, "MC4CAQ", "AwBQYD", end, "'''"]

    for number in range(1, 7):
        shown = frame(lines, at(number))
        assert "MC4CAQ" not in shown
        assert "AwBQYD" not in shown


def test_a_source_reads_files_of_the_workspace_and_masks_their_secrets(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"x = 1\r\ny = 'plain words'\r\nz = 3\r\n")
    assert from_disk(tmp_path, at(3, 1, path="a.py"), [("a.py", 2)]) == (
        "  --> a.py:3:1",
        "    2 | [masked]",
        "    3 | z = 3",
        "      | ^^^^^",
    )
    assert "x = 1" not in "\n".join(from_disk(tmp_path, at(1, path="a.py"), is_secret=True))


def test_a_source_shows_a_notebooks_cell(tmp_path: Path) -> None:
    cells = [
        {"cell_type": "markdown", "source": ["# title"]},
        {"cell_type": "code", "source": ["import os\n", "import re"]},
        {"cell_type": "code", "source": "a = 1\nb = 2"},
    ]
    (tmp_path / "n.ipynb").write_text(json.dumps({"cells": cells}), encoding="utf-8")

    assert from_disk(tmp_path, Location(path="n.ipynb", cell=1, line=2))[2] == "    2 | import re"
    assert from_disk(tmp_path, Location(path="n.ipynb", cell=2, line=1))[:2] == (
        "  --> n.ipynb, cell 2, line 1",
        "    1 | a = 1",
    )
    assert from_disk(tmp_path, Location(path="n.ipynb", cell=9, line=1)) == ("  --> n.ipynb, cell 9, line 1",)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"cells": 7}', b'{"cells": [7]}', b"[" * 100_000])
def test_a_broken_notebook_has_no_frame(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "n.ipynb").write_bytes(content)

    assert len(from_disk(tmp_path, Location(path="n.ipynb", cell=1, line=1))) == 1


def test_nothing_outside_the_workspace_is_shown(tmp_path: Path) -> None:
    (tmp_path / "outside.txt").write_text("do not show\n", encoding="utf-8")
    root = tmp_path / "root"
    root.mkdir()
    (root / "link.txt").symlink_to(tmp_path / "outside.txt")
    (root / "folder").mkdir()
    (root / "loop").symlink_to(root / "loop")

    for path in (
        "link.txt",
        "../outside.txt",
        str(tmp_path / "outside.txt"),
        "folder",
        "gone",
        "loop",
        "a\0b",
        "x" * 5000,
    ):
        assert len(from_disk(root, at(1, path=path))) == 1, path


def test_a_huge_or_undecodable_file_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "huge.py").write_bytes(b"x\n" * (3 << 20))
    (tmp_path / "bytes.py").write_bytes(b"\xff\xfe\x00 = 1\n")

    assert from_disk(tmp_path, at(1, path="huge.py")) == ("  --> huge.py:1",)
    assert "\\x00 = 1" in "\n".join(from_disk(tmp_path, at(1, path="bytes.py")))


positions = st.none() | st.integers(-2, 300)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.text(st.characters(exclude_characters="\n\r"), max_size=300), max_size=4),
    st.builds(
        Location, path=st.text(max_size=9), line=positions, column=positions, end_line=positions, end_column=positions
    ),
    st.lists(
        st.builds(Location, line=positions, column=positions, end_line=positions, end_column=positions), max_size=2
    ),
)
def test_any_frame_is_printable_narrow_and_in_shape(
    lines: list[str], location: Location, secrets: list[Location]
) -> None:
    shown = code_frame(lines, location, secret_locations=secrets)

    assert shown[0].startswith("  --> ")
    assert len(shown) <= 4
    assert all(line.isprintable() and len(line) <= MAX_WIDTH for line in shown)
    assert all(re.match(r" *\d* \|", line) for line in shown[1:])


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(exclude_characters="\n\r"), max_size=120), st.integers(0, 119), positions, positions)
def test_no_frame_shows_a_reported_secret(text: str, start: int, column: int | None, end: int | None) -> None:
    secret = "Zq9#" * 5
    line = text[:start] + secret + text[start:]
    begin = line.index(secret) + 1
    place = Location(path="a", line=1, column=begin, end_column=begin + len(secret))

    assert "Zq9#" not in "".join(code_frame([line, "x"], at(1, column, end), secret_locations=[place])[1:])
    assert "Zq9#" not in "".join(code_frame([line, "x"], at(2, column, end), secret_locations=[place])[1:])


def test_a_wide_code_point_that_no_character_has_is_shown_as_an_escape() -> None:
    assert code_frame(["x = '\u3040'"], at(1, 1))[1].endswith(r"| x = '\u3040'")
