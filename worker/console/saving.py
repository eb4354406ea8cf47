"""Policies changed from the console: a candidate beside the live one, or the file itself; who and why is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from worker.console.draft import make_draft, source_of
from worker.console.gate import body_of
from worker.console.library import Library
from worker.console.patching import next_version
from worker.console.people import Person
from worker.console.reach import Reach
from worker.core.clock import Clock
from worker.core.errors import ConfigError
from worker.policy.folder import TENANTS_FILE
from worker.policy.tenants import EVERYONE
from worker.serve.problems import Refused

_LONGEST_WHY = 500


class Saving:
    """Handlers for `/console/api/policies/{id}/candidate` and `publish`, one at a time."""

    def __init__(self, reach: Reach, library: Library, clock: Clock, *, write: bool) -> None:
        self._reach, self._library, self._clock, self._write = reach, library, clock, write
        self._writing = asyncio.Lock()

    async def candidate(self, request: Request, person: Person) -> Any:
        """Save the draft beside the live policy, for a share of a tenant's traffic, acting on nothing."""
        said, why = await self._allowed(request, person)
        tenant, share, days = str(said.get("tenant") or EVERYONE), said.get("share", 1.0), said.get("days", 7)
        if not person.may_see(tenant):
            raise Refused(403, "not_yours", "this tenant is not yours to change")
        if type(share) not in (int, float) or not 0 < share <= 1 or type(days) is not int or not 0 < days <= 90:
            raise Refused(422, "bad_candidate", "a share is above 0 and at most 1, days are 1 to 90")
        policy_id = request.path_params["id"]
        async with self._writing:
            opened = await run_in_threadpool(self._library.opened)
            draft = await run_in_threadpool(make_draft, self._library, opened, policy_id, said)
            await run_in_threadpool(self._library.compile_draft, draft.folder, policy_id)
            tenants = opened.folder.tenants or {}
            if tenants.get(tenant, tenants.get(EVERYONE)) != policy_id:
                raise Refused(422, "bad_candidate", f"tenant {tenant} has another policy")
            name = f"{policy_id}-candidate"
            version = next_version(draft.source.document.version, self._now())
            beside = {"id": name, "version": version, "extends": policy_id, **draft.patch}
            until = (self._now() + timedelta(days=days)).isoformat(timespec="seconds")
            spec = {"policy": policy_id, "candidate": {"policy": name, "share": share, "until": until}}
            table = orjson.loads((opened.path / TENANTS_FILE).read_bytes()) | {tenant: spec}
            await run_in_threadpool(_write, opened.path, f"{name}.json", _pretty(beside))
            await run_in_threadpool(_write, opened.path, TENANTS_FILE, _pretty(table))
            await self._note("candidate", person, why, policy_id, version, {"tenant": tenant, "share": share})
        return {"policy": name, "until": until}

    async def publish(self, request: Request, person: Person) -> Any:
        """Put the draft into force: the file is replaced, and who and why stand in the audit chain."""
        said, why = await self._allowed(request, person)
        policy_id = request.path_params["id"]
        async with self._writing:
            opened = await run_in_threadpool(self._library.opened)
            before = source_of(opened, policy_id).document.version
            if said.get("version") != before:
                raise Refused(409, "changed", "the policy was changed meanwhile: load the page again")
            version = next_version(before, self._now())
            draft = await run_in_threadpool(lambda: make_draft(self._library, opened, policy_id, said, version=version))
            await run_in_threadpool(self._library.compile_draft, draft.folder, policy_id)  # what is bad is not written
            await run_in_threadpool(_write, opened.path, draft.source.file, draft.text.encode())
            await self._note("policy", person, why, policy_id, version, {"patch": draft.patch})
        return {"version": version}

    async def _allowed(self, request: Request, person: Person) -> tuple[dict[str, Any], str]:
        """The request of somebody who may write, with a reason. Raises Refused: 403, 422."""
        if not (self._write and person.write):
            raise Refused(403, "read_only", "policies are not changed from this console: take the patch to their files")
        said = await body_of(request)
        why = str(said.get("why") or "").strip()[:_LONGEST_WHY]
        if not why:
            raise Refused(422, "no_reason", "say why: it is kept in the audit log")
        return said, why

    async def _note(
        self, kind: str, person: Person, why: str, policy_id: str, version: str, more: Mapping[str, Any]
    ) -> None:
        if self._reach.keeper is not None:
            said = {"who": person.name, "why": why, "policy": policy_id, "version": version}
            await self._reach.keeper.note(kind, said | dict(more))

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.wall(), UTC)


def _pretty(tree: Any) -> bytes:
    return orjson.dumps(tree, option=orjson.OPT_INDENT_2) + b"\n"


def _write(folder: Path, name: str, text: bytes) -> None:
    """Beside, then renamed over: whoever reads the folder sees the old file or the new one. Raises ConfigError."""
    beside = folder / f".{name}.new"
    try:
        beside.write_bytes(text)
        beside.replace(folder / name)
    except OSError as error:
        raise ConfigError(f"{name} cannot be written: {error.strerror}") from None
