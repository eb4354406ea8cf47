"""A resolved document to a policy that decides: checked across its parts, flat, immutable, captured once an event."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as Folder

from worker.core.decisions import Action, Findings, Hit, Verdict
from worker.core.errors import PolicyRejected
from worker.core.ports import ConceptCompiler, Policy
from worker.core.streams import CallRules
from worker.core.views import Concepts, Hashes, TextSource, Thresholds
from worker.policy.adopt import adopted
from worker.policy.basis import Basis, basis
from worker.policy.calls import below, call_rules
from worker.policy.conditions import Conditions, Outcomes, compile_conditions
from worker.policy.document import LimitsSpec, Otherwise, When
from worker.policy.dsa import Dsa, inherited
from worker.policy.evaluate import ALLOW, Judge, decide, levels, triggers
from worker.policy.files import Files, FolderFiles
from worker.policy.images import ImageList, match_images
from worker.policy.lists import Listed, read_lists
from worker.policy.places import Path
from worker.policy.resolve import Resolved, digest
from worker.policy.terms import Matcher, SpanBack, TermList
from worker.policy.tree import Candidates, Node, Own, Slot, bare, build, fields_of, flatten, has_points, own_fields

_MAX_JUDGES = 256  # sets of condition outcomes kept; a policy with more of them builds some again
_DEFAULT_FALLBACKS: dict[str, str] = {"failed": "flag", "late": "score", "language": "score", "too_long": "flag"}


@dataclass(frozen=True, slots=True)
class CategoryConcept:
    """What a scorer may know of a category (port `CategorySpec`)."""

    path: str
    definition: str | None
    violating: tuple[str, ...]
    allowed: tuple[str, ...]
    detectors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ceilings:
    """A tenant's limits (port `Limits`); a field the policy leaves out has the value here."""

    text_chars: int = 100_000
    image_pixels: int = 50_000_000
    image_bytes: int = 20_000_000
    audio_s: float = 300.0
    audio_bytes: int = 60_000_000
    parts: int = 32
    events_per_s: float | None = None
    weight: float = 1.0


class CompiledPolicy:
    """One policy, ready to decide (port `Policy`). Made by `compile_policy`; used from the loop's thread."""

    def __init__(
        self,
        resolved: Resolved,
        nodes: tuple[Node, ...],
        own: Own,
        lists: Sequence[Listed],
        conditions: Conditions,
        own_digest: str,
        concepts: Mapping[str, Concepts],
        points: Thresholds | None = None,
    ) -> None:
        document = resolved.document
        self.id, self.version, self.digest = document.id, document.version, own_digest
        self.categories = tuple(node.path for node in nodes)
        self.limits = Ceilings(**(document.limits or LimitsSpec()).model_dump(exclude_none=True))
        self.events_per_s, self.weight = self.limits.events_per_s, self.limits.weight
        self.context_fields, self.stream_fields = conditions.context_fields, conditions.stream_fields
        self.severe = _inherited_flag(nodes, "severe")
        self.restricted = _inherited_flag(nodes, "restricted")
        self.lists = tuple(lists)
        self.calls: CallRules = call_rules(resolved)
        self.basis: Basis = basis(
            concepts_of(nodes, document.when or ()), [listed.search for listed in lists], self.limits
        )
        self._otherwise: dict[str, str] = _DEFAULT_FALLBACKS | (document.otherwise or Otherwise()).model_dump(
            exclude_none=True
        )
        self._nodes, self._index = bare(nodes), {node.path: i for i, node in enumerate(nodes)}
        self._levels = levels(nodes)
        self._own, self._points = own, points
        self._dsa = inherited(nodes)
        self._whens = tuple(document.when or ())
        self._whens_from = resolved.origin(("when",))
        self._conditions = conditions
        self._matcher = Matcher([listed for listed in lists if isinstance(listed, TermList)])
        self._images = tuple(listed for listed in lists if isinstance(listed, ImageList))
        self._concepts = dict(concepts)
        self._judges: dict[Outcomes, Judge] = {}
        self._below: dict[int, tuple[Judge, Judge]] = {}  # by the id of the judge that it is made of, which it keeps
        self._unconditional = None if conditions else self._judge(())

    def concepts(self, scorer: str) -> Concepts | None:
        """What `scorer` looks for under this policy; None when it has nothing to look for."""
        return self._concepts.get(scorer)

    def match(self, source: TextSource, normalised: str | None = None, span_back: SpanBack | None = None) -> list[Hit]:
        """The first entry of each list in a text, as written, else normalised; evidence points into the original."""
        return self._matcher.match(source, normalised, span_back) if self._matcher else []

    @property
    def knows_pictures(self) -> bool:
        """True when it has lists of pictures to match."""
        return bool(self._images)

    def match_images(self, path: str, hashes: Hashes) -> list[Hit]:
        """One hit for each list that holds a picture like a frame (uint64 [F]) of the part at `path`."""
        return match_images(self._images, path, hashes)

    def decide(self, findings: Sequence[Findings]) -> list[Verdict]:
        """Verdicts of a batch of events, each as it would be alone. Pure."""
        return decide([self.judge(found) for found in findings], findings)

    def judge(self, found: Findings) -> Judge | None:
        """The tree as it stands for an event, by what the conditions say of it; None when there is nothing to judge."""
        if found.scores is None and not found.hits:
            return None
        return self._unconditional or self._judge(self._conditions.outcomes(found))

    def judges(self, found: Findings, unknown: Collection[str]) -> list[Judge]:
        """The tree in every way it may stand for an event of which some fields are not known; empty if too many."""
        return [self._judge(outcomes) for outcomes in self._conditions.possible(found, unknown)]

    def decide_below(self, findings: Sequence[Findings]) -> list[Verdict]:
        """`decide` with every threshold `calls.clear_margin` lower, by half at most: what still backs a state."""
        return decide([self._lower(self.judge(found)) for found in findings], findings)

    def adopt(self, findings: Findings, categories: Sequence[str]) -> Findings:
        """What was found under a policy of the same basis, with these categories, as this one would have found it."""
        return adopted(findings, categories, self.categories, self.lists)

    def otherwise(self, rule: str) -> str:
        """What to do for `failed`, `too_long`, `late` or `language`: "allow", "flag", "block" or "score"."""
        return self._otherwise[rule]

    def dsa(self, category: str) -> Dsa | None:
        """What a statement of reasons for `category` says, its ancestors' fields included; None when nothing does."""
        return self._dsa.get(category)

    def _lower(self, judge: Judge | None) -> Judge | None:
        if judge is None:
            return None
        found = self._below.get(id(judge))
        if found is None:
            if len(self._below) >= _MAX_JUDGES:
                self._below.clear()
            found = self._below[id(judge)] = (judge, below(judge, self.calls.clear_margin, self._levels))
        return found[1]

    def _judge(self, outcomes: Outcomes) -> Judge:
        judge = self._judges.get(outcomes)
        if judge is None:
            if len(self._judges) >= _MAX_JUDGES:
                self._judges.clear()
            own = self._own_under(outcomes)
            notes = tuple(
                f"when[{i}] failed and took its stricter side" for i, said in enumerate(outcomes) if said is None
            )
            arrays = build(self._nodes, own, self._points)
            clear = Verdict(Action.ALLOW, notes=notes) if notes else ALLOW
            judge = Judge(self._nodes, self._index, arrays, triggers(arrays, self._levels), clear)
            self._judges[outcomes] = judge
        return judge

    def _own_under(self, outcomes: Outcomes) -> dict[Slot, Candidates]:
        """Each node's own fields with what the conditions set, in document order; a failed one adds a candidate."""
        own = dict(self._own)
        for number, (when, said) in enumerate(zip(self._whens, outcomes, strict=True)):
            if said is False:
                continue
            for path, setting in when.set_.items():
                for slot, value, inside in fields_of(self._index[path], setting):
                    where = ".".join((f"{self._whens_from}:when[{number}]", path, *inside[:-1]))
                    before = own.get(slot, (None,)) if said is None else ()
                    own[slot] = (*before, (value, where))
        return own


def decide_each(policies: Sequence[Policy], findings: Sequence[Findings]) -> list[Verdict]:
    """Verdicts of a batch, `findings[i]` under `policies[i]`, in one go: fast however many policies there are. Pure."""
    judges = [policy.judge(found) for policy, found in zip(policies, findings, strict=True)]
    return decide(judges, findings)


def compile_policy(resolved: Resolved, files: Files | Folder, concept_compiler: ConceptCompiler) -> CompiledPolicy:
    """
    Check the document across its parts, read its lists and prepare what its scorers look for. Slow: off the loop.

    files: the set that its lists stand in, or a folder.

    Raises:
        PolicyRejected: with the file, line and path of what is wrong.
    """
    if isinstance(files, Folder):
        files = FolderFiles(files)
    return compile_parts(resolved, read_lists(resolved, files), concept_compiler)


def policy_digest(resolved: Resolved, lists: Sequence[Listed]) -> str:
    """The digest a policy will carry once compiled."""
    return digest(resolved.tree, {listed.name: listed.digest for listed in lists if listed.spec.list_})


def compile_parts(resolved: Resolved, lists: Sequence[Listed], concept_compiler: ConceptCompiler) -> CompiledPolicy:
    """`compile_policy` for lists that are read already."""
    document = resolved.document
    nodes = flatten(document.categories)
    for unknown in unknown_categories(resolved, {node.path for node in nodes}):
        raise unknown
    conditions = compile_conditions(document.when or (), resolved)
    wanted = concepts_of(nodes, document.when or ())
    settings = [setting for when in document.when or () for setting in when.set_.values()]
    own = own_fields(resolved, nodes)
    points = concept_compiler.points(wanted) if has_points(own, settings) else None
    concepts = concept_compiler.compile(wanted)
    return CompiledPolicy(resolved, nodes, own, lists, conditions, policy_digest(resolved, lists), concepts, points)


def concepts_of(nodes: Sequence[Node], whens: Sequence[When]) -> tuple[CategoryConcept, ...]:
    """A concept for every node, in order; an empty one where the node is off for good, so nothing is spent on it."""
    switchable = any(setting.mode or setting.on for when in whens for setting in when.set_.values())
    switchable = switchable or any(node.spec.on for node in nodes)
    found: list[CategoryConcept] = []
    off: list[bool] = []
    for node in nodes:
        inherited = off[node.parent] if node.parent >= 0 else False
        off.append(node.spec.mode == "off" if node.spec.mode else inherited)
        if off[-1] and not switchable:
            found.append(CategoryConcept(node.path, None, (), (), ()))
            continue
        examples = node.spec.examples
        violating = tuple((examples.violating if examples else None) or ())
        allowed = tuple((examples.allowed if examples else None) or ())
        detectors = tuple(node.spec.detectors or ())
        found.append(CategoryConcept(node.path, node.spec.definition, violating, allowed, detectors))
    return tuple(found)


def unknown_categories(resolved: Resolved, known: Container[str]) -> Iterator[PolicyRejected]:
    """An error for every category that a list, condition or test names and that is not there."""
    document = resolved.document
    named: list[tuple[Path, str]] = []
    named += [(("terms", i, "category"), terms.category) for i, terms in enumerate(document.terms or ())]
    named += [(("images", i, "category"), images.category) for i, images in enumerate(document.images or ())]
    named += [(("when", i, "set", path), path) for i, when in enumerate(document.when or ()) for path in when.set_]
    named += [(("tests", i, "category"), t.category) for i, t in enumerate(document.tests or ()) if t.category]
    for place, category in named:
        if category not in known:
            yield resolved.reject(f"there is no category {category!r}: name one by its whole path", place)


def _inherited_flag(nodes: Sequence[Node], name: str) -> frozenset[str]:
    """Paths of the nodes for which `name` is true, by themselves or by their nearest ancestor that says."""
    said: list[bool] = []
    for node in nodes:
        own = getattr(node.spec, name)
        said.append(own if own is not None else (said[node.parent] if node.parent >= 0 else False))
    return frozenset(node.path for node, true in zip(nodes, said, strict=True) if true)
