"""A worker is what its settings say (A14)."""

from pathlib import Path

from quilate.app.service.settings import load_settings
from quilate.app.service.worker import worker_options, workspace_settings


def test_repositories_come_from_where_the_settings_say(tmp_path: Path) -> None:
    made = workspace_settings(
        load_settings(
            {
                "QUILATE_REPOSITORY_HOSTS": "git.example.org, Forge.example.org",
                "QUILATE_REPOSITORY_ROOTS": "/srv/{project}",
                "QUILATE_PRIVATE_REPOSITORIES": "1",
            },
            state=tmp_path,
        )
    )
    assert made.allowed_hosts == ("git.example.org", "forge.example.org")
    assert made.allowed_local_roots == ("/srv/{project}",)
    assert made.allow_private_networks
    assert made.root == tmp_path / "workspaces"


def test_checks_are_given_no_variable_unless_it_is_said_and_any_on_ones_own_machine(tmp_path: Path) -> None:
    assert worker_options(load_settings({}, state=tmp_path)).secret_variables == ()
    named = load_settings({"QUILATE_SECRET_VARIABLES": "A, shop:B_*"}, state=tmp_path)
    assert worker_options(named).secret_variables == ("A", "shop:B_*")
    assert worker_options(load_settings({"QUILATE_LOCAL": "1"}, state=tmp_path)).secret_variables is None
