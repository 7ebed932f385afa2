"""Started by a test in a process of its own: a local Spark Connect server, and the command line against it."""

import json
import os
import sys
import warnings


def main() -> None:
    """Run the script at ``argv[1]`` over ``argv[2]`` to ``argv[3]``; print what there was."""
    warnings.simplefilter("ignore")
    os.environ["PYSPARK_PYTHON"] = sys.executable
    from pyspark.sql import SparkSession  # noqa: PLC0415 - after the environment is set

    from quilate.app.cli import run_command_line  # noqa: PLC0415 - as above

    server = (
        SparkSession.builder.remote("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.log.level", "ERROR")
        .config("spark.driver.memory", "768m")
        # Most of the time of a short test goes to compilers: theirs and the JVM's.
        .config("spark.driver.extraJavaOptions", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
        .config("spark.sql.codegen.wholeStage", "false")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.connect.grpc.binding.port", sys.argv[4])
        .getOrCreate()
    )
    version = server.version
    script, data, output, port = sys.argv[1:]
    arguments = ["script", "run", script, "--data", data, "--output", output, "--spark", f"sc://localhost:{port}"]
    status = run_command_line([*arguments, "--mode", "group", "--key", "k", "--min-level", "process"])
    sys.stdout.write(json.dumps({"status": status, "version": version}) + "\n")


if __name__ == "__main__":
    main()
