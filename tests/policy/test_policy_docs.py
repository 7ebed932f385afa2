"""C11: every example in the language's reference works as the page says."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from quilate.evidence.model import FactType
from quilate.policy.language import PolicyError, check, parse
from quilate.policy.language.parser import MAX_NESTING, MAX_NODES
from quilate.policy.model import NameSpec, Truth
from quilate.policy.rego import evaluate_rego
from quilate.policy.vocabulary import CONTEXT_NAMES, build_vocabulary, when_vocabulary

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "policy.md").read_text(encoding="utf-8")
VOCABULARY = replace(
    build_vocabulary({}, {}),
    names={
        "coverage": NameSpec(type=FactType.NUMBER, unit="ratio"),
        "unit_tests.coverage": NameSpec(type=FactType.NUMBER, unit="ratio"),
        "data-quality.rows": NameSpec(type=FactType.NUMBER, unit="count"),
        "perf_test.p95": NameSpec(type=FactType.NUMBER, unit="ms"),
        "drift": NameSpec(type=FactType.NUMBER),
        "runner": NameSpec(type=FactType.TEXT),
        "slow": NameSpec(type=FactType.BOOLEAN),
    },
)


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("rule", blocks("policy"))
def test_every_rule_on_the_page_makes_sense(rule: str) -> None:
    check(parse(rule), VOCABULARY)


@pytest.mark.parametrize("rule", blocks("when"))
def test_every_condition_on_the_page_makes_sense_where_conditions_stand_and_only_there(rule: str) -> None:
    check(parse(rule), when_vocabulary(VOCABULARY))
    with pytest.raises(PolicyError):
        check(parse(rule), VOCABULARY)


def test_the_page_holds_examples_of_both_languages() -> None:
    assert len(blocks("policy")) >= 4
    assert len(blocks("when")) == 1
    assert len(blocks("rego")) == 1


def test_the_page_names_every_function_and_no_other() -> None:
    named = re.findall(
        r"^\| `(\w+)(?:\(.*?\))?` \| .* \| .*\|$", PAGE.split("## Functions")[1].split("##")[0], re.MULTILINE
    )
    assert set(named) == set(VOCABULARY.functions)


def test_the_page_names_all_that_conditions_may_read() -> None:
    section = PAGE.split("## Conditions")[1].split("##")[0]
    assert all(f"`{name}`" in section for name in CONTEXT_NAMES)


def test_the_page_tells_the_limits_of_the_code() -> None:
    assert f"65,536 characters, {MAX_NODES:,} parts and {MAX_NESTING} levels" in PAGE


def rego_document(result: str, facts: dict[str, Any]) -> dict[str, Any]:
    check_document = {"required": True, "result": result, "reason": "2 tests", "facts": facts}
    return {"checks": {"unit_tests": check_document}, "findings": {"critical": 0}}


@pytest.mark.parametrize(
    ("result", "facts", "truth"),
    [
        ("pass", {"coverage": 0.85}, Truth.TRUE),
        ("warn", {"coverage": 0.8}, Truth.TRUE),
        ("pass", {"coverage": 0.5}, Truth.FALSE),
        ("pass", {}, Truth.UNKNOWN),
        ("error", {"coverage": 0.85}, Truth.UNKNOWN),
        ("fail", {"coverage": 0.85}, Truth.FALSE),
    ],
)
def test_the_rego_module_on_the_page(result: str, facts: dict[str, Any], truth: Truth) -> None:
    (module,) = blocks("rego")
    assert evaluate_rego(module, rego_document(result, facts)).truth is truth
