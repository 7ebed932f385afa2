"""What the supervisor says of a process that did not start."""

import pytest

from quilate.app.service.supervisor import last_words


@pytest.mark.parametrize(
    ("log", "why"),
    [
        ("", ""),
        ("error: QUILATE_PORT is wrong\n  correct it\n", "error: QUILATE_PORT is wrong"),
        ('{"event": "it ended", "exception": "Traceback\\n  ...\\nValueError: no key"}\n', "ValueError: no key"),
        ('{"event": "it ended"}\n', "it ended"),
        (
            "Traceback (most recent call last):\n  File x\nModuleNotFoundError: No module\n",
            "ModuleNotFoundError: No module",
        ),
        ("{}\n", ""),
        ("12\n", "12"),
    ],
)
def test_the_reason_is_found_in_its_log(log: str, why: str) -> None:
    assert last_words(log) == why
