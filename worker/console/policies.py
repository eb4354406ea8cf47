"""The policy page: the tree with its thresholds on the scores of the last decisions, and what a change would do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from worker.console.asking import tenant_of
from worker.console.draft import make_draft, source_of
from worker.console.gate import body_of
from worker.console.library import Library
from worker.console.people import Person
from worker.console.reach import Reach
from worker.console.scales import histogram, nodes_of
from worker.policy.owntests import event_of
from worker.policy.tools.cases import cases_of, results
from worker.policy.tools.lint import lint
from worker.policy.tools.loading import PolicyFolder
from worker.policy.tools.retrial import Retrial
from worker.policy.tools.tally import Tally
from worker.serve.problems import Refused
from worker.store.reading import Query

_MOST_NAMED = 200


class Policies:
    """
    Handlers for `/console/api/policies…` that change nothing.

    Args:
        write: policies may be changed from here at all.
        recent: how many decisions a page is drawn from.
    """

    def __init__(self, reach: Reach, library: Library, *, write: bool, recent: int) -> None:
        self._reach, self._library, self._write, self._recent = reach, library, write, recent

    async def every(self, _: Request, person: Person) -> Any:
        """The policies of the folder, with their tenants and what is wrong with them."""
        opened = await run_in_threadpool(self._library.opened)
        tenants = opened.folder.tenants or {}
        found = []
        for policy_id, source in sorted(opened.folder.sources.items()):
            whose = sorted(
                tenant for tenant, policy in tenants.items() if policy == policy_id and person.may_see(tenant)
            )
            document = source.document
            found.append(
                {"id": policy_id, "version": document.version, "extends": document.extends, "file": source.file}
                | {"tenants": whose, "candidates": _candidates(opened, policy_id, person)}
            )
        errors = [{"file": file, "message": str(error)} for file, error in sorted(opened.folder.errors.items())]
        return {"policies": found, "errors": errors, "write": self._write and person.write}

    async def one(self, request: Request, person: Person) -> Any:
        """A policy's tree on the histogram of the last scores, its lint and its text."""
        return await run_in_threadpool(self._one, request.path_params["id"], person)

    def _one(self, policy_id: str, person: Person) -> Any:
        opened = self._library.opened()
        source = source_of(opened, policy_id)
        tree = self._library.tree(opened, policy_id)
        decisions = self._decisions(opened, policy_id, person)
        return {
            "id": policy_id,
            "version": source.document.version,
            "extends": source.document.extends,
            "file": source.file,
            "text": source.text,
            "nodes": nodes_of(tree),
            "histogram": histogram(tree, decisions),
            "decisions": len(decisions),
            "lint": self._lint(source.file, source.text),
            "tests": len(source.document.tests or []),
            "write": self._write and person.write,
        }

    async def trial(self, request: Request, person: Person) -> Any:
        """What `thresholds` would do: how many of the last decisions change, which, and the review load a day."""
        said = await body_of(request)
        return await run_in_threadpool(self._trial, request.path_params["id"], said, person)

    def _trial(self, policy_id: str, said: Mapping[str, Any], person: Person) -> Any:
        opened = self._library.opened()
        draft = make_draft(self._library, opened, policy_id, said)
        decisions = self._decisions(opened, policy_id, person)
        policy = self._library.compile_draft(draft.folder, policy_id)
        tally = Tally()
        answers = Retrial(policy, self._library.known()).decide(decisions)
        changed = list[dict[str, str]]()
        for decision, answer in zip(decisions, answers, strict=True):
            tally.count(decision, answer)
            if answer.action is not None and answer.action.label != decision["action"] and len(changed) < _MOST_NAMED:
                names = {"id": decision["id"], "event": decision["event_id"]}
                changed.append(names | {"from": decision["action"], "to": answer.action.label})
        tree = self._library.tree(draft.folder, policy_id)
        return {
            "tally": tally.as_json(),
            "changed": changed,
            "nodes": nodes_of(tree),
            "lint": self._lint(draft.source.file, draft.text),
            "patch": draft.patch,
        }

    async def tests(self, request: Request, person: Person) -> Any:
        """The policy's own tests, under the draft, by the models at hand."""
        if self._reach.desk is None or self._reach.concepts is None:
            raise Refused(409, "no_models", "no models are at hand here: run `tidegate policy test`")
        said = await body_of(request)
        opened = await run_in_threadpool(self._library.opened)
        draft = await run_in_threadpool(make_draft, self._library, opened, request.path_params["id"], said)
        policy = await run_in_threadpool(self._library.compile_draft, draft.folder, draft.policy_id)
        resolved = draft.folder.resolved(draft.policy_id)
        events = [event_of(case) for case in cases_of(resolved)]
        judged = await self._reach.desk.judge(events, policy) if events else []
        tree = await run_in_threadpool(self._library.tree, draft.folder, draft.policy_id)
        return {"cases": [one.as_json() for one in results(resolved, tree, judged)]}

    def _decisions(self, opened: PolicyFolder, policy_id: str, person: Person) -> list[dict[str, Any]]:
        """The last decisions of the policy's tenants, newest first."""
        if self._reach.store is None:
            return []
        tenant = tenant_of(None, person) if person.tenants is None or len(person.tenants) == 1 else None
        rows = self._reach.store.find(Query(tenant=tenant, limit=self._recent))
        said = (row.decision for row in rows if person.may_see(row.tenant))
        return [one for one in said if one["policy"]["id"] == policy_id]

    def _lint(self, file: str, text: str) -> list[dict[str, Any]]:
        assert self._library.folder is not None
        return [one.as_json() for one in lint(self._library.folder, [file], {file: text})]


def _candidates(opened: PolicyFolder, policy_id: str, person: Person) -> list[dict[str, Any]]:
    tenants = opened.folder.tenants or {}
    return [
        {"tenant": tenant, "policy": spec.policy, "share": spec.share, "until": spec.until.isoformat()}
        for tenant, spec in opened.folder.candidates.items()
        if tenants.get(tenant) == policy_id and person.may_see(tenant)
    ]
