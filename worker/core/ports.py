"""Ports: where the pipeline meets the stages. Each is a slice that one caller needs, nothing more."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, Protocol, get_args

from worker.core.decisions import Findings, Hit, Judgement, Verdict
from worker.core.events import Event
from worker.core.records import Draft, Order, Outgoing, Partition, Position, Record, TransportHealth
from worker.core.views import Concepts, Floats, Hashes, ModelRef, TextSource, Thresholds, View, ViewKind

Point = Literal["high_recall", "balanced", "high_precision"]
OPERATING_POINTS: tuple[Point, ...] = get_args(Point)  # in the order of their thresholds, lowest first

Revoked = Callable[[frozenset[Partition]], Awaitable[None]]
NO_MARKS: Mapping[Partition, str] = MappingProxyType({})


class Transport(Protocol):
    """
    A queue: polled by the intake, published to and committed by the outlet. One conformance suite holds every
    implementation to these words (`tests/conformance/test_transport.py`).
    """

    @property
    def order(self) -> Order: ...

    async def start(self, on_revoked: Revoked) -> None:
        """
        Connect and join; waits for a queue that is away, saying so, and never raises for that.

        on_revoked is awaited before partitions go to another worker: when it returns they are drained and committed.

        Raises:
            ConfigError: settings, topics or permissions that waiting cannot mend.
        """
        ...

    async def poll(self, *, max_records: int, timeout_s: float) -> Sequence[Record]:
        """
        Up to `max_records` records, in offset order within a partition; empty after `timeout_s` without any.

        `max_records=0` keeps the membership alive and gives nothing: the way to wait without credits.
        Never cancelled by the caller. A queue that is away gives nothing until it is back.
        """
        ...

    def marks(self) -> Mapping[Partition, str]:
        """The mark that stood beside the committed offset of each assigned partition when it came; "" for none."""
        ...

    async def publish(
        self, outgoing: Sequence[Outgoing], offsets: Mapping[Partition, int], marks: Mapping[Partition, str] = NO_MARKS
    ) -> None:
        """
        Publish, in order for each (topic, partition); returns when all in-sync replicas have all of it.

        offsets: for `Order.BY_PARTITION`, the next offset to read of each partition that `outgoing` completes,
        stored in the same transaction. Empty for `Order.BY_KEY`, which commits later.
        marks: as for `commit`.

        Raises:
            PublishFailed: none of it may count as finished; publishing the same again is safe.
        """
        ...

    async def commit(self, offsets: Mapping[Partition, int], marks: Mapping[Partition, str] = NO_MARKS) -> None:
        """
        Store the next offset to read. Bounded in time; does nothing for `Order.BY_PARTITION`.

        marks: at most 1,000 characters kept beside each offset; one that is not named loses what it had.

        Raises:
            TransportUnavailable: not stored; the caller keeps the offsets for the next call.
        """
        ...

    def health(self) -> TransportHealth: ...

    async def stop(self) -> None:
        """Leave and close, in bounded time. Commits nothing."""
        ...


class Sender(Protocol):
    """Appends to topics from outside the worker: `tidegate send`, the demo, tests."""

    async def start(self) -> None:
        """Connect. Raises TransportUnavailable when nothing answers, ConfigError for what waiting cannot mend."""
        ...

    async def send(self, drafts: Sequence[Draft]) -> Sequence[Position]:
        """
        Append in order for each partition; returns where each draft now stands, when all in-sync replicas have it.

        Raises:
            PublishFailed: some may stand, some not; sending the same again is safe but for repeats.
        """
        ...

    async def stop(self) -> None:
        """Close, in bounded time."""
        ...


class Tail(Protocol):
    """Reads topics without a group and without committing: `tidegate watch`, tests."""

    async def start(self) -> None:
        """Connect. Raises TransportUnavailable when nothing answers, ConfigError for what waiting cannot mend."""
        ...

    async def read(self, *, max_records: int, timeout_s: float) -> Sequence[Record]:
        """Up to `max_records` new records, in offset order within a partition; empty after `timeout_s` without any."""
        ...

    async def caught_up(self) -> bool:
        """True when `read` has given all that stood in the topics at `start`."""
        ...

    async def stop(self) -> None:
        """Close, in bounded time."""
        ...


class Decoder(Protocol):
    """Bytes to events. Pure but for the CPU it takes: media are decoded where the caller runs it."""

    def envelope(self, record: Record) -> Envelope:
        """
        Read the envelope; cheap, no media touched.

        Raises:
            NotAnEvent: with a code and a reason for the dead letter's headers.
        """
        ...

    def event(self, envelope: Envelope, limits: Limits, *, received: float) -> Event:
        """Decode the parts within the tenant's limits. Never raises: what cannot be read stands in `degraded`."""
        ...


class Envelope(Protocol):
    """A validated envelope whose media are still encoded."""

    @property
    def id(self) -> str: ...

    @property
    def tenant(self) -> str: ...

    @property
    def order_key(self) -> str:
        """Tenant with `stream.id`, else `context.actor`, else the event's id: decisions of one key keep their order."""
        ...

    @property
    def deadline_ms(self) -> int | None:
        """Milliseconds from the queue's stamp after which it is late; None when it names none."""
        ...

    @property
    def decoded_bytes(self) -> int:
        """What the event will take in memory with all its views: bytes, from headers, an upper bound."""
        ...

    @property
    def heavy(self) -> bool:
        """True when decoding belongs in a thread: pictures, sound, long texts."""
        ...


class Limits(Protocol):
    """A tenant's ceilings, from its policy; the worker's own settings are the outer bound."""

    @property
    def text_chars(self) -> int: ...

    @property
    def image_pixels(self) -> int: ...

    @property
    def image_bytes(self) -> int: ...

    @property
    def audio_s(self) -> float: ...

    @property
    def audio_bytes(self) -> int: ...

    @property
    def parts(self) -> int: ...


class Policy(Protocol):
    """One tenant's compiled policy: an immutable snapshot, captured when an event is admitted."""

    @property
    def id(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def digest(self) -> str:
        """ "sha256:…" of the canonical resolved document with its lists' digests."""
        ...

    @property
    def categories(self) -> tuple[str, ...]:
        """Category paths, in the order of the columns of scores; parents before children."""
        ...

    @property
    def limits(self) -> Limits: ...

    @property
    def events_per_s(self) -> float | None:
        """How many events a second of each of its tenants models look at, over all workers; None: no limit."""
        ...

    @property
    def weight(self) -> float:
        """What each of its tenants gets of the models, against others that wait, above 0."""
        ...

    @property
    def severe(self) -> frozenset[str]:
        """Paths of the categories marked `severe`, by themselves or by an ancestor."""
        ...

    @property
    def context_fields(self) -> tuple[str, ...]:
        """The context fields that its conditions read, e.g. `audience`, `attributes.level`."""
        ...

    @property
    def stream_fields(self) -> tuple[str, ...]:
        """The fields of `stream` that its conditions read, e.g. `final`."""
        ...

    @property
    def basis(self) -> Basis:
        """What its findings rest on beside its thresholds: definitions, lists, limits."""
        ...

    def concepts(self, scorer: str) -> Concepts | None:
        """What `scorer` looks for under this policy; None when it has nothing to look for."""
        ...

    def match(
        self, source: TextSource, normalised: str | None, span_back: Callable[[int, int], tuple[int, int]] | None
    ) -> list[Hit]:
        """
        The first entry of each list in a text, as written, else normalised; evidence points into the original.

        span_back: characters [start, end) of `normalised` to those of the source's text.
        """
        ...

    @property
    def knows_pictures(self) -> bool:
        """True when it has lists of pictures to match."""
        ...

    def match_images(self, path: str, hashes: Hashes) -> list[Hit]:
        """
        One hit for each list that holds a picture like a frame of the part at `path`, at the nearest frame.

        hashes: uint64 [F], the 64-bit perceptual hash of each frame.
        """
        ...

    def decide(self, findings: Sequence[Findings]) -> list[Verdict]:
        """Verdicts of a batch of events, each as it would be alone. Pure."""
        ...

    def judge(self, found: Findings) -> Any:
        """Its tree as it stands under the event's conditions: opaque, for `DecideEach`."""
        ...

    def adopt(self, findings: Findings, categories: Sequence[str]) -> Findings:
        """What was found under a policy of the same basis, with these categories, as this one would have found it."""
        ...

    def otherwise(self, rule: str) -> str:
        """What to do for `failed`, `too_long`, `late` or `language`: "allow", "flag", "block" or "score"."""
        ...


class DecideEach(Protocol):
    """Decides a batch that is spread over many policies, at once."""

    def __call__(self, policies: Sequence[Policy], findings: Sequence[Findings]) -> list[Verdict]:
        """Verdicts of `findings[i]` under `policies[i]`, each as it would be alone. Pure."""
        ...


class Basis(Protocol):
    """What was asked of models and lists: two policies with one basis find the same in every event."""

    @property
    def digest(self) -> str:
        """16 hexadecimal digits."""
        ...

    @property
    def concepts(self) -> Mapping[str, str]:
        """By category path, a fingerprint of what scorers may know of it."""
        ...


class PolicyBook(Protocol):
    """Which policy a tenant has now."""

    def of(self, tenant: str) -> Policy | None:
        """The tenant's policy, else that of `"*"`, else None."""
        ...

    def candidate_of(self, tenant: str, event_id: str) -> Policy | None:
        """The policy to try on an event beside the live one, without acting; None for most."""
        ...


class EventJudge(Protocol):
    """Judges events that come from inside, through the lanes of the traffic: `pipeline/desk.py`."""

    async def judge(self, events: Sequence[bytes], policy: Policy) -> list[Judgement]:
        """
        What `policy` says of each event.v1, in order; nothing is published.

        Raises:
            NotAnEvent: one of them is no event.v1; then none of them is judged.
        """
        ...


class CategorySpec(Protocol):
    """What a scorer may know of a category when it compiles its concepts."""

    @property
    def path(self) -> str: ...

    @property
    def definition(self) -> str | None: ...

    @property
    def violating(self) -> Sequence[str]: ...

    @property
    def allowed(self) -> Sequence[str]: ...

    @property
    def detectors(self) -> Sequence[str]:
        """Labels of detectors whose score counts for the category, e.g. `nsfw`."""
        ...


class ConceptCompiler(Protocol):
    """Turns categories into what a scorer looks for; called when a policy is compiled, off the loop."""

    def compile(self, categories: Sequence[CategorySpec]) -> Mapping[str, Concepts]:
        """By scorer name. Deterministic: the same categories and models give the same concepts."""
        ...

    def points(self, categories: Sequence[CategorySpec]) -> Thresholds | None:
        """
        The operating points as thresholds: float64 [3, 3, C], by point in the order of `OPERATING_POINTS`, type of
        part and category; NaN where nothing scores, None when nothing scores anything. As deterministic as `compile`.
        """
        ...


class Scorer(Protocol):
    """A model that judges views. Called in the device thread with one batch at a time."""

    @property
    def ref(self) -> ModelRef: ...

    @property
    def kind(self) -> ViewKind: ...

    def score(self, views: Sequence[View], concepts: Sequence[Concepts]) -> list[Floats]:
        """
        For each view, float32 [C] probabilities in [0, 1], C the number of the policy's categories; NaN where this
        scorer has no opinion. A score never depends on the view's neighbours beyond float rounding.

        Raises:
            ModelFailed: the batch cannot be scored; the caller splits it.
        """
        ...


class Extractor(Protocol):
    """A model that reads text out of views: OCR, speech recognition."""

    @property
    def ref(self) -> ModelRef: ...

    @property
    def kind(self) -> ViewKind: ...

    def extract(self, views: Sequence[View]) -> list[TextSource]:
        """For each view its text; empty text when there is none. Raises ModelFailed."""
        ...


class Tokenizer(Protocol):
    """Turns texts into the text model's tokens, without special tokens."""

    @property
    def window_tokens(self) -> int:
        """How many tokens one view may have."""
        ...

    def encode(self, texts: Sequence[str]) -> list[tuple[Any, Any]]:
        """For each text: int32 [n] ids, int32 [n, 2] character offsets."""
        ...


__all__ = [
    "NO_MARKS",
    "OPERATING_POINTS",
    "Basis",
    "CategorySpec",
    "ConceptCompiler",
    "DecideEach",
    "Decoder",
    "Envelope",
    "EventJudge",
    "Extractor",
    "Limits",
    "Point",
    "Policy",
    "PolicyBook",
    "Revoked",
    "Scorer",
    "Sender",
    "Tail",
    "Tokenizer",
    "Transport",
]
