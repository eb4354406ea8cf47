"""The policies that are shipped: they load, hold the taxonomy, and decide the same content differently."""

from __future__ import annotations

import json
from collections.abc import Mapping

import jsonschema
import pytest

from tests.unit.policy.building import POLICIES, PathsOnly, action, findings
from worker.core.clock import FakeClock
from worker.core.events import PartType
from worker.core.schema_decision import deadletter_schema, decision_schema
from worker.core.views import TextSource
from worker.policy.compile import CompiledPolicy
from worker.policy.schema import policy_schema
from worker.policy.source.folder import FolderSource
from worker.policy.store import PolicyStore
from worker.score.models.adapted import LABELS

TAXONOMY = [
    "hate",
    "hate/threatening",
    "harassment",
    "harassment/threatening",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
    "self-harm",
    "self-harm/intent",
    "self-harm/instructions",
    "illicit",
    "illicit/violent",
]


@pytest.fixture
async def shipped() -> Mapping[str, CompiledPolicy]:
    store = PolicyStore(FolderSource(POLICIES), PathsOnly(), FakeClock())
    await store.load()
    assert [status.error for status in store.status()] == [None, None, None]
    tenants = ("anyone", "kids-game", "news-forum")
    return {tenant: policy for tenant in tenants if (policy := store.of(tenant))}


def actions(shipped: Mapping[str, CompiledPolicy], scores: Mapping[str, float]) -> dict[str, str]:
    return {tenant: action(policy, scores) for tenant, policy in shipped.items()}


async def test_the_default_has_the_thirteen_categories(shipped: Mapping[str, CompiledPolicy]) -> None:
    """Each with a definition, a trained head of its own, and a few examples on both sides."""
    assert list(shipped["anyone"].categories) == TAXONOMY
    tree = json.loads((POLICIES / "default.json").read_text())
    nodes = list(tree["categories"].items())
    for path, node in nodes:
        nodes += [(f"{path}/{name}", child) for name, child in node.get("children", {}).items()]
        assert len(node["definition"]) > 100
        assert path.replace("/", "-") in node["detectors"]
        assert min(len(node["examples"]["violating"]), len(node["examples"]["allowed"])) >= 5
    assert sorted(path for path, _ in nodes) == sorted(LABELS)


async def test_a_childs_threshold_is_never_looser_than_its_parents(shipped: Mapping[str, CompiledPolicy]) -> None:
    """The graver a category, the less it takes, for each tenant but the news forum, which says where."""
    for tenant in ("anyone", "kids-game"):
        for path in TAXONOMY:
            if "/" in path:
                policy, parent = shipped[tenant], path.split("/")[0]
                for score in (0.2, 0.4, 0.6, 0.8, 0.95):
                    (own,), (above,) = (policy.decide([findings(policy, {p: score})]) for p in (path, parent))
                    assert own.action >= above.action, (tenant, path, score)


async def test_the_same_content_is_decided_differently(shipped: Mapping[str, CompiledPolicy]) -> None:
    """A report of violence, a rude word, a hint of sex: the same scores under three policies."""
    report = {"violence": 0.8, "violence/graphic": 0.45}
    assert actions(shipped, report) == {"anyone": "flag", "kids-game": "block", "news-forum": "allow"}
    assert actions(shipped, {"harassment": 0.72}) == {"anyone": "flag", "kids-game": "block", "news-forum": "allow"}
    assert actions(shipped, {"sexual": 0.28}) == {"anyone": "allow", "kids-game": "flag", "news-forum": "allow"}
    assert actions(shipped, {"sexual/minors": 0.6}) == dict.fromkeys(shipped, "block")


async def test_the_news_forum_is_stricter_in_its_live_channel(shipped: Mapping[str, CompiledPolicy]) -> None:
    """A condition on the context of the event."""
    forum = shipped["news-forum"]
    assert action(forum, {"violence": 0.8}, context={"channel": "live"}) == "flag"


@pytest.mark.parametrize(
    ("written", "category"),
    [
        ("SELLING MAXED ACC 50$", "trade"),
        ("write to me: someone@example.org", "contact"),
        ("call +49 170 1234567 ok", "contact"),
        ("that is bullshit", "harassment"),
    ],
)
async def test_the_childrens_game_has_lists_of_its_own(
    shipped: Mapping[str, CompiledPolicy], written: str, category: str
) -> None:
    """What it finds, others do not look for."""
    source = TextSource("parts/0", written, (PartType.TEXT,))
    assert {hit.category for hit in shipped["kids-game"].match(source)} == {category}
    assert shipped["anyone"].match(source) == []


async def test_the_lists_leave_harmless_talk_alone(shipped: Mapping[str, CompiledPolicy]) -> None:
    """Scunthorpe, prices, scores and levels."""
    harmless = ("I live near Scunthorpe", "it costs 1500 coins", "holy crap we won 3-2", "level 12, 40 gems, 2026")
    for written in harmless:
        source = TextSource("parts/0", written, (PartType.TEXT,))
        assert [hit for policy in shipped.values() for hit in policy.match(source)] == []


async def test_grave_categories_are_marked(shipped: Mapping[str, CompiledPolicy]) -> None:
    """Their content stays out of every tool that shows content, for every tenant."""
    assert [policy.restricted for policy in shipped.values()] == [{"sexual/minors"}] * 3
    assert [policy.severe for policy in shipped.values()] == [{"sexual/minors"}] * 3


def test_the_shipped_policies_agree_with_the_schema() -> None:
    """What an editor checks with policy.v1.json is what the worker takes."""
    schema = policy_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    for path in POLICIES.glob("*.json"):
        if path.name != "tenants.json":
            jsonschema.validate(json.loads(path.read_text()), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"id": "p", "version": "1", "categories": {"a": {"flag": 2}}}, schema)


def test_the_output_schemas_are_schemas() -> None:
    """decision.v1 and deadletter.v1, generated."""
    for schema in (decision_schema(), deadletter_schema()):
        jsonschema.Draft202012Validator.check_schema(schema)
    assert decision_schema()["required"][:4] == ["id", "event_id", "tenant", "time"]
    assert "tidegate-code" in deadletter_schema()["required"]
