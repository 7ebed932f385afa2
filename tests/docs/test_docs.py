"""Documentation holds against the code: generated pages are fresh, links and paths exist, commands exist (D-guide)."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from quilate.app.cli import COMMANDS
from quilate.blueprints.references import parse_blueprint_text
from quilate.checks.registry import CHECK_TYPES, load_check

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
HEADINGS = ("Why", "Input", "Facts", "Limits", "Findings", "Raises", "Source")


def test_generated_pages_are_fresh() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "generate_docs.py"), "--check"], capture_output=True, check=False
    )

    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_that_exist(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if not re.match(r"[a-z]+:", target):
            assert (page.parent / target).exists(), f"{target} is gone"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_paths_named_in_code_spans_exist(page: Path) -> None:
    for span in re.findall(r"`((?:src|tests|docs|benchmarks|scripts|examples)/[\w./-]+)`", page.read_text("utf-8")):
        assert (ROOT / span).exists(), f"{span} is gone"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_named_in_docs_exist(page: Path) -> None:
    for name in re.findall(r"(?:^|[`$ ])quilate ([a-z]+)", page.read_text(encoding="utf-8"), re.MULTILINE):
        if name in {"is", "and", "judges", "reads", "finds", "itself", "never", "runs", "ships", "does"}:
            continue
        assert name in COMMANDS, f"there is no `quilate {name}`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_blueprints_in_docs_are_valid(page: Path) -> None:
    for block in re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        if re.search(r"^id:", block, re.MULTILINE) and re.search(r"^stages:", block, re.MULTILINE):
            parse_blueprint_text(block.encode(), str(page.name), ROOT)


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 100


@pytest.mark.parametrize("check_type", CHECK_TYPES)
def test_a_check_is_one_file_one_registry_line_one_same_named_test(check_type: str) -> None:
    module = sys.modules[type(load_check(check_type)).__module__]
    source = Path(str(module.__file__)).relative_to(ROOT / "src" / "quilate")

    assert source.stem == check_type.lower()
    assert (ROOT / "tests" / source.parent / f"test_{source.name}").exists()
    assert load_check(check_type).type == check_type


@pytest.mark.parametrize("check_type", CHECK_TYPES)
def test_a_check_documents_itself(check_type: str) -> None:
    documentation = sys.modules[type(load_check(check_type)).__module__].__doc__ or ""

    for heading in HEADINGS:
        assert re.search(rf"^{heading}\b", documentation, re.MULTILINE), f"{check_type} lacks {heading}"


@pytest.mark.parametrize("check_type", CHECK_TYPES)
def test_a_profile_always_has_a_severity_threshold(check_type: str) -> None:
    assert "severity_threshold" in load_check(check_type).profile
