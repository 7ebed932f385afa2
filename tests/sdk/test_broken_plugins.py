"""A plugin that breaks ends its own check as an error that names it, and nothing else (C19)."""

import asyncio
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import cast
from uuid import uuid4

import pytest

from quilate.client import Client
from quilate.connectors.registry import RegisteredConnectors, load_connector
from quilate.deliveries.connector import DeliveredEvent, DeliveryContext, DeliveryError
from quilate.domain.errors import ConfigurationError
from tests.support.live_service import live_service
from tests.support.plugins import BROKEN_CHECKS, GOOD_CHECK, GOOD_CONNECTOR, install, install_check
from tests.support.projects import quilate, write_files

BLUEPRINT = """
id: bp
version: 1
stages:
  - name: code
    checks:
      - id: plain
        type: COMMAND
        argv: ["true"]
      - id: good
        type: GOOD
        anything: 3
policies:
  approval: {rule: all_required_checks_pass}
"""
PROJECT = "version: 1\nproject: p\ntype: x\nblueprint: ./bp.yaml\nbindings: {good: {what: ever}}\n"


def project_in(directory: Path, blueprint: str = BLUEPRINT, project: str = PROJECT) -> Path:
    write_files(directory, {"quilate.yaml": project, "bp.yaml": blueprint, "a.py": "X = 1\n"})
    return directory


@pytest.mark.parametrize("fault", BROKEN_CHECKS)
def test_the_check_ends_as_an_error_and_the_verdict_is_unknown(tmp_path: Path, fault: str) -> None:
    text, reason = BROKEN_CHECKS[fault]
    install_check(tmp_path / "site", text)
    loads = fault in {"produces", "inputs", "run", "run-leaves", "no-evidence", "odd-evidence"}
    blueprint, project = (BLUEPRINT, PROJECT)
    if loads:
        blueprint, project = BLUEPRINT.replace("        anything: 3\n", ""), PROJECT.replace("{what: ever}", "{}")
    place = str(tmp_path / "site")

    done = quilate(project_in(tmp_path / "project", blueprint, project), "run", PYTHONPATH=place)
    listed = quilate(tmp_path / "project", "plugin", "list", PYTHONPATH=place)
    doctor = quilate(tmp_path / "project", "doctor", PYTHONPATH=place)

    assert done.code == 3, done.output + done.errors
    assert "UNKNOWN" in done.output
    assert reason in done.output
    assert "quilate-good 1.0" in done.output
    assert "plain" in done.output
    assert doctor.code in {0, 1}, doctor.errors
    if not loads:
        assert listed.code == 1
        assert reason in listed.output
        assert "quilate-good 1.0" in doctor.output
        assert reason in doctor.output


def test_a_good_plugin_is_judged_with_its_facts(tmp_path: Path) -> None:
    install_check(tmp_path / "site")
    blueprint = BLUEPRINT.replace("        anything: 3\n", "").replace(
        "{rule: all_required_checks_pass}", "{rule: all_required_checks_pass and good_files >= 3}"
    )
    project = project_in(tmp_path / "project", blueprint, PROJECT.replace("{what: ever}", "{}"))
    place = str(tmp_path / "site")

    done = quilate(project, "run", PYTHONPATH=place)
    listed = quilate(project, "plugin", "list", PYTHONPATH=place)
    edited = tmp_path / "site" / "good_plugin.py"
    edited.write_text(GOOD_CHECK.replace("len(context.workspace.paths)", "0"), encoding="utf-8")
    again = quilate(project, "run", PYTHONPATH=place)

    assert done.code == 0, done.output + done.errors
    assert listed.output.split() == ["✓", "check", "GOOD", "quilate-good", "1.0"]
    assert again.code == 1, "an edited plugin must not answer from the cache"


def test_a_policy_that_reads_what_a_broken_plugin_would_measure_says_so(tmp_path: Path) -> None:
    install_check(tmp_path / "site", "import nothing_of_this_name\n")
    blueprint = BLUEPRINT.replace("all_required_checks_pass}", "good_files >= 3}")

    done = quilate(project_in(tmp_path / "project", blueprint), "run", PYTHONPATH=str(tmp_path / "site"))

    assert done.code == 2
    assert "good: the plugin that brings GOOD is broken: ModuleNotFoundError" in done.errors


def test_check_list_and_canaries_show_it_and_go_on(tmp_path: Path) -> None:
    install_check(tmp_path / "site", "1 / 0\n")
    place = str(tmp_path / "site")

    listed = quilate(tmp_path, "check", "list", PYTHONPATH=place)
    shown = quilate(tmp_path, "check", "show", "GOOD", PYTHONPATH=place)

    assert listed.code == 0
    assert re.search(r"^GOOD +cannot be used: ZeroDivisionError", listed.output, re.MULTILINE)
    assert "UNIT_TESTS" in listed.output
    assert "cannot be used: ZeroDivisionError" in shown.output


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["import", "run", "run-leaves"])
def test_the_service_goes_on_and_says_what_is_broken(database_url: str, tmp_path: Path, site: Path, fault: str) -> None:
    text, reason = BROKEN_CHECKS[fault]
    install_check(site, text, module=f"served_{fault.replace('-', '_')}")
    blueprint, project = BLUEPRINT.replace("        anything: 3\n", ""), PROJECT.replace("{what: ever}", "{}")
    directory = project_in(tmp_path / "project", blueprint, project)

    with live_service(database_url, tmp_path / "state", local=True) as service, service.process("worker_main"):
        first = quilate(directory, "run", "--server", service.url, timeout=120)
        second = quilate(directory, "run", "--server", service.url, timeout=120)
        with Client(service.url) as client:
            assert client.connections.types()

    for done in (first, second):
        assert done.code == 3, done.output + done.errors
        assert reason.partition(":")[0] in done.output
        assert "quilate-good 1.0" in done.output


def test_blueprints_of_plugins_are_listed_shown_and_run(tmp_path: Path) -> None:
    site = tmp_path / "site"
    good = BLUEPRINT.partition("      - id: good")[0] + "policies:\n  approval: {rule: all_required_checks_pass}\n"
    points = {"house": "house_rules", "text": "house_rules.texts:TEXT", "torn": "house_rules", "gone": "not_there"}
    modules = {
        "house_rules/__init__.py": "",
        "house_rules/texts.py": f"TEXT = {good!r}",
        "house_rules/house.yaml": good.replace("id: bp", "id: house"),
        "house_rules/torn.yaml": "id: [",
    }
    install(site, "quilate-house", {"quilate.blueprints": points}, modules)
    place = str(site)
    project = project_in(tmp_path / "project", project="version: 1\nproject: p\ntype: x\nblueprint: house\n")

    listed = quilate(project, "blueprint", "list", PYTHONPATH=place)
    plugins = quilate(project, "plugin", "list", PYTHONPATH=place)
    done = quilate(project, "run", PYTHONPATH=place)
    broken = quilate(project, "run", "--blueprint", "gone", PYTHONPATH=place)

    assert listed.code == 0
    assert "api-secure" in listed.output
    assert [line.split()[0] for line in plugins.output.splitlines()] == ["✗", "✓", "✓", "✗"]
    assert done.code == 0, done.output + done.errors
    assert broken.code == 2
    assert "quilate-house 1.0" in broken.errors


EVENT = DeliveredEvent(id=uuid4(), type="dev.quilate.test", time=datetime.now(UTC), project="p", subject="s", data={})


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('return Outcome(summary="delivered")', "return 1 / 0", "deliver raised ZeroDivisionError"),
        ('return Outcome(summary="delivered")', "raise SystemExit(3)", "deliver raised SystemExit: 3"),
        ('return Outcome(summary="delivered")', "return None", "deliver returned NoneType instead of Outcome"),
        ("async def deliver", "def deliver", "deliver raised TypeError"),
    ],
)
def test_a_connector_that_breaks_is_a_failed_delivery(site: Path, old: str, new: str, reason: str) -> None:
    module = f"deliver_{abs(hash((old, new)))}"
    points = {"quilate.connectors": {"good": f"{module}:Good"}}
    install(site, "quilate-good", points, {f"{module}.py": GOOD_CONNECTOR.replace(old, new)})

    with pytest.raises(DeliveryError, match=reason) as failed:
        asyncio.run(load_connector("good").deliver(EVENT, cast("DeliveryContext", None)))

    assert "quilate-good 1.0" in failed.value.message
    assert not failed.value.permanent


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("class Good", "import nothing_of_this_name\nclass Good", "ModuleNotFoundError"),
        ("async def probe", "async def other", "Good lacks probe"),
        ("settings = NoSettings", "settings = dict", "its settings are not a dataclass"),
        ("secrets = ()", "secrets = ('token',)", "not a tuple of SecretSpec"),
    ],
)
def test_a_connector_that_cannot_be_loaded_says_why(site: Path, old: str, new: str, reason: str) -> None:
    module = f"load_{abs(hash((old, new)))}"
    points = {"quilate.connectors": {"good": f"{module}:Good"}}
    install(site, "quilate-good", points, {f"{module}.py": GOOD_CONNECTOR.replace(old, new)})

    with pytest.raises(ConfigurationError, match=reason) as failed:
        RegisteredConnectors.load("good")

    assert "quilate-good 1.0" in failed.value.message
    assert "good" in RegisteredConnectors.names()
