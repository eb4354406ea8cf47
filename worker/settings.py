"""One typed tree of settings: a TOML file, then `TIDEGATE_*` variables, then flags; the later one wins."""

from __future__ import annotations

import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from worker.console.settings import ConsoleSettings
from worker.core.errors import ConfigError
from worker.decode.box.boxes import DecodingSettings
from worker.decode.claims import ClaimSettings
from worker.decode.envelope import OuterLimits
from worker.deliver.admission import OverloadSettings
from worker.deliver.breaker import BreakerSettings
from worker.deliver.parking import ParkingSettings
from worker.deliver.sample import ReviewSettings
from worker.pipeline.flow import FlowSettings
from worker.policy.settings import PolicySourceSettings, check_place
from worker.score.settings import GuardSettings
from worker.serve.settings import LOOPBACK, ServeSettings
from worker.store.settings import StoreSettings
from worker.transport.settings import KafkaSettings, SqliteSettings, TopicSettings, read_secret
from worker.webhooks.settings import WebhookSettings


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class HttpSettings(_Strict):
    """Where health and metrics are served."""

    host: str = Field("127.0.0.1", description="loopback unless told otherwise")
    port: int = Field(8080, ge=0, le=65535, description="0 picks a free one")
    enabled: bool = True


class TraceSettings(_Strict):
    """Spans to an OpenTelemetry collector; off until an endpoint is named."""

    endpoint: str | None = Field(
        None, pattern=r"^https?://.", description="OTLP over HTTP, e.g. http://collector:4318/v1/traces"
    )
    share: float = Field(1.0, gt=0, le=1, description="of all spans that are kept")


class ModelSettings(_Strict):
    """The models and the hardware they run on."""

    profile: Literal["embedded", "words", "guard"] = Field(
        "embedded", description="words: lists alone, no neural model; guard: the embedded models with a guard behind"
    )
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int = Field(2, ge=1, description="processor threads of one model call")
    decode_threads: int = Field(2, ge=1, description="threads that decode and cut into views")
    guard: GuardSettings = Field(default_factory=GuardSettings, description="for profile guard")
    max_wait_ms: float = Field(0.0, ge=0, description="how long a lane holds a batch for company when idle")


class Settings(BaseSettings):
    """
    Everything that can be set.

    Example (tidegate.toml):
        transport = "kafka"
        policies = "policies"
        [kafka]
        "bootstrap.servers" = "kafka:9092"
        "group.id" = "tidegate"
        [topics]
        events = "chat.messages"
    """

    model_config = SettingsConfigDict(
        env_prefix="TIDEGATE_", env_nested_delimiter="__", extra="forbid", frozen=True, populate_by_name=True
    )

    transport: Literal["kafka", "sqlite"] = "kafka"
    delivery: Literal["at-least-once", "exactly-once"] = Field(
        "at-least-once", description="exactly-once: for readers that read committed; the SQLite queue always is"
    )
    policies: Annotated[str, BeforeValidator(str)] = Field(
        "policies", description="a folder, https://HOST/NAME.tar.gz, or topic:NAME"
    )
    policy_source: PolicySourceSettings = Field(default_factory=PolicySourceSettings)
    state: Path = Field(Path("tidegate-state"), description="folder for what a restart needs: the last good policies")
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    content_key: SecretStr | None = Field(
        None, min_length=16, max_length=64, description="key of content_hmac; unset leaves the field null"
    )
    content_key_location: Path | None = Field(None, description="a file instead of the key itself")
    kafka: KafkaSettings = Field(default_factory=KafkaSettings)
    sqlite: SqliteSettings = Field(default_factory=SqliteSettings)
    topics: TopicSettings = Field(default_factory=TopicSettings)
    flow: FlowSettings = Field(default_factory=FlowSettings)
    parking: ParkingSettings = Field(default_factory=ParkingSettings)
    models: ModelSettings = Field(default_factory=ModelSettings)
    overload: OverloadSettings = Field(default_factory=OverloadSettings)
    breaker: BreakerSettings = Field(default_factory=BreakerSettings)
    review: ReviewSettings = Field(default_factory=ReviewSettings)
    limits: OuterLimits = Field(default_factory=OuterLimits, description="what no tenant may exceed")
    decoding: DecodingSettings = Field(default_factory=DecodingSettings)
    claims: ClaimSettings = Field(default_factory=ClaimSettings, description="content by `ref`; off until named")
    http: HttpSettings = Field(default_factory=HttpSettings)
    traces: TraceSettings = Field(default_factory=TraceSettings)
    serve: ServeSettings = Field(default_factory=ServeSettings, description="the HTTP endpoint that judges")
    webhooks: WebhookSettings = Field(default_factory=WebhookSettings, description="decisions posted to their tenants")
    console: ConsoleSettings = Field(default_factory=ConsoleSettings, description="pages beside the HTTP endpoint")
    store: StoreSettings = Field(default_factory=StoreSettings, description="decisions kept for people and tools")

    @property
    def content_secret(self) -> bytes | None:
        """The key of `content_hmac`. Raises ConfigError when its file cannot be used."""
        if self.content_key_location is None:
            return self.content_key.get_secret_value().encode() if self.content_key else None
        secret = read_secret(self.content_key_location, "content_key_location").encode()
        if not 16 <= len(secret) <= 64:
            raise ConfigError(f"{self.content_key_location} holds {len(secret)} bytes: a content key has 16 to 64")
        return secret

    @model_validator(mode="after")
    def _one_content_key(self) -> Settings:
        if self.content_key and self.content_key_location:
            raise ValueError("content_key and content_key_location are both set: take one out")
        return self

    @model_validator(mode="after")
    def _policies_come_safely(self) -> Settings:
        """An unsigned set may not come over a line that others can write to."""
        check_place(self.policies, self.policy_source)
        return self

    @model_validator(mode="after")
    def _the_console_is_kept(self) -> Settings:
        """Beyond this machine nobody comes in without a password; a signed set is not written to without its key."""
        if self.console.enabled and self.serve.host not in LOOPBACK and self.console.people is None:
            raise ValueError(
                f"serve.host {self.serve.host} would show the console to anybody: name console.people, "
                "or set console.enabled to false"
            )
        if self.console.write and self.policy_source.public_key is not None:
            raise ValueError(
                "console.write cannot change a signed set of policies: take one of console.write and public_key out"
            )
        return self

    @model_validator(mode="after")
    def _kafka_has_room(self) -> Settings:
        """A drain ends before the group goes on without it; a dead letter fits into a request with its headers."""
        if self.transport != "kafka":
            return self
        if self.flow.stuck_s * 1000 <= max(self.kafka.rebalance_timeout_ms, self.kafka.session_timeout_ms):
            raise ValueError(
                f"flow.stuck_s {self.flow.stuck_s:g} is not above kafka.rebalance_timeout_ms and "
                "kafka.session_timeout_ms: a rebalance would count as being stuck, raise it"
            )
        if self.flow.drain_s * 1000 >= self.kafka.rebalance_timeout_ms:
            raise ValueError(
                f"flow.drain_s {self.flow.drain_s:g} is not below kafka.rebalance_timeout_ms "
                f"{self.kafka.rebalance_timeout_ms}: the group would go on before the drain ends, lower it"
            )
        if self.flow.dead_letter_bytes > self.kafka.max_request_size * 0.95:
            raise ValueError(
                f"flow.dead_letter_bytes {self.flow.dead_letter_bytes} leaves no room for headers below "
                f"kafka.max_request_size {self.kafka.max_request_size}: lower it"
            )
        return self


def load(path: Path | None = None, flags: dict[str, Any] | None = None) -> Settings:
    """
    Settings from a TOML file, the environment and flags.

    Args:
        path: a TOML file; None reads `tidegate.toml` in the working directory when it is there.
        flags: dotted names to values, e.g. {"sqlite.path": "queue.db"}; None values are left out.

    Raises:
        ConfigError: naming the file and the setting, and what it may be.
    """
    tree: dict[str, Any] = {}
    default = Path("tidegate.toml")
    file = path or (default if default.exists() else None)
    if file is not None:
        try:
            tree = tomllib.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ConfigError(f"no such settings file: {file}: name one with -c") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{file} is not TOML: {error}") from None
    if isinstance(kafka := tree.get("kafka"), dict):
        # Kafka's dotted names become the fields' own, so that a variable or flag can win over the file.
        tree["kafka"] = {name.replace(".", "_"): value for name, value in kafka.items()}

    nested = _nested(flags or {})

    class Layered(Settings):
        """Settings whose lowest layer is the file."""

        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, env_settings, InitSettingsSource(settings_cls, tree)  # the first one wins

    try:
        return Layered(**nested)
    except ValidationError as error:
        raise ConfigError(_explain(error, file, tree, nested)) from None
    except SettingsError as error:  # a variable that should hold JSON and does not
        raise ConfigError(f"{error}: write it as JSON, or one variable a setting") from None


def _nested(flags: dict[str, Any]) -> dict[str, Any]:
    """{"kafka.group.id": "x"} as {"kafka": {"group_id": "x"}}; None values are left out."""
    tree: dict[str, Any] = {}
    for name, value in flags.items():
        if value is None:
            continue
        section, _, leaf = name.partition(".")
        if leaf:
            tree.setdefault(section, {})[leaf.replace(".", "_")] = value
        else:
            tree[section] = value
    return tree


_OPENINGS = {"Value error, ": "", "Input should be ": "must be ", "Value should have ": "must have "}


def _explain(error: ValidationError, file: Path | None, tree: dict[str, Any], flags: dict[str, Any]) -> str:
    """One line a problem: where, what, and what was likely meant; never the value, which may be a secret."""
    lines = []
    for found in error.errors(include_input=False, include_url=False):
        names = [str(name) for name in found["loc"]]
        said = found["msg"]
        for theirs, ours in _OPENINGS.items():
            if said.startswith(theirs):
                said = ours + said.removeprefix(theirs)
        if found["type"] == "extra_forbidden":
            said = f"there is no such setting{_meant(names)}"
        place = f"{file}: " if file and _holds(tree, names) and not _holds(flags, names) else ""
        lines.append(f"{place}{'.'.join(names) or 'settings'}: {said}")
    return "; ".join(lines)


def _holds(tree: Any, names: list[str]) -> bool:
    for name in names:
        if not isinstance(tree, dict) or name not in tree:
            return False
        tree = tree[name]
    return True


def _meant(names: list[str]) -> str:
    """The setting whose name is nearest, or all of a short section."""
    section: Any = Settings
    for name in names[:-1]:
        section = section.model_fields[name].annotation
    known = [str(field.validation_alias or name) for name, field in section.model_fields.items()]
    near = get_close_matches(names[-1].replace("_", ".") if names[0] == "kafka" else names[-1], known, 1)
    if near:
        return f": did you mean {near[0]}?"
    return f": known here are {', '.join(known)}" if len(known) <= 15 else ""
