"""C11: rules are read into tokens exactly, and what is no token is named with its place and its mending."""

import pytest

from quilate.domain.errors import SourcePosition
from quilate.policy.language.errors import PolicyError
from quilate.policy.language.lexer import MAX_SOURCE_CHARACTERS, TokenKind, tokens_of


def spelt(source: str) -> list[tuple[str, str]]:
    return [(token.kind.value, token.text) for token in tokens_of(source)]


def test_every_kind_of_token_is_told_apart_and_closed_by_an_end() -> None:
    assert spelt("not unit_tests.coverage>=0.80 # why\n and f('x')") == [
        ("keyword", "not"),
        ("name", "unit_tests.coverage"),
        ("symbol", ">="),
        ("number", "0.80"),
        ("keyword", "and"),
        ("name", "f"),
        ("symbol", "("),
        ("text", "x"),
        ("symbol", ")"),
        ("end", ""),
    ]


def test_offsets_give_back_the_exact_source() -> None:
    source = 'a.`b-c`  !=\t"x\\"y"'
    assert [source[token.start : token.end] for token in tokens_of(source)] == ["a.`b-c`", "!=", '"x\\"y"', ""]


def test_names_with_hyphens_or_leading_digits_stand_in_backticks() -> None:
    assert spelt("`data-quality`.rows")[0] == ("name", "data-quality.rows")
    assert spelt("`2fa`")[0] == ("name", "2fa")
    assert spelt("`and`")[0] == ("name", "and")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (r'"a\"b"', 'a"b'),
        (r"'it\'s'", "it's"),
        (r'"\\ \n \t \r"', "\\ \n \t \r"),
        (r'"S\u00e3o"', "São"),
        ("\"São 'Paulo'\"", "São 'Paulo'"),
        ('""', ""),
    ],
)
def test_texts_and_their_escapes(written: str, meant: str) -> None:
    assert spelt(written)[0] == ("text", meant)


@pytest.mark.parametrize("number", ["0", "80", "0.80", "1e3", "2.5E-3", "1e+10", "9" * 100])
def test_numbers_keep_their_spelling(number: str) -> None:
    assert spelt(number)[0] == ("number", number)


@pytest.mark.parametrize(
    ("source", "start", "hint"),
    [
        ("a && b", 2, "write `and`"),
        ("a || b", 2, "write `or`"),
        ("a ≥ 1", 2, "write `>=`"),
        ("a = 1", 2, "equality is written `==`"),
        ("a === 1", 2, "equality is written `==`"),
        ("a <> 1", 2, "inequality is written `!=`"),
        ("!a", 0, "write `not`"),
        ("a >= 80%", 7, "a ratio is a plain decimal: write 0.8 for 80 %"),
        ("a >= .8", 5, "a number starts with a digit (0.5), a name with a letter"),
        ('a in ["x"]', 5, 'a list stands in parentheses: ("a", "b")'),
        ("a + 1 > 2", 2, "the language has no arithmetic"),
        ('"open', 0, 'end it with "'),
        ("'open\n'", 0, "end it with '"),
        (r'"\q"', 1, r"the escapes are \\ \" \' \n \t \r and \u with four digits"),
        (r'"\ud800"', 1, "write the character itself"),
        ("data-quality.rows > 1", 0, "if it is a name, write `data-quality` with the backticks"),
        (
            "250ms > a",
            0,
            "units are not written, the fact has one; a name that starts with a digit stands in backticks",
        ),
        ("a \u202e b", 2, "remove it"),
        ("a \x00", 2, "remove it"),
        ("a \udc80", 2, "remove it"),
        ("# \u200b hidden\na", 2, "remove it"),
    ],
)
def test_what_is_no_token_is_refused_with_place_and_mending(source: str, start: int, hint: str) -> None:
    with pytest.raises(PolicyError) as caught:
        tokens_of(source)
    assert (caught.value.start, caught.value.next_step) == (start, hint)


@pytest.mark.parametrize("source", ["`", "``", "`a\nb`", "a.", "a.1", "1e101", "9" * 101, "1e" + "9" * 200, "~", "😀"])
def test_other_broken_words_are_refused(source: str) -> None:
    with pytest.raises(PolicyError):
        tokens_of(source)


def test_a_rule_longer_than_the_limit_is_refused() -> None:
    assert tokens_of("a" + " " * (MAX_SOURCE_CHARACTERS - 1))[0].kind is TokenKind.NAME
    with pytest.raises(PolicyError, match="longer than 65536 characters"):
        tokens_of("a" + " " * MAX_SOURCE_CHARACTERS)


def test_an_error_carries_the_place_in_the_users_file() -> None:
    base = SourcePosition(path="blueprint.yaml", line=73, column=7)
    with pytest.raises(PolicyError) as first:
        tokens_of("a & b", base)
    with pytest.raises(PolicyError) as second:
        tokens_of("a and\n  b & c", base)
    assert str(first.value) == "blueprint.yaml:73:9: `&` is not part of the language"
    assert str(second.value) == "blueprint.yaml:74:5: `&` is not part of the language"
    assert (second.value.line, second.value.column) == (2, 5)


def test_an_error_without_a_file_counts_within_the_rule_and_points_at_the_place() -> None:
    with pytest.raises(PolicyError) as caught:
        tokens_of("a and\n\tb <> c")
    assert str(caught.value) == "line 2, column 4: `<>` is not part of the language"
    assert caught.value.frame() == " b <> c\n   ^^"


def test_the_frame_of_a_very_long_line_stays_narrow() -> None:
    with pytest.raises(PolicyError) as caught:
        tokens_of("a" * 5000 + " & " + "b" * 5000)
    line, carets = caught.value.frame().split("\n")
    assert len(line) == 100
    assert line[carets.index("^")] == "&"
