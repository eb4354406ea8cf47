"""The health page: the worker's own report, and the dead letters with the way back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request

from worker.console.gate import body_of
from worker.console.people import Person
from worker.console.reach import Reach
from worker.core.errors import TidegateError
from worker.deliver.letters import Letter, as_text
from worker.serve.problems import Refused

_MOST_SHOWN = 200


class Wellbeing:
    """Handlers for `/console/api/health` and `deadletters`."""

    def __init__(self, reach: Reach, *, write: bool) -> None:
        self._reach, self._write = reach, write

    async def health(self, _: Request, person: Person) -> Any:
        """`/status` of this process."""
        return {"status": self._reach.status(), "ready": self._reach.ready(), "write": self._write and person.write}

    async def letters(self, _: Request, person: Person) -> Any:
        """The letters that wait, the newest first; nothing of what they hold."""
        waiting = await self._waiting(person)
        shown = sorted(waiting, key=lambda one: -one.timestamp_ms)[:_MOST_SHOWN]
        return {"waiting": len(waiting), "letters": [_shown(one) for one in shown]}

    async def redrive(self, request: Request, person: Person) -> Any:
        """Send the letters of a code, or one of a place, back to the input topic."""
        if not (self._write and person.write):
            raise Refused(403, "read_only", "nothing is redriven from this console: run `tidegate deadletter redrive`")
        if self._reach.redrive is None:
            raise Refused(409, "no_source", "this process does not write to the input topic")
        said = await body_of(request)
        code, place = said.get("code"), said.get("source")
        if (code is None) == (place is None):
            raise Refused(422, "bad_redrive", "name either a code or a source")
        waiting = await self._waiting(person)
        chosen = [one for one in waiting if code in (None, one.code) and place in (None, as_text(one.source))]
        return {"sent": await self._reach.redrive(chosen) if chosen else 0}

    async def _waiting(self, person: Person) -> Sequence[Letter]:
        if self._reach.letters is None:
            raise Refused(409, "no_source", "this process does not read the dead-letter topic")
        try:
            found = await self._reach.letters()
        except TidegateError as error:
            raise Refused(503, "no_answer", str(error)) from None
        return [
            one for one in found if person.tenants is None or (one.tenant is not None and one.tenant in person.tenants)
        ]


def _shown(letter: Letter) -> dict[str, Any]:
    when = datetime.fromtimestamp(letter.timestamp_ms / 1000, UTC)
    return {
        "source": as_text(letter.source),
        "code": letter.code,
        "stage": letter.stage,
        "reason": letter.reason,
        "attempts": letter.attempts,
        "redrives": letter.redrives,
        "tenant": letter.tenant,
        "bytes": letter.size,
        "time": when.isoformat(timespec="seconds"),
    }
