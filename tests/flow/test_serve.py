"""The HTTP endpoint over real HTTP: OpenAI's own client, whole events, keys, limits, deadlines, and a store."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import openai
import orjson
import pytest
from jsonschema import Draft202012Validator
from openai.types import ModerationImageURLInputParam, ModerationTextInputParam

from tests.certificates import certificate
from tests.flow.conftest import SHIPPED, Bench, event
from tests.unit.decode.claims.servers import authority as made_authority
from tests.unit.decode.claims.servers import content, https
from worker.core.clock import SystemClock
from worker.core.decisions import Action
from worker.core.errors import ConfigError
from worker.core.schema_decision import decision_schema
from worker.score.profile import Models
from worker.serve.keys import new_key
from worker.serve.rows import write_rows
from worker.services import answering, keeping
from worker.settings import Settings, load
from worker.store.audit import verify
from worker.store.reading import DecisionStore, Query

THREAT = "I will find you and hurt you"
DEMO = Path(__file__).parents[2] / "worker" / "cli" / "demo_events"


@asynccontextmanager
async def asking(settings: Settings, models: Models | None = None) -> AsyncIterator[tuple[Bench, httpx.AsyncClient]]:
    """A worker that answers, and a client of it."""
    bench = Bench(settings, models=models)
    async with bench.running(), answering(settings, bench.worker) as port:
        await bench.worker.policies.load()
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            yield bench, client


def of(client: httpx.AsyncClient, key: str = "none") -> openai.AsyncOpenAI:
    """OpenAI's client, pointed at the endpoint."""
    return openai.AsyncOpenAI(base_url=f"{client.base_url}/v1", api_key=key, max_retries=0)


def served(policies: Path, **more: Any) -> Settings:
    flags = {"policies": policies, "models.profile": "words", "serve.port": 0, "serve.tenant": "acme"}
    return load(None, flags | {name.replace("__", "."): value for name, value in more.items()})


@pytest.mark.models
async def test_openais_client_reads_our_answers(embedded: Models) -> None:
    """A string, a list of strings, and text with a picture; by attribute, as its users write it."""
    settings = load(None, {"policies": SHIPPED, "serve.port": 0})
    picture = "data:image/png;base64," + base64.b64encode((DEMO / "threat.png").read_bytes()).decode()
    async with asking(settings, embedded) as (_, client):
        moderations = of(client).moderations
        one = await moderations.create(input=THREAT, model="omni-moderation-latest")
        many = await moderations.create(input=["have a nice day", THREAT])
        parts: list[ModerationTextInputParam | ModerationImageURLInputParam] = [
            {"type": "text", "text": "look"},
            {"type": "image_url", "image_url": {"url": picture}},
        ]
        both = await moderations.create(input=parts)
    assert one.id.startswith("modr-")
    (result,) = one.results
    assert result.flagged
    assert result.categories.harassment_threatening
    assert not result.categories.sexual
    assert result.category_scores.harassment_threatening > 0.9
    assert result.category_scores.sexual < 0.5
    assert result.category_applied_input_types.harassment_threatening == ["text"]
    assert [answer.flagged for answer in many.results] == [False, True]
    (seen,) = both.results
    assert seen.flagged
    assert seen.category_applied_input_types.harassment_threatening == ["text", "image"]


async def test_a_refusal_reaches_openais_client_with_its_reason(policies: Path) -> None:
    """As the exception its users catch."""
    async with asking(served(policies)) as (_, client):
        with pytest.raises(openai.UnprocessableEntityError, match="input must be a string") as caught:
            await of(client).moderations.create(input=[])
    assert caught.value.code == "wrong_shape"


async def test_an_event_gets_its_decision(policies: Path) -> None:
    """Valid decision.v1; asked twice it has one id; nothing is published."""
    async with asking(served(policies)) as (bench, client):
        answers = [await client.post("/v1/decide", json=orjson.loads(event("e1", "free coins"))) for _ in range(2)]
        assert bench.out() == []
    first, second = (answer.json() for answer in answers)
    Draft202012Validator(decision_schema()).validate(first)
    assert (first["action"], first["event_id"], first["tenant"]) == ("flag", "e1", "acme")
    assert first["id"] == second["id"]


async def test_cloudevents_may_come_as_http_sends_them(policies: Path) -> None:
    """Binary mode: attributes in headers, the content as body."""
    headers = {"ce-specversion": "1.0", "ce-id": "c1", "ce-source": "/chat", "ce-type": "message", "ce-tenant": "acme"}
    async with asking(served(policies)) as (_, client):
        answer = await client.post(
            "/v1/decide", content=b"free coins", headers={**headers, "content-type": "text/plain"}
        )
    assert answer.status_code == 200, answer.text
    assert (answer.json()["event_id"], answer.json()["action"]) == ("c1", "flag")


async def test_questions_batch_with_each_other(embedded: Models) -> None:
    """Many at once take few turns of the model."""
    settings = load(None, {"policies": SHIPPED, "serve.port": 0})
    async with asking(settings, embedded) as (bench, client):
        bodies = [orjson.loads(event(str(number), f"we meet at {number} o'clock")) for number in range(48)]
        answers = await asyncio.gather(*(client.post("/v1/decide", json=body) for body in bodies))
        assert [answer.status_code for answer in answers] == [200] * 48
        text = bench.worker.metrics.registry
        batches = sum(
            sample.value
            for family in text.collect()
            for sample in family.samples
            if sample.name == "tidegate_batches_total"
        )
    assert batches <= 24
    assert bench.worker.counter.held == (0, 0)


REFUSALS = [
    ({"content": b"{}", "headers": {"content-type": "text/plain"}}, 415, "media_type"),
    ({"content": b"{", "headers": {"content-type": "application/json"}}, 422, "not_json"),
    ({"json": {"id": "1", "tenant": "acme"}}, 422, "wrong_shape"),
    ({"json": {"tenant": "acme", "parts": [{"type": "text", "text": "x"}]}}, 422, "no_id"),
    ({"json": orjson.loads(event("1", "x", tenant="nobody"))}, 422, "unknown_tenant"),
    ({"json": orjson.loads(event("1", "x" * 5_000))}, 413, "too_large"),
    ({"json": {}, "headers": {"tidegate-deadline-ms": "soon"}}, 422, "bad_deadline"),
]


@pytest.mark.parametrize(("sent", "status", "code"), REFUSALS, ids=[code for _, _, code in REFUSALS])
async def test_what_cannot_be_answered_is_a_problem(
    policies: Path, sent: dict[str, Any], status: int, code: str
) -> None:
    """RFC 9457, with a stable code, and nothing of what was sent."""
    async with asking(served(policies, serve__body_bytes=4_096)) as (_, client):
        answer = await client.post("/v1/decide", **sent)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    said = answer.json()
    assert (said["status"], said["code"], said["type"]) == (status, code, f"urn:tidegate:problem:{code}")
    assert "xxx" not in answer.text


async def test_a_body_without_a_length_is_cut_off_too(policies: Path) -> None:
    """Chunked, so only counting tells."""

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b" " * 1_000

    async with asking(served(policies, serve__body_bytes=4_096)) as (_, client):
        answer = await client.post("/v1/decide", content=chunks(), headers={"content-type": "application/json"})
    assert answer.status_code == 413


async def test_other_paths_and_methods_are_problems_too(policies: Path) -> None:
    """404 and 405 in the same form."""
    async with asking(served(policies)) as (_, client):
        found = [await client.post("/v1/other"), await client.get("/v1/decide")]
    assert [(one.status_code, one.json()["code"]) for one in found] == [(404, "http"), (405, "http")]


async def test_without_credits_the_client_is_told_when_to_come_back(policies: Path) -> None:
    """429 with Retry-After; what is under way is answered, and room is there again."""
    async with asking(served(policies, serve__events=2)) as (bench, client):
        body = {"input": [f"hello {number}" for number in range(4)]}
        refused = await client.post("/v1/moderations", json=body)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        assert refused.json()["code"] == "no_credits"
        with pytest.raises(openai.RateLimitError):
            await of(client).moderations.create(input=body["input"])
        await bench.worker.counter.idle(5)
        assert (await client.post("/v1/moderations", json={"input": "hello"})).status_code == 200


async def test_keys_say_which_tenant_asks(policies: Path, tmp_path: Path) -> None:
    """No key and a wrong key: 401. Another tenant's event: 403."""
    key, name, row = new_key("acme")
    write_rows(tmp_path / "keys.json", {name: row})
    async with asking(served(policies, serve__keys=tmp_path / "keys.json")) as (_, client):
        own, other = orjson.loads(event("1", "free coins")), orjson.loads(event("1", "x", tenant="kids"))
        for wrong in ({}, {"authorization": f"Bearer {key[:-1]}x"}, {"authorization": f"Basic {key}"}):
            refused = await client.post("/v1/decide", json=own, headers=wrong)
            assert (refused.status_code, refused.json()["code"]) == (401, "no_key")
            assert refused.headers["www-authenticate"].startswith("Bearer")
        right = {"authorization": f"Bearer {key}"}
        assert (await client.post("/v1/decide", json=own, headers=right)).json()["action"] == "flag"
        assert (await client.post("/v1/decide", json=other, headers=right)).status_code == 403
        assert (await of(client, key).moderations.create(input="free coins")).results[0].flagged


@pytest.mark.models
async def test_past_its_deadline_a_question_ends(embedded: Models, policies: Path) -> None:
    """A policy that sheds decides on what was found by then; one that wants its scores gives 504."""
    words = orjson.loads((policies / "words.json").read_bytes())
    asks = {"words": {"definition": "Threatens somebody with violence", "flag": 0.5}}
    for name, late in (("sheds", "flag"), ("waits", "score")):
        document = words | {"id": name, "categories": words["categories"] | asks, "otherwise": {"late": late}}
        (policies / f"{name}.json").write_bytes(orjson.dumps(document))
    (policies / "tenants.json").write_bytes(orjson.dumps({"sheds": "sheds", "waits": "waits"}))
    settings = load(None, {"policies": policies, "serve.port": 0})
    async with asking(settings, embedded) as (_, client):
        soon = {"tidegate-deadline-ms": "1"}
        long = " ".join(f"word{number}" for number in range(3_000))
        sheds = await client.post("/v1/decide", json=orjson.loads(event("1", long, tenant="sheds")), headers=soon)
        waits = await client.post("/v1/decide", json=orjson.loads(event("1", long, tenant="waits")), headers=soon)
    assert (sheds.status_code, sheds.json()["action"]) == (200, "flag")
    assert sheds.json()["degraded"][0]["code"] == "late"
    assert (waits.status_code, waits.json()["code"]) == (504, "deadline")


async def test_what_is_answered_is_kept_first(policies: Path, tmp_path: Path) -> None:
    """In the decision store, whose audit agrees."""
    settings = served(policies, store__path=tmp_path / "store")
    async with asking(settings) as (bench, client), keeping(settings, SystemClock()) as keeper:
        bench.worker.counter.keep = keeper.keep
        answer = await client.post("/v1/moderations", json={"input": ["hello", "free coins", "I will hurt you"]})
        ids = [result["tidegate"]["decision"] for result in answer.json()["results"]]
        store = DecisionStore(tmp_path / "store")
        assert sorted(row.id for row in store.find(Query())) == sorted(ids)
        assert [row.id for row in store.find(Query(actions={Action.BLOCK}))] == ids[2:]
    assert verify(tmp_path / "store").faults == []


async def test_a_worker_that_stops_answers_what_it_took(policies: Path) -> None:
    """And refuses what comes after, with 503 and Retry-After."""
    async with asking(served(policies)) as (bench, client):
        under_way = [asyncio.create_task(client.post("/v1/moderations", json={"input": "x"})) for _ in range(4)]
        answers = await asyncio.gather(*under_way)
        await bench.worker.counter.close(5)
        late = await client.post("/v1/moderations", json={"input": "x"})
    assert [answer.status_code for answer in answers] == [200] * 4
    assert (late.status_code, late.json()["code"], late.headers["retry-after"]) == (503, "stopping", "1")


async def test_tls_is_spoken_when_the_settings_say_so(policies: Path, tmp_path: Path) -> None:
    """And not with a file that is no certificate."""
    pem, key = certificate(tmp_path)
    bench = Bench(served(policies, serve__tls_certificate=pem, serve__tls_key=key))
    async with bench.running(), answering(bench.settings, bench.worker) as port:
        await bench.worker.policies.load()
        trusted = ssl.create_default_context(cafile=pem)
        async with httpx.AsyncClient(base_url=f"https://127.0.0.1:{port}", verify=trusted) as client:
            answer = await client.post("/v1/moderations", json={"input": "free coins"})
    assert answer.json()["results"][0]["flagged"]
    bench = Bench(served(policies, serve__tls_certificate=key, serve__tls_key=key))
    with pytest.raises(ConfigError, match="cannot be used for TLS"):
        async with answering(bench.settings, bench.worker):
            pass


async def test_a_picture_elsewhere_is_fetched_for_openais_client(policies: Path, tmp_path: Path) -> None:
    """From a host that the settings name, up to a size; any other address is refused, and said nowhere."""
    coffee, made = (DEMO / "coffee.jpg").read_bytes(), made_authority(tmp_path)
    async with https(made, [content(coffee)]) as server:
        here = f"localhost:{server.port}"
        own = {"hosts": [here], "networks": ["127.0.0.1/32", "::1/128"], "ca_file": made.ca_file}
        claims = {f"claims__{name}": value for name, value in own.items()}

        def asked(host: str) -> list[ModerationImageURLInputParam]:
            return [{"type": "image_url", "image_url": {"url": f"https://{host}/coffee.jpg?signature=secret"}}]

        async with asking(served(policies, **claims)) as (bench, client):
            (seen,) = (await of(client).moderations.create(input=asked(here))).results
            with pytest.raises(openai.UnprocessableEntityError) as refused:
                await of(client).moderations.create(input=asked("169.254.169.254"))
            count = bench.worker.metrics.registry.get_sample_value("tidegate_claims_total", {"result": "fetched"})
        async with asking(served(policies, **claims, limits__image_bytes=len(coffee) - 1)) as (_, client):
            with pytest.raises(openai.APIStatusError) as large:
                await of(client).moderations.create(input=asked(here))
        async with asking(served(policies)) as (_, client):
            with pytest.raises(openai.UnprocessableEntityError) as off:
                await of(client).moderations.create(input=asked(here))
    assert seen.model_extra is not None
    assert seen.model_extra["tidegate"]["degraded"] == ["nobody_looks"]  # read, and no model of lists looks at it
    assert (refused.value.code, large.value.code, large.value.status_code) == (
        "ref_not_allowed",
        "image_too_large",
        413,
    )
    assert off.value.code == "url_not_fetched"
    assert not any("secret" in str(error.value.body) for error in (refused, large, off))
    assert count == 1


async def test_content_by_ref_is_fetched_by_the_rules_of_the_claim_check(policies: Path, tmp_path: Path) -> None:
    """From a root that the settings name; elsewhere the decision says that it was not."""
    root = tmp_path / "media"
    root.mkdir()
    content = (DEMO / "coffee.jpg").read_bytes()
    (root / "coffee.jpg").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()

    def asked(path: Path) -> dict[str, Any]:
        ref = {"url": path.as_uri(), "sha256": digest, "bytes": len(content)}
        return {"id": path.name, "tenant": "acme", "parts": [{"type": "image", "ref": ref}]}

    async with asking(served(policies, claims__roots=[str(root)])) as (_, client):
        good = (await client.post("/v1/decide", json=asked(root / "coffee.jpg"))).json()
        bad = (await client.post("/v1/decide", json=asked(tmp_path / "words.json"))).json()
    assert [one["code"] for one in good["degraded"]] == ["nobody_looks"]  # read, and no model of lists looks at it
    assert [one["code"] for one in bad["degraded"]] == ["ref_not_allowed"]
