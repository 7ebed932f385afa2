"""The strict engine: QuickJS in WebAssembly, every step counted (design section 10, docs/adr/0017-strict-engine.md).

A script is compiled by one machine and runs in another that has no compiler. Each session begins from the same image of
memory, so that the same program, payload, seed and time use the same fuel on every run and every processor.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quilate.sandbox import columns
from quilate.sandbox.errors import SandboxUnavailableError
from quilate.sandbox.model import Attempt, Failure, FailureClass, Limits, Program
from quilate.sandbox.prelude import SCRIPT_NAME, prelude
from quilate.sandbox.strict import machine, module
from quilate.sandbox.strict.clock import Deadline
from quilate.sandbox.strict.failures import Problem
from quilate.sandbox.strict.loader import Loader
from quilate.sandbox.strict.session import StrictSession

if TYPE_CHECKING:
    from quilate.sandbox.strict.machine import Cell, Image, Machine

FUEL_PER_CPU_SECOND = 4_000_000_000
"""What ``Limits.cpu_seconds`` buys (measured by ``benchmarks/bench_strict_engine.py``; docs/adr/0017)."""
_KEPT_PROGRAMS = 64
_MOST_TEXT = 64 << 10
_PROBES = (
    ("strict: eval", "(0,eval)('1')", FailureClass.RUNTIME),
    ("strict: Function", "[].constructor.constructor('return 1')()", FailureClass.RUNTIME),
    ("strict: fuel", "for(;;);", FailureClass.CPU),
    ("strict: memory", "new Uint8Array(1<<30)", FailureClass.MEMORY),
)
"""What a machine must refuse, tried at each start of a worker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A script's byte code or why there is none, and what making it cost.

    Attributes:
        byte_code: Of a machine with a compiler, for one without.
        fuel: Of the compiling, the same each time.
        problem: A failure, or message and stack of a syntax error.
    """

    byte_code: bytes
    fuel: int
    problem: Failure | tuple[str, str] | None = None


class StrictEngine:
    """Compiles scripts and opens sessions; one a worker process.

    Attributes:
        executable_memory: ``False``: all code is there after ``boot``.
        system_calls: None beyond those of every worker.
    """

    executable_memory = False
    system_calls: frozenset[str] = frozenset()

    def __init__(self, compiled_code: int | None = None) -> None:
        """Loads nothing yet.

        Args:
            compiled_code: File descriptor of ``module.compiled_code_file``; without it ``boot`` compiles, which takes
                about a second.
        """
        self._compiled_code = compiled_code
        self._programs: OrderedDict[bytes, Code] = OrderedDict()
        self._spare: Machine | None = None
        self._loader: Loader
        self._compiling_image: Image
        self._image: Image
        self.deadline: Deadline

    def boot(self, *, heap_bytes: int, stack_kibibytes: int) -> tuple[Attempt, ...]:
        """Loads the module, makes both images and starts the thread that ends calls.

        Raises:
            SandboxUnavailableError: wasmtime is not there, or its code is not for this process.
        """
        del heap_bytes, stack_kibibytes  # Each call has limits of its own, enforced by its machine.
        columns.source()  # A file, to be read before the lock.
        try:
            import wasmtime  # noqa: PLC0415 - 40 MiB, only for who uses this engine
        except ImportError as error:
            message, step = "The strict engine needs wasmtime", "install quilate[sandbox]"
            raise SandboxUnavailableError(message, next_step=step) from error
        try:
            self._loader = Loader(self._code())
        except wasmtime.WasmtimeError as error:
            message = "The strict engine's compiled module is not for this process"
            raise SandboxUnavailableError(message, next_step="restart the service") from error
        compiling = self._loader.machine()
        compiling.begin(machine.COMPILING_INTRINSICS)
        self._compiling_image = compiling.image()
        self._image = self._make_image(compiling)
        compiling.close()
        self.deadline = Deadline(self._loader.engine.increment_epoch)
        return self._attempts()

    def prepare(self) -> None:
        """A machine for the next session, its limits still open."""
        if self._spare is None:
            self._spare = self._loader.machine()
            self._spare.restore(self._image)

    def open(self, program: Program, limits: Limits) -> StrictSession:
        """A session of one program; compiles nothing yet."""
        return StrictSession(self, program, limits)

    def fresh(self) -> "Machine":
        """A machine as after the prelude, its limits still open."""
        self.prepare()
        running, self._spare = self._spare, None
        if running is None:
            raise AssertionError
        return running

    @property
    def host(self) -> "Cell":
        """The prelude's function, at the same address in every machine."""
        return self._image.host

    def arm(self, running: "Machine") -> None:
        """From now on the end of the call's time ends what runs in the machine, also where it is over already."""
        running.end_after(1)
        if self.deadline.passed:
            running.end_after(0)

    def set_time(self, milliseconds: int) -> None:
        """What scripts read as the time until the next call."""
        self._loader.clock.milliseconds = milliseconds

    def compile(self, source: bytes, limits: Limits) -> Code:
        """Byte code of a source, kept for the next execution; costs the same fuel whether it was kept or not."""
        kept = self._programs.get(source)
        if kept is not None:
            self._programs.move_to_end(source)
            return kept
        compiled = self._compile(source, limits)
        if compiled.problem is None:
            self._programs[source] = compiled
            while len(self._programs) > _KEPT_PROGRAMS:
                self._programs.popitem(last=False)
        return compiled

    @staticmethod
    def fuel_of(limits: Limits) -> int:
        """What the limit of processor time is in fuel."""
        return int(limits.cpu_seconds * FUEL_PER_CPU_SECOND)

    def _code(self) -> bytes:
        return module.compile_module() if self._compiled_code is None else module.read_code(self._compiled_code)

    def _make_image(self, compiling: "Machine") -> "Image":
        """The image from which every session begins: the prelude of all engines has run, the script not yet."""
        running = self._loader.machine()
        running.begin(machine.INTRINSICS)
        host = running.run(compiling.compile(prelude(), b"quilate-prelude"))
        limits = Limits()
        image = running.image(host, (*range(9), limits.output_bytes, limits.console_bytes))
        running.close()
        return image

    def _compile(self, source: bytes, limits: Limits) -> Code:
        compiling = self._loader.machine()
        compiling.restore(self._compiling_image)
        compiling.limit(heap_bytes=limits.heap_bytes, stack_bytes=limits.stack_kibibytes << 10)
        budget = compiling.fuel = self.fuel_of(limits)
        self.arm(compiling)
        byte_code, told = b"", ("", "")
        with Problem(limits) as problem:
            byte_code = compiling.compile(source, SCRIPT_NAME.encode())
        if (thrown := problem.thrown) is not None:
            with Problem(limits) as problem:
                message, stack = (compiling.member(thrown, name) for name in ("message", "stack"))
                told = _text(compiling, message), _text(compiling, stack)
        fuel = budget - compiling.fuel
        compiling.close()
        return Code(byte_code=byte_code, fuel=fuel, problem=problem.failure or (None if byte_code else told))

    def _attempts(self) -> tuple[Attempt, ...]:
        """What a machine must refuse, tried: text that becomes code, and a loop without end."""
        limits = Limits(cpu_seconds=0.01)
        found = []
        for name, source, expected in _PROBES:
            session = self.open(Program(source=source), limits)
            failure = session.read()
            session.close()
            refused = failure is not None and failure.kind is expected
            detail = "nothing" if failure is None else f"{failure.kind}: {failure.message}"
            found.append(Attempt(name=name, refused=refused, detail=detail))
        return tuple(found)


def _text(compiling: "Machine", value: "Cell") -> str:
    return (compiling.text(value, _MOST_TEXT) or b"").decode("utf-8", "replace")
