"""The console's data over real HTTP: who may see and change what, and that what it says is what was decided."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import orjson
import pytest

from ops.chaos.tones import models as models_that_hear
from ops.chaos.tones import sound
from tests.flow.console import Console, console, text_event, visitor
from tests.flow.test_calls import chunk_events
from worker.app import load_models
from worker.console.people import new_row
from worker.core.errors import ConfigError
from worker.score.profile import Models
from worker.serve.rows import write_rows
from worker.settings import load
from worker.store.audit import verify

PASSWORD = "correct horse battery"
HOSTILE = "<img src=x onerror=alert(1)>\u202e"


@pytest.fixture(scope="module")
def words() -> Models:
    """Lists alone."""
    return load_models(load(None, {"models.profile": "words"}).models.model_dump())


@pytest.fixture
async def stand(tmp_path: Path, words: Models) -> AsyncIterator[Console]:
    """A console that may write, after six decisions and one dead letter."""
    handoff = "https://cases.example/new?of={tenant}&id={decision}"
    async with console(tmp_path, words, console__write=True, console__handoff=handoff) as found:
        texts = ["good morning", "free coins for all", "i will hurt you", "hush hush"]
        events = [text_event(f"e{i}", text) for i, text in enumerate(texts)]
        events.append(text_event("o1", "free coins", tenant="other"))
        events.append(text_event(HOSTILE, "i will hurt you", context={"actor": HOSTILE}))
        await found.send([*events, b"no event"], len(events))
        yield found


async def test_what_is_shown_is_what_was_decided(stand: Console) -> None:
    """Lists, filters, counts, and one decision with its explanation."""
    async with visitor(stand.base) as client:
        every = (await client.get("decisions")).json()
        assert {row["event"] for row in every["decisions"]} == {"e0", "e1", "e2", "e3", "o1", HOSTILE}
        blocked = (await client.get("decisions", params={"action": "block", "tenant": "acme"})).json()["decisions"]
        assert {(row["event"], row["category"]) for row in blocked} == {("e2", "threat"), (HOSTILE, "threat")}
        counts = (await client.get("counts")).json()["counts"]
        assert sum(n for _, action, n in counts if action == "flag") == 3
        (row,) = (await client.get("decisions", params={"event": "e1"})).json()["decisions"]
        one = (await client.get(f"decisions/{row['id']}")).json()
        stored = stand.store.get(row["id"])
        assert stored is not None
        assert one["decision"] == stored.decision
        assert one["why"]["action"] == "flag"
        assert one["why"]["hits"][0]["category"] == "scam"


async def test_what_a_call_says_is_shown_when_asked_for_and_nothing_of_a_restricted_one(tmp_path: Path) -> None:
    """From memory, its words marked where a decision acts; to who may see the tenant; in no decision and no file."""
    spoken = sound(["hello", None, "free", "coins", *[None] * 16])
    async with console(tmp_path, models_that_hear()) as stand:
        await stand.send(chunk_events(spoken, 1.0, speaker="ann"), key=b"call-1")
        async with visitor(stand.base) as client:
            (call,) = (await client.get("calls")).json()["calls"]
            assert (call["stream"], call["kind"], call["tenant"]) == ("call-1", "call", "acme")
            said = await client.post("transcripts/call-1", json={"tenant": "acme"})
            lines = [(one["speaker"], [tuple(word) for word in one["words"]]) for one in said.json()["lines"]]
            assert lines == [("ann", [("hello", None), ("free", "flag"), ("coins", "flag")])]
            assert (await client.post("transcripts/call-1", json={"tenant": "other"})).status_code == 404
            assert (await client.post("transcripts/call-2", json={"tenant": "acme"})).status_code == 404
            marked = orjson.loads((stand.folder / "words.json").read_bytes())
            marked["categories"]["scam"]["restricted"] = True
            (stand.folder / "words.json").write_bytes(orjson.dumps(marked))
            refused = await client.post("transcripts/call-1", json={"tenant": "acme"})
            assert (refused.status_code, refused.json()["code"]) == (403, "restricted")
    assert not any(b"hello" in path.read_bytes() for path in (tmp_path / "store").rglob("*") if path.is_file())


async def test_the_stream_goes_on_where_it_broke(stand: Console) -> None:
    """`Last-Event-ID` names the last decision that arrived; what came since is sent, each once."""
    async with visitor(stand.base) as client:
        last = (await client.get("decisions")).json()["last"]
        await stand.send([text_event("late1", "hello"), text_event("late2", "free coins")])
        seen: list[str] = []
        async with client.stream("GET", "live", headers={"last-event-id": str(last)}) as stream:
            async for line in stream.aiter_lines():
                if line.startswith("data: "):
                    seen += [row["event"] for row in orjson.loads(line[6:])]
                    if len(seen) == 2:
                        break
        assert sorted(seen) == ["late1", "late2"]


async def test_every_page_keeps_to_itself(stand: Console) -> None:
    """No inline script or style, no other origin, no frame; another site's name for this machine is refused."""
    async with httpx.AsyncClient(base_url=stand.base) as client:
        page = await client.get("/console/")
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert "<script>" not in page.text
        assert "style=" not in page.text
        assert (await client.get("/console/", headers={"host": "evil.example"})).status_code == 421
        for name in ("../people.py", "..%2fpeople.py", "people.py", ".hidden", "nothing.js"):
            assert (await client.get(f"/console/static/{name}")).status_code == 404, name
        assert (await client.get("/console/api/decisions")).status_code == 401


async def test_a_cookie_alone_changes_nothing(stand: Console) -> None:
    """Another site's page can make a browser send the cookie, and not the token."""
    async with visitor(stand.base) as client:
        client.headers["x-tidegate-csrf"] = "guess"
        for path in ("policies/words/publish", "review/x/verdict", "deadletters/redrive", "policies/words/trial"):
            refused = await client.post(path, json={"why": "x"})
            assert (refused.status_code, refused.json()["code"]) == (403, "csrf"), path


async def test_people_see_their_tenants_and_change_what_they_may(tmp_path: Path, words: Models) -> None:
    """Signing in is by password, guessing is slowed down, and rights are the file's."""
    people = tmp_path / "people.json"
    rows = {"mira": new_row(PASSWORD, ["acme"], write=False), "root": new_row(PASSWORD, ["*"], write=True)}
    write_rows(people, rows)
    async with console(tmp_path, words, console__people=people, console__write=True) as stand:
        await stand.send([text_event("mine", "free coins"), text_event("theirs", "free coins", tenant="other")])
        async with visitor(stand.base, name="mira", password=PASSWORD) as mira:
            assert [r["event"] for r in (await mira.get("decisions")).json()["decisions"]] == ["mine"]
            assert (await mira.get("tenants")).json() == {"tenants": ["acme"]}
            assert (await mira.get("decisions", params={"tenant": "other"})).status_code == 403
            theirs = stand.store.get("theirs")
            assert theirs is not None
            assert (await mira.get(f"decisions/{theirs.id}")).status_code == 404
            body = {"thresholds": {}, "why": "x", "version": "1"}
            assert (await mira.post("policies/words/publish", json=body)).status_code == 403
            assert (await mira.post("deadletters/redrive", json={"code": "x"})).status_code == 403
            await mira.request("DELETE", "session")
            assert (await mira.get("decisions")).status_code == 401
        async with httpx.AsyncClient(base_url=f"{stand.base}/console/api/", timeout=30) as guesser:
            wrong = {"name": "root", "password": "guess"}
            tried = [(await guesser.post("session", json=wrong)).status_code for _ in range(6)]
            assert tried == [401] * 5 + [429]
            right = {"name": "root", "password": PASSWORD}
            assert (await guesser.post("session", json=right)).status_code == 429
            elsewhere = {"x-forwarded-for": "203.0.113.9"}  # which no proxy is there to say
            other = {"name": "mira", "password": "guess"}
            assert (await guesser.post("session", json=other, headers=elsewhere)).status_code == 429


async def test_a_changed_threshold_is_tried_saved_and_told(stand: Console) -> None:
    """The trial says what changes; the file says the new version; who and why stand in a chain that verifies."""
    async with visitor(stand.base) as client:
        page = (await client.get("policies/words")).json()
        assert [node["path"] for node in page["nodes"]] == ["scam", "secret", "threat"]
        body = {"thresholds": {"scam": {"flag": 0.3}}}
        trial = (await client.post("policies/words/trial", json=body)).json()
        assert trial["tally"]["answered"] == 6
        assert trial["tally"]["changed"]["count"] == 0  # lists decide here
        assert trial["patch"] == {"categories": {"scam": {"flag": 0.3}}}
        assert (await client.post("policies/words/publish", json=body | {"version": "1"})).json()["code"] == "no_reason"
        stale = await client.post("policies/words/publish", json=body | {"version": "0", "why": "because"})
        assert stale.json()["code"] == "changed"
        done = await client.post("policies/words/publish", json=body | {"version": "1", "why": "too many scams"})
        text = orjson.loads((stand.folder / "words.json").read_bytes())
        assert (text["version"], text["categories"]["scam"]["flag"]) == (done.json()["version"], 0.3)
    found = verify(stand.store.folder, ())
    assert (found.faults, found.entries >= 1) == ([], True)


async def test_a_draft_may_decide_beside_the_live_policy(stand: Console) -> None:
    """As a policy of its own, for one tenant, until a day; one that is bad is not written."""
    async with visitor(stand.base) as client:
        body = {"thresholds": {"scam": {"flag": 0.2}}, "why": "to see", "tenant": "acme", "share": 0.5, "days": 3}
        done = await client.post("policies/words/candidate", json=body)
        assert done.json()["policy"] == "words-candidate"
        table = orjson.loads((stand.folder / "tenants.json").read_bytes())
        assert table["acme"]["candidate"]["share"] == 0.5
        assert table["other"] == "words"
        for wrong in ({"share": 0}, {"days": 400}, {"tenant": "nobody"}, {"thresholds": {"none": {"flag": 0.2}}}):
            refused = await client.post("policies/words/candidate", json=body | wrong)
            assert refused.status_code == 422, (wrong, refused.text)


async def test_its_own_tests_run_from_the_page(stand: Console) -> None:
    """By the worker's own desk."""
    async with visitor(stand.base) as client:
        (case,) = (await client.post("policies/words/tests", json={})).json()["cases"]
        assert (case["name"], case["got"], case["problem"]) == ("coins", "flag", None)


@pytest.mark.parametrize(
    "address", ["http://cases.example/{decision}", "https://cases.example/", "javascript:{decision}"]
)
def test_a_hand_off_that_leads_nowhere_is_refused_at_the_start(address: str) -> None:
    """Or to whoever listens on the way; ids are quoted, so that none can lead elsewhere."""
    with pytest.raises(ConfigError, match="handoff"):
        load(None, {"console.handoff": address})
    good = load(None, {"console.handoff": "https://cases.example/{tenant}/{decision}"}).console
    assert good.handoff_of("d-1", "../{decision}?x=", "e") == "https://cases.example/..%2F%7Bdecision%7D%3Fx%3D/d-1"


async def test_content_is_shown_when_asked_for_and_never_what_is_restricted(stand: Console) -> None:
    """From the input topic, by its position; a verdict goes to the topic and into the store."""
    async with visitor(stand.base) as client:
        queue = {row["event"]: row for row in (await client.get("review")).json()["queue"]}
        assert {"e1", "e3", "o1"} <= queue.keys()
        assert queue["e3"]["restricted"]
        assert queue["e3"]["handoff"] == f"https://cases.example/new?of=acme&id={queue['e3']['id']}"
        assert queue["e1"]["handoff"] is None
        assert "free coins" not in orjson.dumps(list(queue.values())).decode()
        shown = (await client.post(f"review/{queue['e1']['id']}/content")).json()
        assert shown["parts"] == [{"type": "text", "text": "free coins for all"}]
        assert shown["evidence"][0]["span"] == [0, 10]
        hidden = await client.post(f"review/{queue['e3']['id']}/content")
        assert (hidden.status_code, "hush" in hidden.text) == (403, False)
        assert (await client.post(f"review/{queue['e3']['id']}/test")).status_code == 403
        verdict = {"action": "allow", "seconds": 2.5}
        assert (await client.post(f"review/{queue['e1']['id']}/verdict", json=verdict)).status_code == 200
        case = (await client.post(f"review/{queue['e1']['id']}/test")).json()["case"]
        assert (case["text"], case["expect"]) == ("free coins for all", "allow")
        again = (await client.get("review")).json()
        assert "e1" not in {row["event"] for row in again["queue"]}
        overturned = (await client.get("review/quality")).json()["overturned"]
        assert (overturned["all"]["count"], overturned["node"]["scam"]["share"]) == (1, 1.0)
        (remark,) = stand.store.remarks("review")
        assert "local" not in remark.value.decode()  # a pseudonym


async def test_dead_letters_go_back_from_the_page(stand: Console) -> None:
    """Listed without what they hold; sent back they come again as they were."""
    async with visitor(stand.base) as client:
        found = (await client.get("deadletters")).json()
        assert (found["waiting"], found["letters"][0]["code"]) == (1, "not_json")
        assert "no event" not in orjson.dumps(found).decode()
        assert (await client.post("deadletters/redrive", json={"code": "not_json"})).json() == {"sent": 1}
        assert (await client.get("health")).json()["ready"]


def test_nobody_outside_comes_in_without_a_password(tmp_path: Path) -> None:
    """Nor is a signed set written to."""
    (tmp_path / "keys.json").write_text("{}")
    outside = {"serve.host": "0.0.0.0", "serve.keys": tmp_path / "keys.json", "serve.behind_proxy": True}
    with pytest.raises(ConfigError, match=r"console\.people"):
        load(None, outside)
    assert load(None, outside | {"console.enabled": False}).serve.host == "0.0.0.0"
    with pytest.raises(ConfigError, match="signed"):
        load(None, {"console.write": True, "policy_source.public_key": tmp_path / "key.pub"})
