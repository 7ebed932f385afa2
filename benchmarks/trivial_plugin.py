"""What the service's processes load to know the check types of the benchmarks: ``QUILATE_PLUGINS=trivial_plugin``."""

from quilate.checks.registry import register_check

register_check("TRIVIAL_PROCESS", "trivial_check:TrivialInProcess")
register_check("TRIVIAL_THREAD", "trivial_check:TrivialInThread")
register_check("LASTING", "lasting_check:Lasting")
