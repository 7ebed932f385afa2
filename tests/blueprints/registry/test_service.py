"""A blueprint's life in the service: draft, four eyes, immutable versions, comparison, what-if (C02, C06, C10, A12)."""

import asyncio
import base64
from typing import Any

import httpx
import psycopg
import pytest

from quilate.blueprints.registry.store import published_blueprint
from quilate.domain.severity import Severity
from quilate.domain.verdict import CheckResult
from quilate.evidence.model import Evidence
from tests.support.governance import GovernanceApi, add_machine_and_administrator
from tests.support.run_rows import Ended, decide_by_hand, finding, submitted_run

_BASE = "/projects/fraud/blueprints"


def _text(version: str = "1", severity: str = "high", extra: str = "", name: str = "gate") -> str:
    return (
        f"id: {name}\nversion: {version}\ndescription: What we ship\nstages:\n  - name: build\n    checks:\n"
        f"      - id: lint\n        type: COMMAND\n        argv: [make, lint]\n        severity: {severity}\n{extra}"
    )


async def _draft(client: httpx.AsyncClient, text: str) -> httpx.Response:
    answer = await client.post(_BASE, json={"text": text})
    assert answer.status_code == 201, answer.text
    return answer


async def _publish(api: GovernanceApi, text: str, name: str = "gate") -> dict[str, Any]:
    tag = (await _draft(api.as_caller("dev"), text)).headers["etag"]
    answer = await api.as_caller("ann").post(f"{_BASE}/{name}/draft/publish", headers={"If-Match": tag})
    assert answer.status_code == 201, answer.text
    published: dict[str, Any] = answer.json()
    return published


@pytest.mark.asyncio
async def test_a_draft_is_written_reviewed_and_published_by_somebody_else(api: GovernanceApi) -> None:
    dev, ann = api.as_caller("dev"), api.as_caller("ann")
    created = await _draft(dev, _text())
    assert created.headers["location"] == "/api/v1/projects/fraud/blueprints/gate/draft"
    changed = await dev.put(
        f"{_BASE}/gate/draft", json={"text": _text(severity="medium")}, headers={"If-Match": created.headers["etag"]}
    )
    assert changed.status_code == 200
    assert changed.json()["revision"] == 2

    stale = await ann.post(f"{_BASE}/gate/draft/publish", headers={"If-Match": created.headers["etag"]})
    assert (stale.status_code, stale.json()["type"]) == (412, "/problems/precondition-failed")
    published = await ann.post(f"{_BASE}/gate/draft/publish", headers={"If-Match": changed.headers["etag"]})
    assert published.status_code == 201
    assert published.json()["publisher"] == "user:ann"
    assert published.json()["authors"] == ["user:dev"]
    assert (await dev.get(f"{_BASE}/gate/draft")).status_code == 404
    assert await api.audited() == ["blueprint.draft-created", "blueprint.draft-changed", "blueprint.published"]
    events = await api.rows("SELECT type FROM outgoing_events")
    assert [event["type"] for event in events] == ["dev.quilate.blueprint.published"]


@pytest.mark.asyncio
async def test_nobody_publishes_what_they_wrote_at(api: GovernanceApi) -> None:
    ann, ben = api.as_caller("ann"), api.as_caller("ben")
    first = await _draft(ann, _text())
    second = await ben.put(
        f"{_BASE}/gate/draft", json={"text": _text(severity="low")}, headers={"If-Match": first.headers["etag"]}
    )
    for author in (ann, ben):
        refused = await author.post(f"{_BASE}/gate/draft/publish", headers={"If-Match": second.headers["etag"]})
        assert refused.status_code == 403
        assert refused.json()["type"].endswith("four-eyes")
    developer = await api.as_caller("dev").post(
        f"{_BASE}/gate/draft/publish", headers={"If-Match": second.headers["etag"]}
    )
    assert developer.json()["type"].endswith("forbidden")
    assert await api.rows("SELECT 1 FROM blueprint_versions") == []


@pytest.mark.asyncio
async def test_neither_a_machine_nor_who_administers_it_is_the_second_person(api: GovernanceApi) -> None:
    add_machine_and_administrator(api)
    draft = await _draft(api.as_caller("robot"), _text())
    own = {"If-Match": draft.headers["etag"]}
    for name, reason in (("adm", "four-eyes"), ("robot", "forbidden")):
        refused = await api.as_caller(name).post(f"{_BASE}/gate/draft/publish", headers=own)
        assert (refused.status_code, refused.json()["type"].rpartition("/")[2]) == (403, reason)
    assert (await api.as_caller("ann").post(f"{_BASE}/gate/draft/publish", headers=own)).status_code == 201


@pytest.mark.asyncio
async def test_the_database_itself_keeps_four_eyes_and_published_texts(api: GovernanceApi) -> None:
    await _publish(api, _text())
    for statement in (
        "UPDATE blueprint_versions SET text = 'x', standalone = 'x'",
        "UPDATE blueprint_versions SET publisher = 'user:dev'",
        """
        INSERT INTO blueprint_versions
            (id, project_id, name, version, sequence, description, text, standalone, digest, authors, publisher)
        SELECT gen_random_uuid(), project_id, name, '9', 9, '', '', '', '', ARRAY['user:a'], 'user:a'
        FROM blueprint_versions
        """,
    ):
        with pytest.raises(psycopg.errors.IntegrityError):
            await api.rows(statement)


@pytest.mark.asyncio
async def test_version_numbers_rise_and_are_never_used_again(api: GovernanceApi) -> None:
    await _publish(api, _text("1.9"))
    await api.as_caller("ann").post(f"{_BASE}/gate/versions/1.9/withdraw", json={"reason": "wrong limit"})
    for version, status in (("1.9", 409), ("1.2", 409), ("1.10", 201)):
        draft = await _draft(api.as_caller("dev"), _text(version))
        answer = await api.as_caller("ann").post(
            f"{_BASE}/gate/draft/publish", headers={"If-Match": draft.headers["etag"]}
        )
        assert answer.status_code == status, answer.text
        if status == 409:
            gone = await api.as_caller("dev").delete(f"{_BASE}/gate/draft", headers={"If-Match": draft.headers["etag"]})
            assert gone.status_code == 204


@pytest.mark.asyncio
async def test_a_withdrawn_version_judges_no_new_run_and_stays_readable(api: GovernanceApi) -> None:
    await _publish(api, _text("1"))
    newer = await _publish(api, _text("2", severity="low"))
    async with api.database.connection() as connection:
        found = await published_blueprint(connection, api.project.id, "gate", None)
        assert found is not None
        assert (found.version, found.digest) == ("2", newer["digest"])
        withdrawn = await api.as_caller("ann").post(f"{_BASE}/gate/versions/2/withdraw", json={"reason": "too strict"})
        assert withdrawn.json()["withdrawal_reason"] == "too strict"
        again = await api.as_caller("ben").post(f"{_BASE}/gate/versions/2/withdraw", json={"reason": "other"})
        assert again.json()["withdrawn_by"] == "user:ann"
        fallen_back = await published_blueprint(connection, api.project.id, "gate", None)
        assert fallen_back is not None
        assert fallen_back.version == "1"
        assert await published_blueprint(connection, api.project.id, "gate", "2") is None
        assert await published_blueprint(connection, api.project.id, "gate", "3") is None
    read = await api.as_caller("viewer").get(f"{_BASE}/gate/versions/2")
    assert read.json()["written"] == _text("2", severity="low")


@pytest.mark.asyncio
async def test_two_reviewers_at_once_publish_one_version(api: GovernanceApi) -> None:
    tag = (await _draft(api.as_caller("dev"), _text())).headers["etag"]
    answers = await asyncio.gather(
        *(api.as_caller(name).post(f"{_BASE}/gate/draft/publish", headers={"If-Match": tag}) for name in ("ann", "ben"))
    )
    assert sorted(answer.status_code for answer in answers) == [201, 404]
    assert len(await api.rows("SELECT 1 FROM blueprint_versions")) == 1


@pytest.mark.asyncio
async def test_errors_name_line_column_and_the_nearest_name(api: GovernanceApi) -> None:
    wrong = "id: gate\nversion: 1\nstages:\n  - name: build\n    checks:\n      - {id: lint, type: CODE_LNT}\n"
    answer = await api.as_caller("dev").post(_BASE, json={"text": wrong})
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["type"] == "/problems/invalid-blueprint"
    assert problem["errors"] == [
        {
            "detail": "unknown check type 'CODE_LNT', did you mean 'CODE_LINT'?",
            "next_step": "`quilate check list` shows all types",
            "place": "blueprint",
            "line": 6,
            "column": 26,
            "nearest": "CODE_LINT",
        }
    ]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "text",
    [
        "id: gate\nversion: 1\nextends: /etc/passwd\nstages: []\n",
        "id: gate\nversion: 1\nextends: https://169.254.169.254/\nstages: []\n",
        "id: gate\nversion: 1\nextends: gaet\nstages: []\n",
        "id: gate\nversion: one\nstages: [{name: s, checks: [{id: secrets, type: SECRETS}]}]\n",
        "id: ../x\nversion: 1\nstages: [{name: s, checks: [{id: secrets, type: SECRETS}]}]\n",
        "a: &a [*a]\n",
        "[" * 5000,
        "id: gate\n\x07",
    ],
)
async def test_hostile_and_wrong_texts_are_refused(api: GovernanceApi, text: str) -> None:
    answer = await api.as_caller("dev").post(_BASE, json={"text": text})
    assert answer.status_code == 422
    assert answer.json()["type"] == "/problems/invalid-blueprint"
    assert answer.json()["errors"]


@pytest.mark.asyncio
async def test_nul_and_the_names_of_built_in_blueprints_are_refused(api: GovernanceApi) -> None:
    dev = api.as_caller("dev")
    assert (await dev.post(_BASE, json={"text": "id: a\x00"})).status_code == 422
    assert (await dev.post(_BASE, json={"text": _text(name="ds-batch")})).status_code == 409


@pytest.mark.asyncio
async def test_a_blueprint_extends_what_the_project_published_and_keeps_its_meaning(api: GovernanceApi) -> None:
    await _publish(api, _text("1", severity="low"))
    child = "id: child\nversion: 1\nextends: gate@1\nstages: []\n"
    published = await _publish(api, child, name="child")
    assert published["written"] == child
    assert "extends" not in published["text"]
    await _publish(api, _text("2", severity="critical"))
    async with api.database.connection() as connection:
        found = await published_blueprint(connection, api.project.id, "child", None)
    assert found is not None
    assert 'severity": "low"' in found.text or '"low"' in found.text


@pytest.mark.asyncio
async def test_a_draft_is_compared_with_what_is_published(api: GovernanceApi) -> None:
    await _draft(api.as_caller("dev"), _text("1", severity="high"))
    first = await api.as_caller("viewer").get(f"{_BASE}/gate/draft/diff")
    assert (first.status_code, "`against`" in first.json()["next_step"]) == (404, True)
    tag = (await api.as_caller("dev").get(f"{_BASE}/gate/draft")).headers["etag"]
    assert (
        await api.as_caller("ann").post(f"{_BASE}/gate/draft/publish", headers={"If-Match": tag})
    ).status_code == 201
    more = "      - {id: secrets, type: SECRETS}\n"
    await _draft(api.as_caller("dev"), _text("2", severity="high", extra=more))
    answer = (await api.as_caller("viewer").get(f"{_BASE}/gate/draft/diff")).json()
    assert (answer["before"], answer["after"]) == ("gate@1", "gate (draft)")
    assert (answer["stricter"], answer["looser"]) == (1, 0)
    assert answer["changes"][0]["subject"] == "secrets"
    back = (await api.as_caller("viewer").get(f"{_BASE}/gate/draft/diff", params={"against": "ds-batch"})).json()
    assert back["before"] == "ds-batch (built-in)"
    tag = (await api.as_caller("dev").get(f"{_BASE}/gate/draft")).headers["etag"]
    await api.as_caller("ann").post(f"{_BASE}/gate/draft/publish", headers={"If-Match": tag})
    between = await api.as_caller("viewer").get(f"{_BASE}/gate/diff", params={"before": "2", "after": "1"})
    assert between.json()["looser"] == 1
    missing = await api.as_caller("viewer").get(f"{_BASE}/gate/diff", params={"before": "2", "after": "7"})
    assert missing.status_code == 404


@pytest.mark.asyncio
async def test_what_if_says_which_verdicts_a_draft_changes(api: GovernanceApi) -> None:
    runs = []
    for found in ((), (finding("ruff/S101", Severity.MEDIUM),)):
        run = await submitted_run(api.database, api.project)
        ended = Ended(check="lint", result=CheckResult.PASS, evidence=Evidence(findings=found))
        runs.append((run, await decide_by_hand(api.database, api.project, run, [ended])))
    assert [verdict for _, verdict in runs] == ["PASS", "FAIL"]
    # Only findings from high on fail the check now: the second run would have passed.
    extra = "        severity_threshold: high\n      - {id: secrets, type: SECRETS, required: false}\n"
    await _draft(api.as_caller("dev"), _text(extra=extra))
    answer = (await api.as_caller("viewer").get(f"{_BASE}/gate/draft/what-if", params={"runs": 10})).json()
    assert answer["replayed"] == 2
    by_run = {each["run_id"]: each for each in answer["runs"]}
    assert by_run[str(runs[1][0])]["before"] == "FAIL"
    assert by_run[str(runs[0][0])] == {
        "run_id": str(runs[0][0]),
        "before": "PASS",
        "after": "PASS",
        "changed": False,
        "unmeasured": ["secrets"],
    }
    assert by_run[str(runs[1][0])]["after"] == "PASS"
    assert answer["changed"] == 1
    too_many = await api.as_caller("viewer").get(f"{_BASE}/gate/draft/what-if", params={"runs": 51})
    assert too_many.status_code == 422


@pytest.mark.asyncio
async def test_the_list_holds_built_in_and_own_ones_page_by_page(api: GovernanceApi) -> None:
    await _publish(api, _text())
    await _draft(api.as_caller("dev"), _text("2"))
    await _draft(api.as_caller("dev"), _text(name="zeta"))
    names, address = [], f"{_BASE}?limit=2"
    while address:
        answer = await api.as_caller("viewer").get(address)
        names += [
            (each["name"], each["origin"], each["version"], each["draft_version"]) for each in answer.json()["items"]
        ]
        link = answer.headers.get("link", "")
        address = link.partition(">")[0].removeprefix("</api/v1") if link else ""
    assert ("gate", "project", "1", "2") in names
    assert ("zeta", "project", None, "1") in names
    assert ("ds-batch", "built-in", "1", None) in names
    assert names == sorted(names)
    versions = (await api.as_caller("viewer").get(f"{_BASE}/gate/versions")).json()
    assert [each["version"] for each in versions["items"]] == ["1"]
    assert (await api.as_caller("viewer").get(f"{_BASE}/nobody/versions")).status_code == 404


@pytest.mark.asyncio
async def test_the_same_request_sent_twice_with_a_key_counts_once(api: GovernanceApi) -> None:
    headers = {"Idempotency-Key": "one"}
    first = await api.as_caller("dev").post(_BASE, json={"text": _text()}, headers=headers)
    second = await api.as_caller("dev").post(_BASE, json={"text": _text()}, headers=headers)
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.headers["idempotency-replayed"] == "true"
    assert second.headers["etag"] == first.headers["etag"]
    third = await api.as_caller("dev").post(_BASE, json={"text": _text()})
    assert third.status_code == 409


@pytest.mark.asyncio
async def test_changes_need_if_match_and_another_project_sees_nothing(api: GovernanceApi) -> None:
    dev, eve = api.as_caller("dev"), api.as_caller("eve")
    await _draft(dev, _text())
    unconditional = await dev.put(f"{_BASE}/gate/draft", json={"text": _text()})
    assert unconditional.status_code == 428
    any_state = await api.as_caller("ann").post(f"{_BASE}/gate/draft/publish", headers={"If-Match": "*"})
    assert any_state.status_code == 428
    replaced = await dev.put(f"{_BASE}/gate/draft", json={"text": _text("3")}, headers={"If-Match": "*"})
    assert replaced.json()["version"] == "3"
    renamed = await dev.put(f"{_BASE}/gate/draft", json={"text": _text(name="b")}, headers={"If-Match": "*"})
    assert renamed.status_code == 422
    for address in (_BASE, f"{_BASE}/gate/draft", f"{_BASE}/gate/draft/diff", f"{_BASE}/gate/draft/what-if"):
        answer = await eve.get(address)
        assert answer.status_code == 404
        assert answer.json()["detail"] == "there is no project 'fraud'"
    viewer = await api.as_caller("viewer").post(_BASE, json={"text": _text()})
    assert viewer.status_code == 403


@pytest.mark.asyncio
@pytest.mark.parametrize("place", [b"[9223372036854775808]", b"[-1e400]", b'["x"]', b"[1,2]", b"{}", b"\xff"])
async def test_a_cursor_that_no_list_gave_out_is_refused(api: GovernanceApi, place: bytes) -> None:
    cursor = base64.urlsafe_b64encode(place).rstrip(b"=").decode()
    answer = await api.as_caller("viewer").get(f"{_BASE}/gate/versions", params={"cursor": cursor})
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid-cursor")
