"""A wall clock that a test moves, for processes that load it: it shifts what the C library says about the time of day.

The shift in seconds stands in a file and is read at every call, so that the clock jumps while they run. The monotonic
clock is left alone, as it is when somebody sets a machine's clock. Needs Linux and a C compiler.
"""

import subprocess
from dataclasses import dataclass
from pathlib import Path

_SOURCE = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long shift(void) {
    char text[32] = {0};
    const char *name = getenv("FAULT_CLOCK");
    int file = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return 0;
    if (read(file, text, sizeof text - 1) < 0) text[0] = 0;
    close(file);
    return atol(text);
}

int clock_gettime(clockid_t id, struct timespec *now) {
    int failed = syscall(SYS_clock_gettime, id, now);
    if (!failed && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) now->tv_sec += shift();
    return failed;
}

int gettimeofday(struct timeval *now, void *zone) {
    struct timespec exact;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &exact);
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *out) {
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    if (out) *out = exact.tv_sec;
    return exact.tv_sec;
}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedClock:
    """A clock of its own for some processes; ``variables`` let a process have it."""

    library: Path
    file: Path

    @property
    def variables(self) -> dict[str, str]:
        """What a process's environment needs."""
        return {"LD_PRELOAD": str(self.library), "FAULT_CLOCK": str(self.file)}

    def jump(self, seconds: int) -> None:
        """Let the clock be this far from the machine's, at once; never seen half written."""
        partial = self.file.with_suffix(".new")
        partial.write_text(f"{seconds}\n", encoding="ascii")
        partial.replace(self.file)


def moved_clock(directory: Path, seconds: int = 0) -> MovedClock:
    """Build the library and return a clock that is off by some seconds."""
    source, library = directory / "clock.c", directory / "clock.so"
    source.write_text(_SOURCE, encoding="ascii")
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"], check=True)
    clock = MovedClock(library=library, file=directory / "shift")
    clock.jump(seconds)
    return clock
