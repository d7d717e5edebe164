"""A clock to travel in time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class Clock:
    """Seconds since the epoch, standing still until a test moves them: `ChatEngine(clock=Clock())`.

    Skills see it as `Context.clock`; the engine lets consents expire, reminders come due and dates
    what it recalls by it; `await engine.deliver()` sends what has come due.
    Time-outs and leases keep to real time: a test that moves this clock never has to wait.

    Args:
        at: aware; None: now.
    """

    def __init__(self, at: datetime | None = None) -> None:
        self._at = datetime.now(UTC)
        if at is not None:
            self.travel_to(at)

    def __call__(self) -> float:
        """What `time.time` would say."""
        return self._at.timestamp()

    def __repr__(self) -> str:
        return f"Clock({self._at.isoformat()})"

    @property
    def now(self) -> datetime:
        """Where it stands, in UTC."""
        return self._at

    def travel(
        self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0
    ) -> datetime:
        """Moves it, back too if negative; returns where it stands then."""
        self._at += timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        return self._at

    def travel_to(self, when: datetime) -> datetime:
        """Sets it.

        Raises:
            ValueError: `when` has no time zone.
        """
        if when.tzinfo is None:
            raise ValueError(f"{when} has no time zone: write datetime(..., tzinfo=UTC) or ZoneInfo(...)")
        self._at = when.astimezone(UTC)
        return self._at
