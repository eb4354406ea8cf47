"""
Compiles what changed and nothing else: each policy is remembered with all that it was made of and what came of it.

A thousand tenants may extend one policy, and one of them changes. So whether a policy is still what it was is told by
identity of the documents in its line of `extends` (the reading keeps them) and by the digests of its lists.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import structlog

from worker.core.errors import PolicyRejected, TidegateError
from worker.core.ports import ConceptCompiler
from worker.policy.compile import CompiledPolicy, compile_policy
from worker.policy.document import PolicyDocument
from worker.policy.files import FileSet, SetFile
from worker.policy.folder import TENANTS_FILE, Folder, Parsed, read_set
from worker.policy.lastgood import Good, GoodSet
from worker.policy.reading import Source
from worker.policy.resolve import Resolved, resolve

_TURN_S = 0.1  # so long a run of compiling may last before the loop hears of what is done
_FEW = 8  # policies; more than that are compiled with pauses, since traffic needs the interpreter too

log = structlog.get_logger(__name__)

Line = tuple[Source | str, ...]  # a policy's documents up to the root; a string for a parent that is not there


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    What came of compiling one policy.

    policy: None when `error` says why there is none. made_of: its files, by name, to compile it again from.
    passing: the cause may go away without any file changing.
    """

    source: Source
    line: Line
    lists: Mapping[str, str | None]
    policy: CompiledPolicy | None = None
    error: PolicyRejected | None = None
    made_of: Mapping[str, SetFile] | None = None
    passing: bool = False


class Recompiler:
    """
    Used by one thread at a time; never on the loop's, but for `remember`.

    Args:
        in_force: by id, the policies that are; looked up, never changed.
    """

    def __init__(self, concept_compiler: ConceptCompiler, in_force: Mapping[str, CompiledPolicy]) -> None:
        self._concepts, self._in_force = concept_compiler, in_force
        self._parsed: Parsed = {}
        self.known: dict[str, Outcome] = {}  # by policy id

    def read(self, files: FileSet) -> tuple[Folder, list[str]]:
        """The set, read, and the ids of the policies that must be compiled, parents first."""
        folder = read_set(files, self._parsed)
        self._parsed = folder.parsed
        for gone in self.known.keys() - folder.sources.keys():
            del self.known[gone]
        changed = [policy_id for policy_id in folder.sources if not self._stands(policy_id, folder, files)]
        return folder, sorted(changed, key=lambda policy_id: len(_line(folder.sources[policy_id], folder.sources)))

    def remember(self, outcome: Outcome) -> None:
        """Keep what came of a policy until one of its files changes."""
        self.known[outcome.source.document.id] = outcome

    def compile(self, wanted: list[str], folder: Folder, files: FileSet, *, gently: bool) -> Iterator[list[Outcome]]:
        """
        Outcomes of `wanted`, a few at a time; each is to be given to `remember`.

        gently: rest as long as was worked when there is much to do, so that the loop has the interpreter half the time.
        """
        rest = gently and len(wanted) > _FEW
        turn: list[Outcome] = []
        began = time.monotonic()
        for policy_id in wanted:
            started = time.monotonic()
            turn.append(self.one(folder.sources[policy_id], folder.sources, files))
            ended = time.monotonic()
            if rest:
                time.sleep(ended - started)
            if ended - began > _TURN_S:
                yield turn
                turn, began = [], time.monotonic()
        yield turn

    def restore(self, goods: Mapping[str, Good]) -> Iterator[Outcome]:
        """Outcomes of policies from the very files that they were last good with, each with a set of its own."""
        for policy_id, good in goods.items():
            files = FileSet(good.files)
            folder = read_set(files, self._parsed)
            self._parsed |= folder.parsed
            source = folder.sources.get(policy_id)
            outcome = None if source is None else self.one(source, folder.sources, files)
            if outcome is None or outcome.policy is None:
                reason = outcome.error if outcome else folder.errors.get(good.file)
                log.error("policies.last_good_damaged", policy=policy_id, reason=str(reason), effect="not used")
            else:
                yield outcome

    def tenants(self, saved: GoodSet) -> Folder:
        """The saved set's tenants.json, read."""
        return read_set(FileSet({TENANTS_FILE: saved.tenants} if saved.tenants else {}), {})

    def one(self, source: Source, sources: Mapping[str, Source], files: FileSet) -> Outcome:
        """What comes of one policy."""
        line, lists = _line(source, sources), dict[str, str | None]()
        try:
            resolved = resolve(source, sources)
            lists = {name: files.sha256(name) for name in _list_names(resolved.document)}
            policy = compile_policy(resolved, files, self._concepts)
        except PolicyRejected as error:
            return Outcome(source, line, lists, error=error)
        except TidegateError as error:  # a model failed while it read the examples
            rejected = PolicyRejected(f"cannot be compiled: {error}", file=source.file, code="model_failed")
            return Outcome(source, line, lists, error=rejected, passing=True)
        return Outcome(source, line, lists, self._same(policy), made_of=_made_of(resolved, lists, files))

    def _same(self, policy: CompiledPolicy) -> CompiledPolicy:
        """The policy in force where nothing that counts has changed, so that a new blank line is no new version."""
        before = self._in_force.get(policy.id)
        return before if before is not None and before.digest == policy.digest else policy

    def _stands(self, policy_id: str, folder: Folder, files: FileSet) -> bool:
        known = self.known.get(policy_id)
        if known is None or known.passing:
            return False
        line = _line(folder.sources[policy_id], folder.sources)
        if len(line) != len(known.line) or any(a is not b and a != b for a, b in zip(line, known.line, strict=True)):
            return False
        return all(files.sha256(name) == digest for name, digest in known.lists.items())


def _line(source: Source, sources: Mapping[str, Source]) -> Line:
    """The documents that `resolve` would look at; ends at a parent that is missing or was there before."""
    line: list[Source | str] = [source]
    seen = {source.document.id}
    while (parent := source.document.extends) is not None and parent not in seen:
        if parent not in sources:
            return (*line, parent)
        source = sources[parent]
        line.append(source)
        seen.add(parent)
    return tuple(line)


def _list_names(document: PolicyDocument) -> list[str]:
    return [spec.list_ for spec in (*(document.terms or ()), *(document.images or ())) if spec.list_]


def _made_of(resolved: Resolved, lists: Mapping[str, str | None], files: FileSet) -> dict[str, SetFile]:
    names = [*(source.file for source in resolved.sources.values()), *lists]
    return {name: file for name in names if (file := files.find(name)) is not None}
