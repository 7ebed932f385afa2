"""``quilate --help`` beside a bare ``python -c pass`` and a bare ``import click``."""

import sys
from pathlib import Path

from measure import medians_in_turn, report, run_quietly

TARGET_MILLISECONDS = 100


def main() -> None:
    """Print the figures."""
    quilate = str(Path(sys.executable).parent / "quilate")
    shown = run_quietly([quilate, "--help"]).stdout
    medians = medians_in_turn(
        {
            "help": lambda: run_quietly([quilate, "--help"]),
            "bare_python": lambda: run_quietly([sys.executable, "-c", "pass"]),
            "import_click": lambda: run_quietly([sys.executable, "-c", "import click"]),
        },
        rounds=15,
    )
    above = medians["help"] - medians["bare_python"]
    report(
        "startup",
        help_ms=medians["help"],
        bare_python_ms=medians["bare_python"],
        import_click_ms=medians["import_click"],
        above_bare_python_ms=above,
        ratio_to_import_click=medians["help"] / medians["import_click"],
        target_ms=TARGET_MILLISECONDS,
        met=above <= TARGET_MILLISECONDS,
        shows_commands=b"blueprint" in shown,
    )


if __name__ == "__main__":
    main()
