"""How a pool is built, and what it says of itself."""

from dataclasses import dataclass

from quilate.sandbox.model import Engine, Level


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSettings:
    """How a pool is built.

    Attributes:
        workers: Executions at a time.
        engines: Those that executions may ask for.
        min_level: Below it the pool does not start.
        heap_bytes: Largest heap that limits may ask for.
        spares: Workers that wait, ready, for one that has to be ended.
        heap_ceiling_bytes: Up to which a heap grows with the payload that it has to hold.
        sessions: Kept isolates at a time, each with a worker of its own beside ``workers``.
    """

    workers: int = 2
    engines: frozenset[Engine] = frozenset({Engine.DEFAULT})
    min_level: Level = Level.LOCKED
    heap_bytes: int = 64 << 20
    spares: int = 1
    heap_ceiling_bytes: int = 768 << 20
    sessions: int = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolStatistics:
    """For metrics.

    Attributes:
        workers: Processes alive.
        waiting: Calls that wait for a worker.
        executions: Calls answered since the start.
        restarts: Workers started in place of ended ones.
        kills: Workers that the parent had to end.
    """

    workers: int
    waiting: int
    executions: int
    restarts: int
    kills: int
