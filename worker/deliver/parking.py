"""Records that cannot be decided: how often one is tried, and how many may be parked before the worker stops."""

from __future__ import annotations

from collections import deque

from pydantic import BaseModel, ConfigDict, Field

from worker.core.errors import TooManyParked


class ParkingSettings(BaseModel):
    """When a record is given up, and when the worker stops because it gives up too many."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    attempts: int = Field(3, ge=1, le=10, description="times a record may break the pipeline before it is parked")
    deaths: int = Field(3, ge=3, le=10, description="times a record may kill the process before it is parked")
    decode_s: float = Field(30.0, gt=0, description="longest decoding of one record")
    model_s: float = Field(120.0, gt=0, description="longest run of one batch in a model")
    lost_threads: int = Field(4, ge=1, description="threads lost to hanging work before the worker ends itself")
    stall_s: float = Field(60.0, ge=5, description="longest standstill of the whole process before it ends itself")
    share: float = Field(0.5, gt=0, le=1, description="of the last records, parked; over it the worker stops; 1 is off")
    share_not_events: float = Field(1.0, gt=0, le=1, description="the same for what is no event; 1 is off")
    share_of: int = Field(200, ge=1, description="how many last records a share is of")
    share_least: int = Field(20, ge=1, description="with fewer than so many the worker goes on")


class ShareLimit:
    """
    Stops a worker that would park more than a share of what it reads: then the fault is ours, not the records'.

    Args:
        what: names the records in the error.
        share: over it the worker stops; 1 never does.
    """

    def __init__(self, what: str, *, share: float, of: int, least: int) -> None:
        self._what, self._share, self._least = what, share, least
        self._last: deque[bool] = deque(maxlen=of)
        self._parked = 0

    def saw(self, good: int) -> None:
        """Note records that ended well."""
        size = self._last.maxlen or 0
        if self._parked or len(self._last) < size:  # a window full of good ones stays as it is
            for _ in range(min(good, size)):
                self._note(parked=False)

    def parked(self) -> None:
        """Note a record that is about to be parked."""
        self._note(parked=True)

    def _note(self, *, parked: bool) -> None:
        if len(self._last) == self._last.maxlen:
            self._parked -= self._last[0]
        self._last.append(parked)
        self._parked += parked

    def check(self) -> None:
        """
        Called before anything more is published.

        Raises:
            TooManyParked: over the share; nothing of the batch in hand may be published.
        """
        of = len(self._last)
        if self._share < 1 and self._parked >= self._least and self._parked > self._share * of:
            raise TooManyParked(
                f"{self._parked} of the last {of} records {self._what}, over the share of {self._share:g}: "
                "mend the deployment and start again, they are read again; or raise parking.share"
            )
