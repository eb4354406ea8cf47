"""A folder of policies read for lint: every mistake of every file, where a reload stops at a file's first."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path as Folder

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from worker.core.errors import PolicyRejected
from worker.policy.document import PolicyDocument
from worker.policy.files import FolderFiles
from worker.policy.folder import TENANTS_FILE
from worker.policy.places import Path, dotted, places
from worker.policy.reading import MAX_FILE_BYTES, Source, check_size, decode_text, rejection
from worker.policy.resolve import Resolved, resolve
from worker.policy.signing import MANIFEST
from worker.policy.tenants import read_tenants
from worker.policy.tools.findings import Edit, Finding, at_offsets, at_path
from worker.policy.tools.mends import mend_json, mend_value
from worker.policy.tools.textmap import TextMap

_MEND = "mend it as said: until then the last good version of the policy stays in force"


@dataclass(slots=True)
class Gathered:
    """A folder as lint sees it: what could be read, and what is wrong so far."""

    folder: Folder
    texts: dict[str, TextMap] = field(default_factory=dict)  # by file
    sources: dict[str, Source] = field(default_factory=dict)  # by policy id
    resolved: dict[str, Resolved] = field(default_factory=dict)  # by policy id
    findings: list[Finding] = field(default_factory=list)
    overlay: Mapping[str, str] = field(default_factory=dict)  # texts that stand for files, by file

    def rejected(self, code: str, error: PolicyRejected, mend: str = _MEND, *, value: bool = False) -> None:
        """Note why a reload would refuse a policy, with the column where the file says one."""
        file, where = error.file or "", error.where or ""
        text = self.texts.get(file) or TextMap("")
        path = text.path(where)
        if path:
            self.findings.append(at_path(code, file, text, path, error.reason, mend, value=value))
        elif error.line:
            source = text.line(error.line)
            column = len(source) - len(source.lstrip()) + 1
            self.findings.append(
                Finding(code, file, error.line, column, max(1, len(source.strip())), where, error.reason, mend, source)
            )
        else:
            self.findings.append(Finding(code, file, 0, 0, 0, where, error.reason, mend))


def gather(folder: Folder, overlay: Mapping[str, str]) -> Gathered:
    """
    Read every policy file and tenants.json, and merge each policy with its parents where that is possible.

    overlay: texts to take in place of what stands in the files of these names.

    Raises:
        OSError: the folder cannot be listed.
    """
    found = Gathered(folder, overlay=overlay)
    by_id: dict[str, list[Source]] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix == ".json" and path.name not in (TENANTS_FILE, MANIFEST) and not path.name.startswith("."):
            source = _read_policy(found, path)
            if source is not None:
                by_id.setdefault(source.document.id, []).append(source)
    for policy, sources in by_id.items():
        found.sources[policy] = sources[0]
        for source in sources if len(sources) > 1 else ():
            files = " and ".join(one.file for one in sources)
            message, mend = f"{files} both have the id {policy!r}", "give one of them another id"
            text = found.texts[source.file]
            found.findings.append(at_path("TG106", source.file, text, ("id",), message, mend, value=True))
    for source in found.sources.values():
        _merge(found, source)
    _check_tenants(found)
    return found


def _read_text(found: Gathered, path: Folder) -> TextMap | None:
    """A file's text and its JSON places; None when it is no JSON, with the reason noted."""
    file = path.name
    try:
        over = found.overlay.get(file)
        text = decode_text(FolderFiles(path.parent).read(file, MAX_FILE_BYTES), file) if over is None else over
    except PolicyRejected as error:
        found.rejected("TG101", error, "save the file as UTF-8")
        return None
    except (ValueError, OSError) as error:
        reason = f"cannot be read: {error.strerror}" if isinstance(error, OSError) else str(error)
        found.rejected("TG101", PolicyRejected(reason, file=file), "put a plain file there that can be read")
        return None
    problems = [place for place in places(text) if place.problem]
    made = found.texts[file] = TextMap(text)
    if not problems:
        try:
            json.loads(text)
        except (json.JSONDecodeError, RecursionError) as error:
            at = error.pos if isinstance(error, json.JSONDecodeError) else 0
            message = f"not JSON: {error.msg.lower()}" if isinstance(error, json.JSONDecodeError) else "nested too deep"
            found.findings.append(at_offsets("TG101", file, made, at, at + 1, "", message, mend_json(text, at)))
            return None
        return made
    for place in problems:
        where, message = dotted(place.path), str(place.problem)
        mend = "take one of them out" if place.is_key else "write a number that is one"
        found.findings.append(at_offsets("TG102", file, made, place.start, place.end, where, message, mend))
    return None


def _read_policy(found: Gathered, path: Folder) -> Source | None:
    text = _read_text(found, path)
    if text is None:
        return None
    file, tree = path.name, json.loads(text.text)
    try:
        document = PolicyDocument.model_validate(tree)
    except ValidationError as error:
        for details in error.errors(include_url=False):
            found.findings.append(_wrong(text, file, details))
        return None
    source = Source(file, text.text, tree, document)
    try:
        check_size(tree, source)
    except PolicyRejected as error:
        found.rejected("TG112", error, "give some tenants a policy of their own")
        return None
    return source


def _wrong(text: TextMap, file: str, details: ErrorDetails) -> Finding:
    """One mistake that the schema finds."""
    error = rejection(details, text.text, file)
    path: Path = tuple(step for step in details["loc"] if step != "[key]")
    kind = details["type"]
    if kind == "extra_forbidden":
        near = error.reason.partition("did you mean `")[2].partition("`")[0]
        mend = "move it there, or take it out" if "it stands" in error.reason else "take it out"
        mend = f"write `{near}`, or take it out" if near else mend
        start, end = text.nearest(path).key
        edit: Edit | None = (lambda now: now.replaced(now.spans[path].key, json.dumps(near))) if near else None
        return at_offsets("TG103", file, text, start, end, dotted(path), error.reason, mend, edit)
    if kind == "missing":
        return at_path("TG105", file, text, path, error.reason, f"add `{path[-1]}`")
    is_value = "[key]" not in details["loc"]
    return at_path("TG104", file, text, path, error.reason, mend_value(details), value=is_value)


def _merge(found: Gathered, source: Source) -> None:
    """Resolve a policy, or say which link of `extends` fails, once: at the file that holds it."""
    line, at = [source.document.id], source
    while (parent := at.document.extends) is not None:
        if parent in line:
            if parent == source.document.id:  # said at each member of the circle, not at those that only lead into it
                chain = " > ".join([*line, parent])
                found.findings.append(
                    _extends("TG108", found, source, f"`extends` runs in a circle: {chain}", "let one extend another")
                )
            return
        if parent not in found.sources:
            if at is source:
                mend = "add its file, mend it, or name another"
                message = f"there is no valid policy {parent!r} to extend"
                found.findings.append(_extends("TG107", found, source, message, mend))
            return
        line.append(parent)
        at = found.sources[parent]
    try:
        found.resolved[source.document.id] = resolve(source, found.sources)
    except PolicyRejected as error:
        found.rejected("TG112" if "categories" in error.reason else "TG104", error)


def _extends(code: str, found: Gathered, source: Source, message: str, mend: str) -> Finding:
    return at_path(code, source.file, found.texts[source.file], ("extends",), message, mend, value=True)


def _check_tenants(found: Gathered) -> None:
    """tenants.json, where there is one: its shape, and that each policy it names is there."""
    path = found.folder / TENANTS_FILE
    if not path.is_file():
        return
    text = _read_text(found, path)
    if text is None:
        return
    try:
        tenants = read_tenants(text.text, TENANTS_FILE)
    except PolicyRejected as error:
        found.rejected("TG104", error, value=True)
        return
    named: list[tuple[Path, str]] = [((tenant,), policy) for tenant, policy in tenants.policies.items()]
    named += [((tenant, "candidate", "policy"), spec.policy) for tenant, spec in tenants.candidates.items()]
    for place, policy in named:
        if policy not in found.sources:
            message = f"tenant {place[0]!r} has the policy {policy!r}, which no valid file holds"
            mend = "name a policy by its `id`, or mend its file"
            found.findings.append(at_path("TG113", TENANTS_FILE, text, place, message, mend, value=True))
