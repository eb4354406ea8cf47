"""Settings: a file, then variables, then flags; what cannot work is refused with a reason, and no secret is shown."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from worker.core.errors import ConfigError
from worker.settings import Settings, load

FILE = """
transport = "kafka"
policies = "rules"
[kafka]
"bootstrap.servers" = "kafka:9092"
"group.id" = "chat"
[topics]
events = "chat.messages"
[flow]
events = 50
"""


@pytest.fixture(autouse=True)
def bare_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable and no file of the machine's own."""
    for name in [n for n in os.environ if n.startswith("TIDEGATE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def written(text: str, name: str = "tidegate.toml") -> Path:
    path = Path(name)
    path.write_text(text, encoding="utf-8")
    return path


def test_nothing_given_is_a_whole_tree_of_defaults() -> None:
    """Every setting has a default."""
    settings = load()
    assert settings.transport == "kafka"
    assert settings.http.host == "127.0.0.1"
    assert settings.topics.outputs == (
        "moderation.allow",
        "moderation.flag",
        "moderation.block",
        "moderation.dead-letter",
    )


def test_the_example_in_the_docstring_loads() -> None:
    """What the code shows is what it reads."""
    lines = (Settings.__doc__ or "").partition("Example (tidegate.toml):")[2].splitlines()
    settings = load(written("\n".join(line.strip() for line in lines)))
    assert settings.kafka.bootstrap_servers == "kafka:9092"
    assert settings.topics.events == "chat.messages"


def test_kafka_settings_keep_kafkas_names() -> None:
    """Dotted names, as in every other Kafka client."""
    settings = load(written(FILE))
    assert (settings.kafka.bootstrap_servers, settings.kafka.group_id) == ("kafka:9092", "chat")
    assert settings.policies == "rules"


def test_the_file_in_the_working_directory_is_read_without_being_named() -> None:
    """`tidegate.toml` is found by itself; another name needs -c."""
    written(FILE)
    assert load().kafka.group_id == "chat"


def test_a_variable_wins_over_the_file_and_a_flag_over_both(monkeypatch: pytest.MonkeyPatch) -> None:
    """File, then variables, then flags: the later one wins, leaf by leaf."""
    path = written(FILE)
    monkeypatch.setenv("TIDEGATE_KAFKA__GROUP_ID", "from-variable")
    monkeypatch.setenv("TIDEGATE_FLOW__EVENTS", "60")
    settings = load(path)
    assert (settings.kafka.group_id, settings.kafka.bootstrap_servers) == ("from-variable", "kafka:9092")
    assert settings.flow.events == 60
    flagged = load(path, {"kafka.group.id": "from-flag", "flow.events": 70, "policies": "elsewhere", "log_level": None})
    assert (flagged.kafka.group_id, flagged.kafka.bootstrap_servers) == ("from-flag", "kafka:9092")
    assert (flagged.flow.events, flagged.policies, flagged.log_level) == (70, "elsewhere", "info")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('transport = "rabbit"', "transport"),
        ("speed = 9", "speed"),
        ("[flow]\nevents = 0", "flow.events"),
        ("[http]\nport = 70000", "http.port"),
        ('[kafka]\n"bootstrap.server" = "x"', "kafka.bootstrap_server"),
        ('[topics]\nallow = "moderation.events"', "also an output topic"),
        ('[kafka]\n"security.protocol" = "SASL_SSL"', "sasl.username and sasl.password"),
        ('[kafka]\n"ssl.key.location" = "k.pem"', "belong together"),
        ('[kafka]\n"rebalance.timeout.ms" = 90000', "rebalance.timeout.ms 90000 is not below request.timeout.ms"),
        ("[sqlite]\nheartbeat_ms = 9000", "sqlite.lease_ms"),
        ('content_key = ""', "content_key"),
        ('delivery = "at-most-once"', "delivery"),
    ],
)
def test_what_can_never_work_is_refused_by_name(text: str, named: str) -> None:
    """The message names the file and the setting, and how to mend it."""
    with pytest.raises(ConfigError) as refused:
        load(written(text))
    assert "tidegate.toml" in str(refused.value)
    assert named in str(refused.value)


@pytest.mark.parametrize("flag", [{"transport": "rabbit"}, {"flow.events": 0}, {"kafka.no.such": "x"}, {"nothing": 1}])
def test_a_flag_is_checked_like_the_file(flag: dict[str, object]) -> None:
    """Nothing slips in by the command line."""
    with pytest.raises(ConfigError, match=next(iter(flag)).replace(".", "[._]")):
        load(None, dict(flag))


def test_a_refusal_never_shows_a_secret() -> None:
    """Neither the value of a wrong setting nor a password beside it."""
    text = '[kafka]\n"sasl.password" = "hunter2"\n"security.protocol" = "hunter3"\n"sasl.passwd" = "hunter4"'
    with pytest.raises(ConfigError) as refused:
        load(written(text))
    assert "hunter" not in str(refused.value)


def test_a_secret_is_not_shown_when_settings_are_printed() -> None:
    """`repr` is what ends up in logs."""
    settings = load(written('content_key = "0123456789abcdef-hidden"\n[kafka]\n"sasl.password" = "hunter2"'))
    assert "hidden" not in repr(settings)
    assert "hunter2" not in repr(settings)
    assert settings.content_key is not None
    assert settings.content_key.get_secret_value().endswith("hidden")


def test_a_file_that_is_missing_or_broken_is_named() -> None:
    """One sentence, with the file and where."""
    with pytest.raises(ConfigError, match=r"no such settings file: gone\.toml"):
        load(Path("gone.toml"))
    with pytest.raises(ConfigError, match=r"broken\.toml is not TOML"):
        load(written("transport = ", "broken.toml"))


def test_a_drain_longer_than_the_group_waits_is_refused() -> None:
    """The group would hand the partitions on while they are still being drained."""
    with pytest.raises(ConfigError, match=r"flow\.drain_s 60 .*lower it"):
        load(None, {"flow.drain_s": 60})


def test_a_dead_letter_that_no_request_can_hold_is_refused() -> None:
    """It would be published again and again, and never be taken."""
    with pytest.raises(ConfigError, match=r"dead_letter_bytes .*lower it"):
        load(None, {"flow.dead_letter_bytes": 2_000_000})


def test_the_content_key_may_stand_in_a_file(tmp_path: Path) -> None:
    """Not both ways, not too short, and never shown."""
    file = tmp_path / "key"
    file.write_text("a-key-of-24-characters-x\n")
    assert load(None, {"content_key_location": file}).content_secret == b"a-key-of-24-characters-x"
    with pytest.raises(ConfigError, match="are both set: take one out"):
        load(None, {"content_key_location": file, "content_key": "another-key-of-some-length"})
    file.write_text("short")
    with pytest.raises(ConfigError, match="holds 5 bytes: a content key has 16 to 64"):
        _ = load(None, {"content_key_location": file}).content_secret
