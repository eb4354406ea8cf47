"""
Every error this worker raises on purpose, by what the loop does with it.

* TidegateError                 disposition
  + NotAnEvent                  DEAD_LETTER  the record's bytes are not a valid event
  + PartUnreadable              DEGRADE      one part cannot be read; the event is decided by `otherwise.failed`
  + OverLimit                   DEGRADE      more than the tenant may send; decided by `otherwise.too_long`
  + ModelFailed                 SPLIT        a model call failed: halve the batch and try once more
  + Parked                      DEAD_LETTER  the record broke the pipeline, hung it, or killed the process
  + RecordsTooLarge             DEAD_LETTER  the queue will never take records of this size
  + PublishFailed               RETRY        the queue did not acknowledge
  + TransportUnavailable        RETRY        the queue cannot be reached just now
  + SourceUnavailable           RETRY        the policies' source cannot be read just now
  + NoCredits                   RETRY        as much is asked by HTTP as the worker takes at once
  + NotAnswered                 RETRY        a question by HTTP that ends without a decision
  + StoreFailed                 RETRY        the decision store cannot be written just now
  + PolicyRejected              KEEP_OLD     a policy does not validate or compile
  + ClientStuck                 EXIT         the queue answers, our own client does not recover: start anew
  + ConfigError                 EXIT         settings that can never work; refuse to start
  + WeightsRejected             EXIT         a model's weights are missing or not the pinned ones
  + TooManyParked               EXIT         most records would be parked: the fault is not theirs
  + WorkerHung                  EXIT         too many threads are lost to work that hangs

A message names the thing, the place and the remedy: lower case, no full stop, cause after a colon.
It never holds content: no text, pixel, sample, key or secret.
"""

from __future__ import annotations

from enum import Enum
from typing import ClassVar

from worker.core.records import Position


class Disposition(Enum):
    """What the loop does with an error."""

    DEAD_LETTER = "dead_letter"
    DEGRADE = "degrade"
    SPLIT = "split"
    RETRY = "retry"
    KEEP_OLD = "keep_old"
    EXIT = "exit"


class TidegateError(Exception):
    """Root of the tree above."""

    disposition: ClassVar[Disposition]


class NotAnEvent(TidegateError):
    """
    The record is not a valid event; retrying cannot help.

    Args:
        code: stable snake_case name of the reason, e.g. `not_json`; goes into headers and metrics.
        reason: one sentence for people, without content.
        tenant: when the envelope named one.
    """

    disposition = Disposition.DEAD_LETTER

    def __init__(self, code: str, reason: str, tenant: str | None = None) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.tenant = tenant


class PartUnreadable(TidegateError):
    """
    One part of a valid event cannot be read.

    Args:
        code: stable snake_case name, e.g. `image_truncated`; stands in the decision's `degraded`.
        reason: one sentence for people, without content.
    """

    disposition = Disposition.DEGRADE

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class OverLimit(PartUnreadable):
    """A part is larger than the tenant's limits; what fits is scored, the rest is said in `degraded`."""


class ModelFailed(TidegateError):
    """A model raised, or answered with something that is no score."""

    disposition = Disposition.SPLIT


class Parked(TidegateError):
    """
    A valid record that this worker cannot decide, for a reason that may be mended: it can be redriven.

    Args:
        code: stable snake_case name, e.g. `breaks_pipeline`; goes into headers and metrics.
        reason: one sentence for people, without content.
        stage: where it broke: envelope, event, judging, deciding, publishing.
        failures: class names of the errors of its attempts, oldest first.
    """

    disposition = Disposition.DEAD_LETTER

    def __init__(self, code: str, reason: str, *, stage: str, failures: tuple[str, ...] = ()) -> None:
        super().__init__(reason)
        self.code, self.reason, self.stage, self.failures = code, reason, stage, failures


class RecordsTooLarge(TidegateError):
    """
    Records that the queue will never take as they are; none of the publish may count as finished.

    Args:
        sources: inputs whose outputs are too large.
    """

    disposition = Disposition.DEAD_LETTER

    def __init__(self, reason: str, sources: frozenset[Position]) -> None:
        super().__init__(reason)
        self.sources = sources


class PublishFailed(TidegateError):
    """The queue did not acknowledge what was published; none of it may count as finished."""

    disposition = Disposition.RETRY


class TransportUnavailable(TidegateError):
    """The queue cannot be reached just now."""

    disposition = Disposition.RETRY


class SourceUnavailable(TidegateError):
    """The source of the policies cannot be read just now; what is in force stays."""

    disposition = Disposition.RETRY


class NoCredits(TidegateError):
    """As much is under way as the worker takes at once; who asked tries again in a moment."""

    disposition = Disposition.RETRY


class NotAnswered(TidegateError):
    """
    A question that ends without a decision.

    Args:
        code: stable snake_case name: `not_yours`, `deadline`, `stopping` or `broke`.
        reason: one sentence for people, without content.
    """

    disposition = Disposition.RETRY

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


class StoreFailed(TidegateError):
    """The decision store cannot be written just now; what it has not taken is read again from the topics."""

    disposition = Disposition.RETRY


class PolicyRejected(TidegateError):
    """
    A policy does not validate or compile; the last good one stays.

    Args:
        reason: what is wrong and how to mend it.
        file: the document's name as its source gave it, when known.
        line: 1-based line in the file, when known.
        where: path in the document, e.g. `categories.hate.block`, when known.
        code: stable snake_case name of the kind of failure, for `/status`.
    """

    disposition = Disposition.KEEP_OLD

    def __init__(
        self,
        reason: str,
        *,
        file: str | None = None,
        line: int | None = None,
        where: str | None = None,
        code: str = "policy_rejected",
    ) -> None:
        place = ":".join(str(p) for p in (file, line) if p is not None)
        super().__init__(": ".join(p for p in (place, where, reason) if p))
        self.reason, self.file, self.line, self.where, self.code = reason, file, line, where, code


class ClientStuck(TidegateError):
    """The queue answers others and not this worker's client, which did not recover: a new process will."""

    disposition = Disposition.EXIT


class ConfigError(TidegateError):
    """Settings that can never work."""

    disposition = Disposition.EXIT


class WeightsRejected(TidegateError):
    """A model's weights are missing, or their digest is not the pinned one."""

    disposition = Disposition.EXIT


class TooManyParked(TidegateError):
    """More of the last records than the share allowed would be parked."""

    disposition = Disposition.EXIT


class WorkerHung(TidegateError):
    """Work that hangs holds threads that cannot be ended; only a new process is rid of them."""

    disposition = Disposition.EXIT
