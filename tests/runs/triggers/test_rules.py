"""Trigger rules: conditions, patterns, the built-in ones, how they are written (C03, C11)."""

from typing import Any

import pytest

from quilate.domain.errors import ConfigurationError
from quilate.runs.triggers.model import EventFacts, EventKind, TriggerRule
from quilate.runs.triggers.rules import BUILT_IN, RuleMatcher
from tests.support.triggers_api import TriggersApi


def _facts(**more: Any) -> EventFacts:
    return EventFacts(**{"provider": "github", "kind": EventKind.PUSH, "branch": "main", **more})


def _matched(facts: EventFacts, *rules: TriggerRule) -> str:
    rule = RuleMatcher(rules or BUILT_IN.rules).match(facts, protected_branch="main")
    return rule.name if rule else ""


@pytest.mark.parametrize(
    ("facts", "rule"),
    [
        (_facts(), "protected-branch"),
        (_facts(branch="other"), ""),
        (_facts(kind=EventKind.PULL_REQUEST, action="opened"), "pull-requests"),
        (_facts(kind=EventKind.PULL_REQUEST, action="labeled"), ""),
        (_facts(kind=EventKind.TAG, branch="", tag="v1"), "tags"),
        (_facts(kind=EventKind.MERGE_GROUP, action="checks_requested"), "merge-queue"),
        (_facts(kind=EventKind.DATASET_VERSION), "dataset-versions"),
        (_facts(kind=EventKind.MODEL_VERSION), "model-versions"),
        (_facts(kind=EventKind.RELEASE), ""),
        (_facts(kind=EventKind.KEY), ""),
        (_facts(kind=EventKind.OTHER), ""),
    ],
)
def test_the_built_in_rules(facts: EventFacts, rule: str) -> None:
    assert _matched(facts) == rule


def test_the_first_rule_that_matches_counts_and_one_that_is_off_does_not() -> None:
    off = TriggerRule(name="off", enabled=False)
    narrow = TriggerRule(name="narrow", when='repository == "acme/fraud" and not from_fork')
    rest = TriggerRule(name="rest")
    assert _matched(_facts(repository="acme/fraud"), off, narrow, rest) == "narrow"
    assert _matched(_facts(repository="acme/fraud", from_fork=True), off, narrow, rest) == "rest"
    assert _matched(_facts(), off) == ""


def test_patterns_stand_beside_the_condition_and_each_must_fit() -> None:
    rule = TriggerRule(
        name="r", when='kind == "push"', match={"branch": ("release/*", "hotfix-?"), "sender": ("[!b]*",)}
    )
    assert _matched(_facts(branch="release/1/2", sender="ann"), rule) == "r"
    assert _matched(_facts(branch="hotfix-1", sender="ann"), rule) == "r"
    assert _matched(_facts(branch="release/1", sender="bot"), rule) == ""
    assert _matched(_facts(branch="Release/1", sender="ann"), rule) == ""
    assert _matched(_facts(branch="release/1", sender="ann", kind=EventKind.TAG), rule) == ""


@pytest.mark.parametrize(
    "rule",
    [
        TriggerRule(name="r", when="brunch == 'x'"),
        TriggerRule(name="r", when="branch >"),
        TriggerRule(name="r", when="branch"),
        TriggerRule(name="r", match={"from_fork": ("*",)}),
        TriggerRule(name="r", match={"nothing": ("*",)}),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(rule: TriggerRule) -> None:
    with pytest.raises(ConfigurationError):
        RuleMatcher([rule])


@pytest.mark.asyncio
async def test_rules_are_read_replaced_and_audited(api: TriggersApi) -> None:
    read = await api.call("GET", "/fraud/trigger-rules", by="viewer")
    assert read.json()["built_in"] is True
    assert [each["name"] for each in read.json()["rules"]] == [rule.name for rule in BUILT_IN.rules]
    body = {"rules": read.json()["rules"]}
    assert (await api.call("PUT", "/fraud/trigger-rules", json=body)).status_code == 428
    etag = {"If-Match": read.headers["etag"]}
    put = await api.call("PUT", "/fraud/trigger-rules", json=body, headers=etag)
    assert put.status_code == 200, put.text
    assert (put.json()["built_in"], put.json()["revision"]) == (False, 1)
    again = await api.call("PUT", "/fraud/trigger-rules", json=body, headers=etag)
    assert (again.status_code, again.json()["revision"]) == (200, 1)
    stale = await api.call("PUT", "/fraud/trigger-rules", json={"rules": []}, headers=etag)
    assert stale.status_code == 412
    empty = await api.call("PUT", "/fraud/trigger-rules", json={"rules": []}, headers={"If-Match": put.headers["etag"]})
    assert (empty.status_code, empty.json()["rules"]) == (200, [])
    rows = await api.rows("SELECT convert_from(leaf, 'UTF8')::jsonb ->> 'action' AS action FROM audit_pending")
    assert [row["action"] for row in rows] == ["trigger-rules.changed"] * 2


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ([{"name": "a", "when": "brunch == 'x'"}], "did you mean"),
        ([{"name": "a"}, {"name": "a"}], "already"),
        ([{"name": "a", "blueprint": "nobody"}], "no published blueprint"),
        ([{"name": "a", "blueprint": "../etc"}], ""),
        ([{"name": ""}], ""),
        ([{"name": "a\u0000"}], ""),
        ([{"name": "a", "priority": 101}], ""),
        ([{"name": "a", "surprise": 1}], ""),
        ([{"name": str(place)} for place in range(101)], ""),
    ],
)
async def test_rules_that_make_no_sense_are_not_kept(api: TriggersApi, rules: list[dict[str, Any]], words: str) -> None:
    etag = (await api.call("GET", "/fraud/trigger-rules")).headers["etag"]
    answer = await api.call("PUT", "/fraud/trigger-rules", json={"rules": rules}, headers={"If-Match": etag})
    assert answer.status_code == 422, answer.text
    assert words in answer.text
    assert (await api.call("GET", "/fraud/trigger-rules")).json()["built_in"] is True
