"""Sign-ins that last, and how often one may try. Pure, with a clock."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass

from worker.console.people import Person, PersonRow
from worker.core.clock import Clock

_MOST_SESSIONS = 10_000
_MOST_WATCHED = 10_000
_TRIES, _WINDOW_S = 5, 60.0  # failed tries of one name or from one address, before it has to wait


@dataclass(frozen=True, slots=True)
class Session:
    """
    One sign-in.

    row: the person as the file had them then; None for who needs no file. csrf: what a changing request must send in
    its header, beside the cookie that browsers add.
    """

    person: Person
    row: PersonRow | None
    csrf: str
    until: float  # monotonic seconds


class Sessions:
    """Held in memory: a restart signs everybody out. The oldest goes when there are too many."""

    def __init__(self, clock: Clock, lasts_s: float) -> None:
        self._clock, self._lasts_s = clock, lasts_s
        self._held: OrderedDict[str, Session] = OrderedDict()

    def open(self, person: Person, row: PersonRow | None = None) -> tuple[str, Session]:
        """A new session and the secret that its cookie holds."""
        token = secrets.token_urlsafe(32)
        session = Session(person, row, secrets.token_urlsafe(24), self._clock.now() + self._lasts_s)
        self._held[token] = session
        if len(self._held) > _MOST_SESSIONS:
            self._held.popitem(last=False)
        return token, session

    def of(self, token: str | None) -> Session | None:
        """The session of a cookie; None when it is over, or never was."""
        session = self._held.get(token) if token else None
        if session is not None and self._clock.now() >= session.until:
            del self._held[token or ""]
            return None
        return session

    def close(self, token: str | None) -> None:
        """Sign out."""
        self._held.pop(token or "", None)


class Tries:
    """Failed sign-ins by name and by address: five a minute, then the next waits until the minute is over."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failed: OrderedDict[str, list[float]] = OrderedDict()

    def wait_s(self, *who: str) -> float:
        """Seconds until any of `who` may try again; 0.0 for now."""
        now = self._clock.now()
        waits = [0.0]
        for one in who:
            recent = [moment for moment in self._failed.get(one, []) if now - moment < _WINDOW_S]
            if len(recent) >= _TRIES:
                waits.append(recent[-_TRIES] + _WINDOW_S - now)
        return max(waits)

    def failed(self, *who: str) -> None:
        """Count a failure."""
        now = self._clock.now()
        for one in who:
            recent = [moment for moment in self._failed.pop(one, []) if now - moment < _WINDOW_S]
            self._failed[one] = [*recent, now][-_TRIES:]
            if len(self._failed) > _MOST_WATCHED:
                self._failed.popitem(last=False)
