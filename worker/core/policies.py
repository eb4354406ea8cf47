"""Ports of the policy: what the pipeline asks of a tenant's policy, and what scorers are told of its categories."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol, get_args

from worker.core.decisions import Findings, Hit, Judgement, Verdict
from worker.core.streams import CallRules
from worker.core.views import Concepts, Hashes, TextSource, Thresholds

Point = Literal["high_recall", "balanced", "high_precision"]
OPERATING_POINTS: tuple[Point, ...] = get_args(Point)  # in the order of their thresholds, lowest first


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
    def calls(self) -> CallRules:
        """How its calls and conversations are cut into windows, and how windows become a state."""
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

        hashes: uint64 [F] or [F, K], 64-bit perceptual hashes of each frame, K ways to look at it.
        """
        ...

    def decide(self, findings: Sequence[Findings]) -> list[Verdict]:
        """Verdicts of a batch of events, each as it would be alone. Pure."""
        ...

    def decide_below(self, findings: Sequence[Findings]) -> list[Verdict]:
        """`decide` with every threshold `calls.clear_margin` lower, by half at most: what still backs a state."""
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
