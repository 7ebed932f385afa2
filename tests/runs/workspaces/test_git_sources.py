"""Repositories are read at one commit, and nothing of theirs is ever executed or followed (C03, C08)."""

import os
import stat
import subprocess
from pathlib import Path

import pytest

from quilate.domain.subject import SubjectKind
from quilate.runs.files import FileIndex, list_workspace
from quilate.runs.subject import git_state, tree_digest
from quilate.runs.workspaces.errors import SourceRefusedError, SourceUnavailableError
from quilate.runs.workspaces.limits import TransferLimits, TreeLimits
from quilate.runs.workspaces.model import Source, SourceKind
from quilate.runs.workspaces.provider import WorkspaceProvider
from tests.runs.workspaces.conftest import MakeProvider
from tests.support.repositories import commit_all, git


def source(repository: Path, **given: str) -> Source:
    return Source(kind=SourceKind.GIT, location=str(repository), **given)


def head(repository: Path, name: str = "HEAD") -> str:
    return git(repository, "rev-parse", name).decode().strip()


def contents(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


class TestRevisions:
    def test_the_default_branch_is_taken_and_named(self, provider: WorkspaceProvider, repository: Path) -> None:
        tree = provider.materialise(source(repository), project="shop")
        assert contents(tree.root) == {"src/main.py": b"print('one')\n", "run.sh": b"#!/bin/sh\n"}
        assert (tree.revision, tree.branch) == (head(repository), "main")
        assert tree.subject_kind is SubjectKind.COMMIT
        assert os.access(tree.root / "run.sh", os.X_OK)
        assert not stat.S_IMODE((tree.root / "src" / "main.py").stat().st_mode) & 0o222

    def test_branches_tags_and_commits_are_found(self, provider: WorkspaceProvider, repository: Path) -> None:
        first = head(repository)
        git(repository, "tag", "-a", "v1", "-m", "first")
        git(repository, "checkout", "-q", "-b", "feature/x")
        (repository / "src" / "main.py").write_text("print('two')\n")
        commit_all(repository, "two")
        second = head(repository)
        for given, commit, branch in (
            ({"revision": "v1"}, first, ""),
            ({"revision": "feature/x"}, second, "feature/x"),
            ({"branch": "feature/x"}, second, "feature/x"),
            ({"revision": first}, first, ""),
            ({"revision": first, "branch": "main"}, first, "main"),
            ({"revision": first, "branch": "feature/x"}, first, "feature/x"),
        ):
            tree = provider.materialise(source(repository, **given), project="shop")
            assert (tree.revision, tree.branch) == (commit, branch), given
            assert tree.source.revision == commit

    def test_a_default_branch_without_a_commit_is_refused_by_what_it_is(
        self, provider: WorkspaceProvider, repository: Path
    ) -> None:
        git(repository, "symbolic-ref", "HEAD", "refs/heads/nothing")
        with pytest.raises(SourceRefusedError, match="default branch has no commit") as refused:
            provider.materialise(source(repository), project="shop")
        assert refused.value.next_step == "push one, or name another branch"

    def test_a_commit_is_not_believed_to_be_of_a_branch(self, provider: WorkspaceProvider, repository: Path) -> None:
        git(repository, "checkout", "-q", "-b", "feature")
        (repository / "new").write_text("not reviewed")
        commit_all(repository, "two")
        with pytest.raises(SourceRefusedError, match="not part of the branch 'main'"):
            provider.materialise(source(repository, revision=head(repository), branch="main"), project="shop")

    def test_a_resolved_source_means_the_same_files_for_good(
        self, make_provider: MakeProvider, repository: Path
    ) -> None:
        first = make_provider().materialise(source(repository, branch="main"), project="shop")
        (repository / "src" / "main.py").write_text("print('forced')\n")
        git(repository, "commit", "-q", "-a", "--amend", "-m", "rewritten")
        again = make_provider().materialise(first.source, project="shop")
        assert (again.root, again.revision, again.branch) == (first.root, first.revision, "main")
        moved = make_provider().materialise(source(repository, branch="main"), project="shop")
        assert moved.revision == head(repository) != first.revision

    def test_what_is_here_needs_no_repository(self, provider: WorkspaceProvider, repository: Path) -> None:
        tree = provider.materialise(source(repository), project="shop")
        git(repository, "update-ref", "-d", "refs/heads/main")
        assert provider.materialise(tree.source, project="shop").root == tree.root

    @pytest.mark.parametrize(
        "name",
        ["none", "--upload-pack=x", "a..b", "HEAD~1", "main^{tree}", "refs/*", "a b", ":/x", "abcdef12", "0" * 40],
    )
    def test_what_is_not_there_is_refused(self, provider: WorkspaceProvider, repository: Path, name: str) -> None:
        with pytest.raises(SourceRefusedError):
            provider.materialise(source(repository, revision=name), project="shop")

    def test_a_tree_or_file_is_no_commit(self, provider: WorkspaceProvider, repository: Path) -> None:
        for name in ("HEAD^{tree}", "HEAD:run.sh"):
            with pytest.raises((SourceRefusedError, SourceUnavailableError)):
                provider.materialise(source(repository, revision=head(repository, name)), project="shop")

    def test_an_empty_repository_is_refused(self, provider: WorkspaceProvider, tmp_path: Path) -> None:
        (tmp_path / "git" / "empty").mkdir(parents=True)
        git(tmp_path / "git" / "empty", "init", "-q")
        with pytest.raises(SourceRefusedError):
            provider.materialise(source(tmp_path / "git" / "empty"), project="shop")

    def test_repositories_of_sha256_are_read_too(self, provider: WorkspaceProvider, tmp_path: Path) -> None:
        path = tmp_path / "git" / "modern"
        path.mkdir(parents=True)
        git(path, "init", "-q", "--object-format=sha256")
        (path / "a").write_text("a")
        git(path, "add", "a")
        git(path, "commit", "-q", "-m", "one")
        tree = provider.materialise(source(path), project="shop")
        assert len(tree.revision) == 64
        assert contents(tree.root) == {"a": b"a"}

    def test_a_subdirectory_is_where_the_run_begins(self, provider: WorkspaceProvider, repository: Path) -> None:
        tree = provider.materialise(source(repository, subdirectory="src"), project="shop")
        assert contents(tree.root) == {"main.py": b"print('one')\n"}
        for wrong in ("..", "/src", "src/../..", "none", "run.sh", "src//x", "./src"):
            with pytest.raises(SourceRefusedError):
                provider.materialise(source(repository, subdirectory=wrong), project="shop")


class TestHostileRepositories:
    def test_no_hook_filter_monitor_or_program_of_theirs_runs(
        self, provider: WorkspaceProvider, repository: Path, tmp_path: Path
    ) -> None:
        proof = tmp_path / "executed"
        program = tmp_path / "program"
        program.write_text(f"#!/bin/sh\ntouch {proof}\ncat\n")
        program.chmod(0o755)
        for hook in ("post-checkout", "post-merge", "reference-transaction", "pre-auto-gc", "fsmonitor-watchman"):
            target = repository / ".git" / "hooks" / hook
            target.parent.mkdir(exist_ok=True)
            target.write_text(program.read_text())
            target.chmod(0o755)
        (repository / ".gitattributes").write_text("* filter=evil diff=evil text eol=crlf ident\n")
        (repository / "id").write_text("$Id$\nline\n")
        (repository / ".lfsconfig").write_text(
            f'[lfs]\n\turl = file://{tmp_path}\n[lfs "customtransfer.x"]\n\tpath = {program}\n'
        )
        commit_all(repository, "hostile")
        for name in (
            *("filter.evil.smudge", "filter.evil.clean", "filter.evil.process", "core.fsmonitor", "core.sshCommand"),
            *("uploadpack.packObjectsHook", "core.pager", "diff.external", "remote.origin.uploadpack", "core.askPass"),
            *("core.alternateRefsCommand", "gpg.program", "core.editor"),
        ):
            git(repository, "config", name, str(program))
        git(repository, "config", "core.hooksPath", str(repository / ".git" / "hooks"))
        git(repository, "config", "extensions.partialClone", "origin")
        git(repository, "config", "remote.origin.promisor", "true")
        git(repository, "config", "remote.origin.url", f"ext::{program}")
        proof.unlink(missing_ok=True)
        tree = provider.materialise(source(repository), project="shop")
        assert not proof.exists()
        assert (tree.root / "id").read_bytes() == b"$Id$\nline\n", "as it is kept, not as a checkout would make it"

    def test_settings_of_the_service_account_do_not_count(
        self, provider: WorkspaceProvider, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        proof = tmp_path / "executed"
        home = tmp_path / "home"
        home.mkdir()
        (home / ".gitconfig").write_text(f'[core]\n\tfsmonitor = "touch {proof}"\n[url "/none"]\n\tinsteadOf = /\n')
        monkeypatch.setenv("HOME", str(home))
        monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
        monkeypatch.setenv("GIT_SSH_COMMAND", f"touch {proof}")
        monkeypatch.setenv("GIT_CONFIG_PARAMETERS", f"'core.hooksPath={home}'")
        assert contents(provider.materialise(source(repository), project="shop").root)
        assert not proof.exists()

    def test_submodules_are_named_and_not_fetched(
        self, provider: WorkspaceProvider, repository: Path, tmp_path: Path
    ) -> None:
        secret = tmp_path / "secret"
        secret.mkdir()
        (secret / "password").write_text("hunter2")
        commit_all(secret, "one")
        git(repository, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(secret), "vendored")
        commit_all(repository, "submodule")
        tree = provider.materialise(source(repository), project="shop")
        assert tree.repositories == ("vendored",)
        assert b"hunter2" not in b"".join(contents(tree.root).values())
        assert not (tree.root / "vendored").exists()

    def test_links_that_lead_out_are_named_and_not_made(self, provider: WorkspaceProvider, repository: Path) -> None:
        for name, target in (
            *(("absolute", "/etc/passwd"), ("up", "../../../../etc/passwd"), ("folder", "/etc")),
            *(("first", "second/../../.."), ("second", "src"), ("inside", "src/main.py"), ("dangling", "src/none")),
            *(("loop", "loop"), ("chain", "up"), ("git", "../../.git")),
        ):
            (repository / name).symlink_to(target)
        commit_all(repository, "links")
        tree = provider.materialise(source(repository), project="shop")
        assert tree.escaping_links == ("absolute", "chain", "first", "folder", "git", "up")
        assert (tree.root / "inside").read_text() == "print('one')\n"
        assert (tree.root / "dangling").is_symlink()

    def test_a_file_below_a_link_is_not_written_through_it(
        self, provider: WorkspaceProvider, repository: Path, tmp_path: Path
    ) -> None:
        outside = tmp_path / "outside"
        outside.mkdir()
        link = git_object(repository, "blob", str(outside).encode())
        blob = git_object(repository, "blob", b"written")
        inner = git_object(repository, "tree", entry("100644", "file", blob))
        commit_tree(repository, entry("120000", "a", link) + entry("40000", "a", inner))
        with pytest.raises(SourceRefusedError):
            provider.materialise(source(repository), project="shop")
        assert list(outside.iterdir()) == []

    @pytest.mark.parametrize("name", [".git", ".GIT", "..", ".", "a/b", ".quilate"])
    def test_names_that_no_commit_may_hold_are_refused(
        self, provider: WorkspaceProvider, repository: Path, name: str
    ) -> None:
        blob = git_object(repository, "blob", b"x")
        inner = git_object(repository, "tree", entry("100644", "config", blob))
        commit_tree(repository, entry("40000", name, inner))
        if name == "a/b":  # Such a name reads as a path, and as one it is harmless.
            assert contents(provider.materialise(source(repository), project="shop").root) == {"a/b/config": b"x"}
            return
        with pytest.raises((SourceRefusedError, SourceUnavailableError)):
            provider.materialise(source(repository), project="shop")

    def test_trees_within_trees_end_at_the_limit(self, provider: WorkspaceProvider, repository: Path) -> None:
        # 10 ** 12 files out of a dozen objects.
        inner = entry("100644", "file", git_object(repository, "blob", b"x"))
        for _ in range(12):
            tree = git_object(repository, "tree", inner)
            inner = b"".join(entry("40000", f"d{number}", tree) for number in range(10))
        commit_tree(repository, inner)
        with pytest.raises(SourceRefusedError, match="more than 100000 files"):
            provider.materialise(source(repository), project="shop")

    def test_a_large_file_is_refused_before_it_is_written(self, make_provider: MakeProvider, repository: Path) -> None:
        (repository / "zeros").write_bytes(bytes(2 << 20))
        commit_all(repository, "large")
        for limits in (TreeLimits(file_bytes=1 << 20), TreeLimits(total_bytes=1 << 20)):
            with pytest.raises(SourceRefusedError, match="larger than"):
                make_provider(tree=limits).materialise(source(repository), project="shop")

    def test_a_transfer_beyond_its_limit_is_ended(self, make_provider: MakeProvider, repository: Path) -> None:
        (repository / "noise").write_bytes(os.urandom(2 << 20))
        commit_all(repository, "large")
        provider = make_provider(transfer=TransferLimits(bytes=1 << 20))
        with pytest.raises(SourceRefusedError, match="needs more than 1048576 bytes"):
            provider.materialise(source(repository), project="shop")
        assert contents(make_provider().materialise(source(repository), project="shop").root)

    def test_names_that_are_no_text_are_kept(self, provider: WorkspaceProvider, repository: Path) -> None:
        (repository / os.fsdecode(b"caf\xe9")).write_text("x")
        (repository / os.fsdecode(b"link\xe9")).symlink_to("/etc")
        (repository / "new\nline").write_text("y")
        commit_all(repository, "names")
        tree = provider.materialise(source(repository), project="shop")
        assert os.fsdecode(b"caf\xe9") in contents(tree.root)
        assert "new\nline" in contents(tree.root)
        assert tree.escaping_links == ("link\ufffd",)

    def test_a_repository_without_its_objects_is_said_to_be_so(
        self, provider: WorkspaceProvider, repository: Path
    ) -> None:
        blob = git(repository, "rev-parse", "HEAD:run.sh").decode().strip()
        (repository / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
        with pytest.raises((SourceRefusedError, SourceUnavailableError)):
            provider.materialise(source(repository), project="shop")


class TestTenants:
    def test_a_known_commit_id_opens_nothing(
        self, provider: WorkspaceProvider, repository: Path, tmp_path: Path
    ) -> None:
        mine = provider.materialise(source(repository), project="shop")
        other = tmp_path / "git" / "bank"
        other.mkdir()
        (other / "a").write_text("a")
        commit_all(other, "one")
        with pytest.raises(SourceRefusedError):
            provider.materialise(source(other, revision=mine.revision), project="bank")

    def test_two_projects_never_share_a_tree(self, provider: WorkspaceProvider, repository: Path) -> None:
        first = provider.materialise(source(repository), project="shop")
        second = provider.materialise(source(repository), project="bank")
        assert first.root != second.root


def test_a_tree_belongs_to_no_repository_around_it(
    make_provider: MakeProvider, repository: Path, tmp_path: Path
) -> None:
    (tmp_path / ".gitignore").write_text("*\n")
    git(tmp_path, "init", "-q")
    tree = make_provider().materialise(source(repository), project="shop")
    assert list_workspace(tree.root, ()).paths == ("run.sh", "src/main.py")
    assert git_state(tree.root) == ("", "", False)


def test_laptop_and_service_judge_the_same_files(provider: WorkspaceProvider, repository: Path, tmp_path: Path) -> None:
    (repository / "inside").symlink_to("src/main.py")
    (repository / "outside").symlink_to("/etc/passwd")
    commit_all(repository, "links")
    tree = provider.materialise(source(repository), project="shop")
    digests = []
    for root in (repository, tree.root):
        index = FileIndex(root, tmp_path / "index")
        paths = list_workspace(root, ()).paths
        digests.append(tree_digest({path: index.record(path).digest for path in paths}))
    assert digests[0] == digests[1]


def entry(mode: str, name: str, oid: str) -> bytes:
    return f"{mode} {name}\0".encode() + bytes.fromhex(oid)


def git_object(repository: Path, kind: str, content: bytes) -> str:
    done = subprocess.run(
        ["git", "hash-object", "-t", kind, "-w", "--stdin", "--literally"],
        cwd=repository,
        input=content,
        capture_output=True,
        check=True,
    )
    return done.stdout.decode().strip()


def commit_tree(repository: Path, content: bytes) -> None:
    tree = git_object(repository, "tree", content)
    git(repository, "update-ref", "refs/heads/main", git(repository, "commit-tree", tree, "-m", "x").decode().strip())
