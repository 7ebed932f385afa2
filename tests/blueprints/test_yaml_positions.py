"""YAML with places: exact values, and a clear refusal of everything hostile (C02, C04)."""

from datetime import date
from decimal import Decimal
from time import monotonic

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quilate.blueprints.yaml_positions import MAX_BYTES, Scalar, load_yaml, plain
from quilate.domain.errors import ConfigurationError, ConfigurationErrors


def test_values_are_exact_and_never_guessed() -> None:
    text = """\
on: yes
off: NO
flag: true
whole: 12
exact: 0.80
scientific: 1e-3
day: 2026-11-21
no_day: 2026-13-41
version: "1.10"
octal: 0644
clock: 12:30:45
nothing:
infinite: .inf
"""
    assert plain(load_yaml(text.encode(), "f.yaml")) == {
        "on": "yes",
        "off": "NO",
        "flag": True,
        "whole": 12,
        "exact": Decimal("0.80"),
        "scientific": Decimal("0.001"),
        "day": date(2026, 11, 21),
        "no_day": "2026-13-41",
        "version": "1.10",
        "octal": "0644",
        "clock": "12:30:45",
        "nothing": None,
        "infinite": ".inf",
    }


def test_every_character_of_a_folded_text_knows_its_place() -> None:
    node = load_yaml(b"rule: >\n  all and\n  coverage >= 1\n", "f.yaml").entries["rule"]
    assert isinstance(node, Scalar)
    assert node.located.text == "all and coverage >= 1\n"
    assert str(node.located.at(0)) == "f.yaml:2:3"
    assert str(node.located.at(node.located.text.index("coverage"))) == "f.yaml:3:3"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: 1\nb: 2\na: 3\n", "f:3:1: the key 'a' is repeated; it stands in line 1"),
        (b"a: {\n", "f:2:1: not YAML: "),
        (b"\ta: 1\n", "f:1:1: not YAML: "),
        (b"ok: 1\nbad: \xff\xfe\n", "f:2:6: the file is not UTF-8"),
        (b"a: 1\n---\nb: 2\n", "f:2:1: the file holds more than one YAML document"),
        (b"1: x\n", "f:1:1: a key must be a text, not '1'"),
        (b"? [a]\n: b\n", "f:1:3: a key must be a text"),
        (b"a: !!python/object:os.system x\n", "f:1:4: the tag 'tag:yaml.org,2002:python/object:os.system' is not read"),
        (b"a: &a [*a]\n", "f:1:8: the alias 'a' has no anchor before it, or refers to itself"),
        (b"a: &x {b: 1}\nc:\n  <<: *x\n", "f:3:3: merge keys (`<<`) are not read"),
        (b"- a\n", "f:1:1: the top of the file must be a mapping"),
        (b"", "f:1:1: the top of the file must be a mapping"),
        (b"a: x\x00y\n", "f:1:5: not YAML: a character that YAML does not allow"),
        (b"a: 1e999999999\n", "f:1:4: the number 1e999999999 is out of range"),
        (b"a: 9007199254740993\n", "f:1:4: the whole number 9007199254740993 is beyond 2**53"),
        (b"a: [" + b"[" * 500_000, "f:1:53: the file is nested deeper than 50 levels"),
        (b"a: " + b"x" * MAX_BYTES, "f:1:1: the file has more than 1 MiB"),
    ],
)
def test_what_cannot_be_trusted_is_refused_with_its_place(content: bytes, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_yaml(content, "f")
    assert str(caught.value).startswith(message)


def test_aliases_of_aliases_cost_no_more_than_their_refusal() -> None:
    lines = [b"a: &a [x, x, x, x, x, x, x, x, x, x]"]
    for letter in range(ord("b"), ord("z")):
        below = b"*%c" % (letter - 1)
        lines.append(b"%c: &%c [%b]" % (letter, letter, b", ".join([below] * 10)))
    begin = monotonic()
    with pytest.raises(ConfigurationError, match="more than 100000 values, aliases included"):
        load_yaml(b"\n".join(lines), "f")
    assert monotonic() - begin < 1


def test_several_faults_are_reported_together() -> None:
    with pytest.raises(ConfigurationErrors) as caught:
        load_yaml(b"a: 1\na: 2\nb: !x 1\n", "f")
    assert [str(error.position) for error in caught.value.errors] == ["f:2:1", "f:3:4"]


@given(st.binary(max_size=300) | st.text(alphabet=":-[]{}&*!|>'\"#%@`,?\n\t ab1.", max_size=200).map(str.encode))
def test_any_bytes_give_a_mapping_or_a_configuration_error(content: bytes) -> None:
    try:
        value = plain(load_yaml(content, "f"))
    except ConfigurationError:
        return
    assert isinstance(value, dict)
