"""Names of plugins: known without importing, refused where taken, never dearer than installations without (C19)."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from quilate.blueprints.references import PLUGIN_BLUEPRINTS, builtin_names, builtin_text
from quilate.checks.registry import CHECK_TYPES, PLUGIN_CHECKS, check_types, is_check_type, load_check
from quilate.connectors.registry import PLUGIN_CONNECTORS, connector_types, load_connector
from quilate.domain.errors import ConfigurationError
from quilate.kit.entry_points import offered
from tests.support.plugins import install


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    return folder


def test_names_are_known_without_an_import_and_change_no_committed_list(site: Path) -> None:
    marker = site / "imported"
    trap = f"open({str(marker)!r}, 'w').close()\n"
    points = {
        "quilate.checks": {"TRAP": "trap_named:Trap"},
        "quilate.connectors": {"trap": "trap_named:Trap"},
        "quilate.blueprints": {"trap": "trap_named:TEXT"},
        "console_scripts": {"other": "trap_named:main"},
    }
    install(site, "quilate-trap", points, {"trap_named.py": trap})

    assert "TRAP" in check_types()
    assert is_check_type("TRAP")
    assert "TRAP" not in CHECK_TYPES
    assert "trap" in connector_types()
    assert "trap" in builtin_names()
    assert not marker.exists()


def test_a_name_of_quilates_own_stays_its_own(site: Path) -> None:
    points = {
        "quilate.checks": {"SAST": "takeover:Check"},
        "quilate.connectors": {"webhook": "takeover:Connector"},
        "quilate.blueprints": {"api-secure": "takeover:TEXT"},
    }
    install(site, "quilate-takeover", points)

    for names, taken in ((PLUGIN_CHECKS, "SAST"), (PLUGIN_CONNECTORS, "webhook"), (PLUGIN_BLUEPRINTS, "api-secure")):
        (refused,) = names.refused()
        assert refused.reason.endswith(f"{taken!r} of quilate-takeover 1.0 is taken by Quilate")
        assert not names.usable()
    assert type(load_check("SAST")).__module__.startswith("quilate.checks.")
    assert type(load_connector("webhook")).__module__.startswith("quilate.connectors.")
    assert builtin_text("api-secure").startswith("id: api-secure")


def test_a_name_that_two_want_is_nobodys(site: Path) -> None:
    for name in ("quilate-one", "quilate-two"):
        points = {
            "quilate.checks": {"WANTED": "wanted:Check"},
            "quilate.connectors": {"wanted": "wanted:Connector"},
            "quilate.blueprints": {"wanted": "wanted:TEXT"},
        }
        install(site, name, points)

    reasons = [each.reason for each in PLUGIN_CHECKS.refused()]
    assert (
        reasons[0]
        == "the check type 'WANTED' is brought by quilate-one 1.0 and quilate-two 1.0, so none of them is used"
    )
    assert "quilate-one 1.0 and quilate-two 1.0" in str(getattr(load_check("WANTED"), "failure", ""))
    with pytest.raises(ConfigurationError, match=r"quilate-one 1\.0 and quilate-two 1\.0"):
        load_connector("wanted")
    with pytest.raises(ConfigurationError, match=r"quilate-one 1\.0 and quilate-two 1\.0"):
        builtin_text("wanted")


@pytest.mark.parametrize("name", ["lower", "WITH SPACE", "../ETC"])
def test_a_name_of_another_form_is_refused(site: Path, name: str) -> None:
    install(site, "quilate-odd", {"quilate.checks": {name: "odd:Check"}})

    assert "not of the form TODO_COMMENTS" in PLUGIN_CHECKS.refused()[0].reason


def test_metadata_that_cannot_be_read_hides_no_other_plugin(site: Path) -> None:
    install(site, "quilate-fine", {"quilate.checks": {"FINE": "fine:Check"}})
    install(site, "quilate-torn", {})
    (site / "quilate_torn-1.0.dist-info" / "entry_points.txt").write_bytes(b"[quilate.checks]\nA = \xff\n")

    assert "FINE" in PLUGIN_CHECKS.usable()
    (torn,) = [each for each in offered("quilate.") if each.fault]
    assert torn.distribution == "quilate-torn 1.0"


def test_a_project_that_is_judged_brings_no_plugin(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(site, "quilate-inside", {"quilate.checks": {"INSIDE": "inside:Check"}})
    monkeypatch.chdir(site)

    assert not is_check_type("INSIDE")


def test_a_distribution_on_the_path_twice_is_no_rival_of_itself(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    for place in (site, other):
        install(place, "quilate-twice", {"quilate.checks": {"TWICE": "twice:Check"}})
    monkeypatch.syspath_prepend(str(other))

    assert "TWICE" in PLUGIN_CHECKS.usable()


def test_looking_for_plugins_is_quick_and_reads_no_metadata_of_others() -> None:
    program = (
        "import sys, time; from quilate.kit.entry_points import offered; a = time.perf_counter();"
        "offered('quilate.'); print(time.perf_counter() - a, 'importlib.metadata' in sys.modules)"
    )
    best = 1.0
    end = time.monotonic() + 30
    while best >= 0.003 and time.monotonic() < end:
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        seconds, loaded = done.stdout.split()
        best = min(best, float(seconds))
        assert loaded == "False"

    assert best < 0.003
