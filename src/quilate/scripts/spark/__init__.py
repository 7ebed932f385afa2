"""The same script version on Spark, for data that outgrows one machine (A21)."""

from quilate.scripts.spark.model import SparkInput, SparkOutcome, SparkPartFailure, SparkSettings
from quilate.scripts.spark.running import run_on_spark

__all__ = ["SparkInput", "SparkOutcome", "SparkPartFailure", "SparkSettings", "run_on_spark"]
