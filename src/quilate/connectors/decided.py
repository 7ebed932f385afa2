"""Which ends of runs are told: those with a verdict that counts."""

from quilate.deliveries.connector import (
    RUN_FINISHED,
    DeliveredEvent,
    DeliveryContext,
    Outcome,
    OutcomeKind,
    RunReport,
)


async def decided_report(event: DeliveredEvent, context: DeliveryContext) -> RunReport | Outcome:
    """Return the report of a run that ended with a verdict, or why there is nothing to do.

    A run that was superseded or cancelled has none, nor has a partial one.
    """
    if event.type != RUN_FINISHED or event.run_id is None:
        return Outcome(summary="not the end of a run", kind=OutcomeKind.NOTHING_TO_DO)
    report = await context.report(event.run_id)
    if not report.verdict or report.superseded:
        return Outcome(summary="no verdict", kind=OutcomeKind.NOTHING_TO_DO)
    return report
