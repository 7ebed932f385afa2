"""``quilate explain``: why a run ended as it did, from its record alone."""

from pathlib import Path

import click


@click.command("explain")
@click.argument("run", default="last")
@click.option("--path", type=click.Path(), default=".", help="The project's directory.")
@click.option("--json", "as_json", is_flag=True, help="Print the explanation as JSON.")
def command(run: str, path: str, *, as_json: bool) -> None:
    """Explain RUN (a number, or `last`): every failing clause with actual and required value, and what to do."""
    from quilate.app.cli.formats import json_text  # noqa: PLC0415 - keeps `quilate --help` fast
    from quilate.app.cli.terminal import Terminal  # noqa: PLC0415 - as above
    from quilate.kit.canonical import to_document  # noqa: PLC0415 - as above
    from quilate.policy.decision import decide, input_from_bytes  # noqa: PLC0415 - as above
    from quilate.policy.explanation import explain, render_explanation  # noqa: PLC0415 - as above
    from quilate.runs.history import history_before  # noqa: PLC0415 - as above
    from quilate.runs.record import load_run  # noqa: PLC0415 - as above
    from quilate.runs.store import RunDirectory  # noqa: PLC0415 - as above

    directory = RunDirectory(Path(path).resolve())
    saved = load_run(directory, run)
    decision_input = input_from_bytes(saved.decision_input)
    number = saved.record.number
    if saved.record.partial:
        click.echo(f"Run {number} was partial: it has results but no verdict.")
    explanation = explain(decide(decision_input), decision_input, run=number, history=history_before(directory, number))
    if as_json:
        click.echo(json_text(to_document(explanation)))
        return
    terminal = Terminal(colour=False, live=False)
    for line in render_explanation(explanation):
        terminal.line(line)
    for check_id, check_run in saved.record.runs.items():
        for attempt in check_run.attempts:
            if attempt.report:
                terminal.line(f"\nReport of {check_id}:\n{attempt.report.rstrip()}")
