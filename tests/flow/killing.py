"""`python -m tests.flow.killing run …`: a worker that one kind of event kills, as a fault in a codec's C code would."""

from __future__ import annotations

import os
import signal

from worker.cli import main
from worker.core.records import Record
from worker.decode import opening
from worker.decode.decoder import EventDecoder
from worker.decode.envelope import EventEnvelope

DEADLY = "deadly"


class Killing(EventDecoder):
    """Kills its own process, with no farewell, on events whose id begins with `deadly`."""

    def envelope(self, record: Record) -> EventEnvelope:
        found = super().envelope(record)
        if found.id.startswith(DEADLY):
            os.kill(os.getpid(), signal.SIGKILL)
        return found


if __name__ == "__main__":
    assert vars(opening)["EventDecoder"] is EventDecoder
    vars(opening)["EventDecoder"] = Killing
    main()
