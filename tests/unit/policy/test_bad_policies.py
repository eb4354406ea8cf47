"""Every bad policy of the list: the last good one stays, for its tenants alone, and the message names the place."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.unit.policy.building import PathsOnly
from worker.core.clock import FakeClock
from worker.core.decisions import Action, Findings, Judgement, Verdict
from worker.core.events import Degradation, Event, PartType
from worker.core.ports import Policy
from worker.core.records import Position
from worker.core.views import TextSource
from worker.policy.owntests import OwnTests
from worker.policy.safeguards import Safeguards
from worker.policy.signing import MANIFEST, SIGNATURE, manifest_of, sign
from worker.policy.source.folder import FolderSource
from worker.policy.store import PolicyStore

KEY = Ed25519PrivateKey.generate()
HEAD = b'{"id": "acme", "version": "2", "extends": "base",\n'
LIST = {"words": ["free coins"], "category": "a", "action": "flag"}


class WordsJudge:
    """Judges by the policy's lists alone, as the desk does for a worker without models."""

    def __init__(self) -> None:
        self.failing = False

    async def judge(self, events: Sequence[bytes], policy: Policy) -> list[Judgement]:
        """As the port says."""
        return [self._one(json.loads(event)["parts"][0]["text"], policy) for event in events]

    def _one(self, text: str, policy: Policy) -> Judgement:
        found = Findings({}, frozenset({"text"}))
        found.hits = policy.match(TextSource("parts/0", text, (PartType.TEXT,)), None, None)
        if self.failing:
            found.degraded.append(Degradation("model_failed", "failed", "parts/0", "the model of lane x failed twice"))
        verdict: Verdict = policy.decide([found])[0]
        event = Event("t", "tests", (), Position("", 0, 0), None, "", 0.0)
        return Judgement(event, found, verdict)


class Rig:
    """A folder with a good set, a store over it, and what a test does to acme."""

    def __init__(self, folder: Path, *, signed: bool = False) -> None:
        self.folder = folder
        folder.mkdir()
        self.write("base.json", {"id": "base", "version": "1", "categories": {"a": {"flag": 0.5}}})
        self.write("acme.json", {"id": "acme", "version": "1", "extends": "base"})
        self.write("tenants.json", {"*": "base", "acme": "acme"})
        self.judge = WordsJudge()
        if signed:
            self.sign()
        safeguards = Safeguards(OwnTests(self.judge, has_models=True), key=KEY.public_key() if signed else None)
        self.store = PolicyStore(FolderSource(folder), PathsOnly(), FakeClock(), safeguards=safeguards)

    def write(self, name: str, content: Any) -> None:
        """As an editor does."""
        beside = self.folder.parent / "beside"
        beside.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        (self.folder / name).parent.mkdir(exist_ok=True)
        beside.rename(self.folder / name)

    def sign(self) -> None:
        """As `tidegate policy sign` does."""
        manifest = manifest_of(FolderSource(self.folder).scan())
        self.write(MANIFEST, manifest)
        self.write(SIGNATURE, sign(manifest, KEY))

    def version(self, tenant: str) -> str | None:
        """Which version judges a tenant."""
        policy = self.store.of(tenant)
        return policy.version if policy else None

    def said(self) -> str:
        """All that `/status` says is wrong."""
        return "\n".join(status.error for status in self.store.status() if status.error)


@pytest.fixture
async def rig(tmp_path: Path) -> Rig:
    """Loaded, all good."""
    made = Rig(tmp_path / "policies")
    await made.store.load()
    return made


def deep(depth: int) -> bytes:
    """Categories so deep."""
    return HEAD + b'"categories": {' + b'"n": {"children": {' * depth + b"}}" * depth + b"}}"


def broken_json(rig: Rig) -> None:
    """A comma too many."""
    rig.write("acme.json", HEAD + b' "description": "x",,}')


def duplicate_keys(rig: Rig) -> None:
    """Which of the two is meant cannot be told."""
    rig.write("acme.json", HEAD + b' "categories": {"a": {"flag": 0.1, "flag": 0.9}}}')


def nan(rig: Rig) -> None:
    """Python's reader would take it."""
    rig.write("acme.json", HEAD + b' "categories": {"a": {"flag": NaN}}}')


def endless(rig: Rig) -> None:
    """Infinity by another name."""
    rig.write("acme.json", HEAD + b' "categories": {"a": {"flag": 1e999}}}')


def over_one(rig: Rig) -> None:
    """A percentage."""
    rig.write("acme.json", HEAD + b' "categories": {"a": {"flag": 50}}}')


def under_zero(rig: Rig) -> None:
    """A slip of the finger."""
    rig.write("acme.json", HEAD + b' "categories": {"a": {"on": {"text": {"block": -0.9}}}}}')


def many_categories(rig: Rig) -> None:
    """One more than a policy may have."""
    tree: dict[str, Any] = {f"c{i}": {} for i in range(101)}
    rig.write("acme.json", {"id": "acme", "version": "2", "categories": tree})


def depth_1000(rig: Rig) -> None:
    """Deeper than the interpreter's stack."""
    rig.write("acme.json", deep(1_000))


def large(rig: Rig) -> None:
    """200 MB that take no room on the disk."""
    with (rig.folder / "acme.json").open("wb") as file:
        file.truncate(200 << 20)


def latin_1(rig: Rig) -> None:
    """An old editor."""
    rig.write("acme.json", HEAD + b' "description": "caf\xe9"}')


def link_out(rig: Rig) -> None:
    """Somebody else's file."""
    outside = rig.folder.parent / "outside.json"
    outside.write_text('{"id": "acme", "version": "2"}')
    (rig.folder / "acme.json").unlink()
    (rig.folder / "acme.json").symlink_to(outside)


def twice(rig: Rig) -> None:
    """A copy that was meant to be another tenant's."""
    rig.write("copy.json", {"id": "acme", "version": "2"})


def no_parent(rig: Rig) -> None:
    """A slip of the pen."""
    rig.write("acme.json", {"id": "acme", "version": "2", "extends": "bose"})


def no_list(rig: Rig) -> None:
    """The file was not copied."""
    terms = [{"list": "lists/gone.txt", "category": "a", "action": "flag"}]
    rig.write("acme.json", {"id": "acme", "version": "2", "extends": "base", "terms": terms})


def bad_pattern(rig: Rig) -> None:
    """What RE2 does not take, as it cannot be matched in linear time."""
    terms = [LIST | {"words": [r"(a+)\1"], "match": "pattern"}]
    rig.write("acme.json", {"id": "acme", "version": "2", "extends": "base", "terms": terms})


def own_test(rig: Rig) -> None:
    """The policy does not do what its author says it does."""
    tests = [{"name": "coins", "text": "buy secret free coins", "expect": "block", "category": "a"}]
    document = {"id": "acme", "version": "2", "extends": "base", "terms": [LIST], "tests": tests}
    rig.write("acme.json", json.dumps(document, indent=1).encode())


def half(rig: Rig) -> None:
    """An upload that was cut."""
    whole = json.dumps({"id": "acme", "version": "2", "extends": "base", "description": "x" * 5_000}, indent=1)
    (rig.folder / "acme.json").write_text(whole[: len(whole) // 2])


BAD: list[tuple[Callable[[Rig], None], str]] = [
    (broken_json, "acme.json:2: not JSON"),
    (duplicate_keys, "acme.json:2: categories.a.flag: the key 'flag' stands twice"),
    (nan, "acme.json:2: categories.a.flag: NaN is not a finite number"),
    (endless, "acme.json:2: categories.a.flag: 1e999 is not a finite number"),
    (over_one, "acme.json:2: categories.a.flag: a threshold is"),
    (under_zero, "acme.json:2: categories.a.on.text.block: a threshold is"),
    (many_categories, "acme.json:1: categories.c100: more than 100 categories"),
    (depth_1000, "acme.json:2: categories.n.children"),
    (large, "acme.json: 209715200 bytes are more than the 8388608 allowed"),
    (latin_1, "acme.json:2: not UTF-8"),
    (link_out, "acme.json: leads out of the policies folder"),
    (twice, "acme.json and copy.json both have the id 'acme'"),
    (no_parent, "acme.json:1: extends: there is no valid policy 'bose' to extend"),
    (no_list, "acme.json:1: terms[0].list: the list 'lists/gone.txt' cannot be read"),
    (bad_pattern, "acme.json:1: terms[0].words[0]: not an RE2 pattern"),
    (own_test, "acme.json:15: tests[0]: acme's own test 'coins' expects block in a and got flag in a"),
    (half, "acme.json:5: not JSON"),
]


@pytest.mark.parametrize(("spoil", "says"), BAD, ids=[spoil.__name__ for spoil, _ in BAD])
async def test_the_last_good_one_stays_and_the_place_is_named(
    rig: Rig, spoil: Callable[[Rig], None], says: str
) -> None:
    """Others go on changing meanwhile, and the mended file comes into force."""
    spoil(rig)
    rig.write("base.json", {"id": "base", "version": "2", "categories": {"a": {"flag": 0.4}}})
    assert await rig.store.reload() == "rejected"
    assert (rig.version("acme"), rig.version("x")) == ("1", "2")
    assert says in rig.said()
    (rig.folder / "copy.json").unlink(missing_ok=True)
    (rig.folder / "acme.json").unlink()
    rig.write("acme.json", {"id": "acme", "version": "3", "extends": "base"})
    assert await rig.store.reload() == "applied"
    assert (rig.version("acme"), rig.said()) == ("3", "")


async def test_a_message_never_holds_a_test_s_text(rig: Rig) -> None:
    """A case may quote what somebody wrote; `/status` is read by many."""
    own_test(rig)
    await rig.store.reload()
    (status,) = [status for status in rig.store.status() if status.problem]
    assert (status.as_json()["code"], "secret" in str(status.as_json())) == ("test_failed", False)


async def test_a_pattern_that_would_catastrophise_elsewhere_runs_in_linear_time(rig: Rig) -> None:
    """RE2 has no backtracking, so it is no danger and is taken."""
    terms = [LIST | {"words": ["(a+)+$"], "match": "pattern"}]
    rig.write("acme.json", {"id": "acme", "version": "2", "extends": "base", "terms": terms})
    assert await rig.store.reload() == "applied"
    policy = rig.store.of("acme")
    assert policy is not None
    assert policy.match(TextSource("parts/0", "a" * 50_000 + "!", (PartType.TEXT,))) == []


async def test_a_condition_that_fails_at_run_time_takes_its_stricter_side(rig: Rig) -> None:
    """Whether it fails depends on the event, so the policy comes into force; the decision's notes say it."""
    whens = [{"if": "context.attributes.level > 3", "set": {"a": {"flag": 0.1}}}]
    rig.write("acme.json", {"id": "acme", "version": "2", "extends": "base", "when": whens, "terms": [LIST]})
    assert await rig.store.reload() == "applied"
    policy = rig.store.of("acme")
    assert policy is not None
    found = Findings({"attributes": {"level": "high"}}, frozenset({"text"}))
    found.hits = policy.match(TextSource("parts/0", "free coins", (PartType.TEXT,)))
    (verdict,) = policy.decide([found])
    assert (verdict.action, verdict.notes) == (Action.FLAG, ("when[0] failed and took its stricter side",))


async def test_what_was_missing_is_taken_when_it_appears(rig: Rig) -> None:
    """The policy's own file need not be touched."""
    no_list(rig)
    assert await rig.store.reload() == "rejected"
    rig.write("lists/gone.txt", b"free coins\n")
    assert await rig.store.reload() == "applied"
    assert rig.version("acme") == "2"


async def test_a_model_that_fails_during_a_test_is_tried_again(rig: Rig) -> None:
    """Nothing changes but the model: the next reload runs the test once more."""
    tests = [{"name": "coins", "text": "free coins", "expect": "flag"}]
    rig.judge.failing = True
    rig.write("acme.json", {"id": "acme", "version": "2", "extends": "base", "terms": [LIST], "tests": tests})
    assert await rig.store.reload() == "rejected"
    assert "its test 'coins' could not be judged" in rig.said()
    rig.judge.failing = False
    assert await rig.store.reload() == "applied"


async def test_a_parent_s_tests_are_its_own(rig: Rig) -> None:
    """A child that differs need not do what its parent's cases say."""
    tests = [{"name": "coins", "text": "free coins", "expect": "flag"}]
    rig.write("base.json", {"id": "base", "version": "2", "categories": {"a": {}}, "terms": [LIST], "tests": tests})
    rig.write("acme.json", {"id": "acme", "version": "2", "extends": "base", "terms": None})
    assert await rig.store.reload() == "applied"


def altered(rig: Rig) -> None:
    """After it was signed."""
    rig.write("acme.json", {"id": "acme", "version": "2", "extends": "base"})


def added(rig: Rig) -> None:
    """A file nobody signed."""
    rig.write("new.json", {"id": "new", "version": "1"})


def missing(rig: Rig) -> None:
    """A file that was signed."""
    (rig.folder / "acme.json").unlink()


def unsigned(rig: Rig) -> None:
    """No signature at all."""
    (rig.folder / SIGNATURE).unlink()


def another_key(rig: Rig) -> None:
    """A good manifest, signed by somebody else."""
    altered(rig)
    manifest = manifest_of(FolderSource(rig.folder).scan())
    rig.write(MANIFEST, manifest)
    rig.write(SIGNATURE, sign(manifest, Ed25519PrivateKey.generate()))


def swapped_manifest(rig: Rig) -> None:
    """The manifest of the altered set under the signature of the old one."""
    altered(rig)
    rig.write(MANIFEST, manifest_of(FolderSource(rig.folder).scan()))


def no_base64(rig: Rig) -> None:
    """Half of the signature's file."""
    rig.write(SIGNATURE, b"!")


SIGNATURES: list[tuple[Callable[[Rig], None], str]] = [
    (altered, "acme.json: it was altered after the set was signed"),
    (added, "new.json: it was added after the set was signed"),
    (missing, "acme.json: it is missing from the signed set"),
    (unsigned, "manifest.sig: it is missing and a public key is configured"),
    (another_key, "manifest.sig: it is no signature of manifest.json by the configured key"),
    (swapped_manifest, "manifest.sig: it is no signature of manifest.json by the configured key"),
    (no_base64, "manifest.sig: it is no signature of manifest.json by the configured key"),
]


@pytest.mark.parametrize(("spoil", "says"), SIGNATURES, ids=[spoil.__name__ for spoil, _ in SIGNATURES])
async def test_a_bad_signature_refuses_the_whole_set(tmp_path: Path, spoil: Callable[[Rig], None], says: str) -> None:
    """All tenants keep what they have, until the set is signed again."""
    rig = Rig(tmp_path / "policies", signed=True)
    await rig.store.load()
    spoil(rig)
    assert await rig.store.reload() == "rejected"
    assert (rig.version("acme"), rig.version("x")) == ("1", "1")
    status = rig.store.source_status
    assert (status.code, says in str(status.message)) == ("signature_invalid", True)
    rig.write("acme.json", {"id": "acme", "version": "3", "extends": "base"})
    rig.sign()
    assert await rig.store.reload() == "applied"
    assert (rig.version("acme"), rig.store.source_status.message) == ("3", None)
