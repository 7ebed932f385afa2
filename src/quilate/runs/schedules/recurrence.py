"""Cron expressions in a time zone, as moments in UTC that only ever rise.

The five fields mean what Debian's cron makes of them. Where clocks go forward, a firing at a time that does not exist
comes at the first minute that does; where they go back, a firing at a fixed time comes once, at the first of the two,
and one that repeats through the hours (its minutes or hours begin with ``*``) goes on evenly.
"""

from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice, takewhile
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from quilate.domain.errors import ConfigurationError
from quilate.domain.nearest import nearest_hint
from quilate.waivers.fields import shown

FIELDS = 5
LONGEST_CRON = 200
_BACK = timedelta(hours=26)
"""Longer than any change of any clock: firings are looked for from here, those that are over are left out."""

_FIRST_WINDOW = timedelta(hours=1)


class Recurrence:
    """The moments of a cron expression.

    Args:
        cron: Five fields: minute, hour, day of the month, month, day of the week.
        time_zone: A name of the IANA time zone database.

    Raises:
        ConfigurationError: One of them is wrong, or no day ever fits.
    """

    def __init__(self, cron: str, time_zone: str) -> None:
        self.cron = " ".join(cron.split())
        self.zone = _zone(time_zone)
        if len(cron) > LONGEST_CRON or len(self.cron.split(" ")) != FIELDS:
            raise ConfigurationError(
                f"{shown(cron)} is no cron expression of {FIELDS} fields", next_step="for example `30 2 * * MON-FRI`"
            )
        try:
            self._start(datetime(2026, 1, 1, tzinfo=UTC))
        except (CronSimError, ValueError) as error:
            raise ConfigurationError(
                f"the cron expression {shown(self.cron)} cannot be read: {error}",
                next_step="minute, hour, day of the month, month, day of the week; for example `30 2 * * MON-FRI`",
            ) from error
        if self.after(datetime(2026, 1, 1, tzinfo=UTC)) is None:
            raise ConfigurationError(
                f"the cron expression {shown(self.cron)} fits no day", next_step="choose a day that the months have"
            )

    def _start(self, moment: datetime) -> CronSim:
        return CronSim(self.cron, moment.astimezone(self.zone))

    def following(self, moment: datetime) -> Iterator[datetime]:
        """Yield every firing after a moment, in UTC."""
        last = moment.astimezone(UTC)
        # Around a change of the clocks the library may give a moment twice, or one that is over.
        for local in self._start(last - _BACK):
            fire_at = local.astimezone(UTC)
            if fire_at > last:
                last = fire_at
                yield fire_at

    def after(self, moment: datetime) -> datetime | None:
        """Return the first firing after a moment, or ``None`` where there is none in fifty years."""
        return next(self.following(moment), None)

    def count(self, first: datetime, until: datetime, most: int) -> int:
        """Return how many firings lie from ``first`` to ``until``, both included; counting ends at ``most``."""
        inside = takewhile(lambda fire_at: fire_at <= until, self.following(first - timedelta(microseconds=1)))
        return sum(1 for _ in islice(inside, most))

    def newest(self, first: datetime, until: datetime, most: int) -> tuple[datetime, ...]:
        """Return the last ``most`` firings from ``first`` to ``until``, both included, oldest first.

        However long ago ``first`` is, only as much of the end is looked at as is needed.
        """
        window = _FIRST_WINDOW
        while True:
            start = max(until - window, first)
            inside = takewhile(lambda fire_at: fire_at <= until, self.following(start - timedelta(microseconds=1)))
            found = tuple(deque(inside, maxlen=most))
            if len(found) == most or start == first:
                return found
            window *= 4


@lru_cache(maxsize=1)
def _zone_names() -> frozenset[str]:
    # These two mean whatever the machine says, another thing on each.
    return frozenset(available_timezones()) - {"localtime", "Factory"}


def _zone(name: str) -> ZoneInfo:
    # Asked by name alone, so that no name leads to another file.
    if name not in _zone_names():
        raise ConfigurationError(
            f"there is no time zone {shown(name)}{nearest_hint(name[:100], _zone_names())}",
            next_step="use a name of the IANA database, for example Europe/Berlin or UTC",
        )
    return ZoneInfo(name)
