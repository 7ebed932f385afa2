"""C12: old findings are adopted in one file; a damaged file is refused, never taken for an empty one."""

import json
import os
import stat
from pathlib import Path

import pytest

from quilate.domain.errors import ConfigurationError
from quilate.evidence.baseline import Baseline, baseline_of, compare, read_baseline, write_baseline
from tests.support.decision_inputs import finding

OLD, GONE, NEW = finding("ruff/S324", line=1), finding("ruff/S105", line=2), finding("ruff/S106", line=3)


def test_new_fixed_and_unchanged() -> None:
    comparison = compare([OLD, NEW], baseline_of("run 7", [OLD, GONE]))
    assert (comparison.new, comparison.unchanged, comparison.fixed_count) == ((NEW,), (OLD,), 1)


def test_five_thousand_findings_fit_one_file_and_come_back(tmp_path: Path) -> None:
    baseline = baseline_of("adopted", [finding(line=line) for line in range(5000)])
    write_baseline(tmp_path / "quilate-baseline.json", baseline)
    assert read_baseline(tmp_path / "quilate-baseline.json") == baseline
    assert len(baseline.fingerprints) == 5000


def test_the_file_is_the_same_whatever_the_order_and_holds_no_text_of_a_finding(tmp_path: Path) -> None:
    write_baseline(tmp_path / "a.json", baseline_of("adopted", [OLD, NEW]))
    write_baseline(tmp_path / "b.json", baseline_of("adopted", [NEW, OLD]))
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert OLD.message not in (tmp_path / "a.json").read_text()


def test_a_new_file_replaces_the_old_one_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "baseline.json"
    write_baseline(path, baseline_of("run 1", [OLD]))
    write_baseline(path, baseline_of("run 2", [NEW]))
    assert read_baseline(path).reference == "run 2"
    assert [entry.name for entry in path.parent.iterdir()] == ["baseline.json"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_link_in_place_of_the_file_is_replaced_and_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("untouched")
    (tmp_path / "baseline.json").symlink_to(outside)
    write_baseline(tmp_path / "baseline.json", baseline_of("run 1", [OLD]))
    assert outside.read_text() == "untouched"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"[" * 100_000,
        b"null",
        b'{"format":"quilate-baseline/v1"}',
        b'{"format":"quilate-baseline/v1","reference":7,"count":0,"fingerprints":[],"digest":""}',
        b'{"count":0,"digest":"","fingerprints":[],"format":"quilate-baseline/v2","reference":"r"}',
        b'{"count":0,"digest":"","fingerprints":[],"format":"quilate-baseline/v1","reference":"r","more":1}',
        b'<<<<<<< HEAD\n{"format":"quilate-baseline/v1"}',
    ],
)
def test_what_is_no_baseline_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "baseline.json"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="the baseline is refused") as refused:
        read_baseline(path)
    assert refused.value.next_step == "make it again: quilate run --save-baseline"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("fingerprints", ["one", "two"]),
        ("fingerprints", ["one", "one"]),
        ("fingerprints", ["\x1b[2J"]),
        ("fingerprints", []),
        ("count", 5),
        ("reference", "another"),
        ("reference", "\x1b[2J"),
        ("digest", "sha256:0"),
    ],
)
def test_a_file_changed_by_hand_is_refused(tmp_path: Path, key: str, value: object) -> None:
    path = tmp_path / "baseline.json"
    write_baseline(path, Baseline(reference="run 1", fingerprints=frozenset({"one"})))
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, key: value}))
    with pytest.raises(ConfigurationError, match="the baseline is refused"):
        read_baseline(path)


def test_a_missing_file_a_directory_and_a_pipe_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("missing.json", "", "pipe"):
        with pytest.raises(ConfigurationError, match="the baseline is refused"):
            read_baseline(tmp_path / name)


def test_what_could_not_be_read_back_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="not plain text"):
        write_baseline(tmp_path / "baseline.json", Baseline(reference="r", fingerprints=frozenset({"a b"})))
    with pytest.raises(ConfigurationError, match="cannot be written"):
        write_baseline(tmp_path, Baseline(reference="r", fingerprints=frozenset()))
    assert list(tmp_path.iterdir()) == []
