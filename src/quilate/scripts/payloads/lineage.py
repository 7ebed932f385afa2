"""Where an execution's output comes from."""

from quilate.scripts.executions.model import Execution
from quilate.scripts.model import ScriptVersion
from quilate.scripts.payloads.model import Lineage


def lineage_of(execution: Execution, version: ScriptVersion) -> Lineage:
    """Return what a dataset version that is the execution's output was made from.

    Args:
        execution: The execution.
        version: The one that it ran.
    """
    origin = execution.input.provenance
    return Lineage(
        execution_id=execution.id,
        script_id=execution.script_id,
        script_version_id=execution.version_id,
        script_version=version.semver,
        input_digest=execution.input.digest,
        input_address=origin.address if origin is not None else "",
    )
