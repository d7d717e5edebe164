"""Settings: from the environment or `.env`, under exactly these names. Read once, at construction."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from datetime import tzinfo
from functools import cache
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AliasChoices, BaseModel, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from duihua.errors import ConfigError

SKILL_PREFIX = "DUIHUA_SKILL_"
_RATE = r"^(off|[1-9]\d{0,5}/[1-9]\d{0,5})$"  # so many in so many seconds


def _named(name: str, *aliases: str) -> Any:
    return AliasChoices(name, *aliases)


class Settings(BaseSettings):
    """All settings of duihua. Secrets are `SecretStr`; an empty value counts as not set."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
    )

    model: str = Field("qianfan/ernie-3.5-8k", validation_alias=_named("DUIHUA_MODEL"))
    database_url: str = Field("sqlite+aiosqlite:///duihua.db", validation_alias=_named("DUIHUA_DATABASE_URL"))
    sqlite_synchronous: Literal["NORMAL", "FULL"] = Field(
        "NORMAL", validation_alias=_named("DUIHUA_SQLITE_SYNCHRONOUS")
    )
    lang: Literal["auto", "zh", "en"] = Field("auto", validation_alias=_named("DUIHUA_LANG"))
    timezone: str = Field("", validation_alias=_named("DUIHUA_TIMEZONE"))
    persona: str = Field("default", validation_alias=_named("DUIHUA_PERSONA"))
    personas_dir: str = Field("", validation_alias=_named("DUIHUA_PERSONAS_DIR"))
    skills: Annotated[tuple[str, ...], NoDecode] = Field(
        ("weather", "clock", "calculator", "reminders", "remember", "recall", "forget"),
        validation_alias=_named("DUIHUA_SKILLS"),
    )
    skills_threshold: int = Field(20, ge=1, validation_alias=_named("DUIHUA_SKILLS_THRESHOLD"))
    skills_dir: str = Field("", validation_alias=_named("DUIHUA_SKILLS_DIR"))
    skills_networks: Annotated[tuple[str, ...], NoDecode] = Field(
        (), validation_alias=_named("DUIHUA_SKILLS_NETWORKS")
    )
    admins: Annotated[tuple[str, ...], NoDecode] = Field(
        ("terminal",), validation_alias=_named("DUIHUA_ADMINS")
    )
    owners: Annotated[tuple[str, ...], NoDecode] = Field((), validation_alias=_named("DUIHUA_OWNERS"))
    access: str = Field(
        "closed",
        pattern=r"^(closed|open)(\s*,\s*[\w-]+=(closed|open))*$",
        validation_alias=_named("DUIHUA_ACCESS"),
    )
    rate_user: str = Field("20/60", pattern=_RATE, validation_alias=_named("DUIHUA_RATE_USER"))
    rate_chat: str = Field("40/60", pattern=_RATE, validation_alias=_named("DUIHUA_RATE_CHAT"))
    mcp_servers: str = Field("", validation_alias=_named("DUIHUA_MCP_SERVERS"))
    mcp_key: SecretStr | None = Field(None, validation_alias=_named("DUIHUA_MCP_KEY"))
    mcp_hosts: Annotated[tuple[str, ...], NoDecode] = Field((), validation_alias=_named("DUIHUA_MCP_HOSTS"))
    moderation: Literal["clear", "drop_turn"] = Field("clear", validation_alias=_named("DUIHUA_MODERATION"))
    memory: Literal["on", "off"] = Field("on", validation_alias=_named("DUIHUA_MEMORY"))
    memory_model: str = Field("", validation_alias=_named("DUIHUA_MEMORY_MODEL"))
    memory_embed: str = Field("", validation_alias=_named("DUIHUA_MEMORY_EMBED"))
    memory_tokens: int = Field(400, ge=0, validation_alias=_named("DUIHUA_MEMORY_TOKENS"))
    file_megabytes: int = Field(20, ge=1, le=100, validation_alias=_named("DUIHUA_FILE_MEGABYTES"))
    file_pages: int = Field(50, ge=1, validation_alias=_named("DUIHUA_FILE_PAGES"))
    file_characters: int = Field(50_000, ge=100, validation_alias=_named("DUIHUA_FILE_CHARACTERS"))
    file_seconds: float = Field(30.0, ge=1, validation_alias=_named("DUIHUA_FILE_SECONDS"))
    transcribe: str = Field("", validation_alias=_named("DUIHUA_TRANSCRIBE"))
    voice_seconds: int = Field(600, ge=1, validation_alias=_named("DUIHUA_VOICE_SECONDS"))
    turn_timeout: float = Field(300.0, gt=0, validation_alias=_named("DUIHUA_TURN_TIMEOUT"))
    prices: str = Field("", validation_alias=_named("DUIHUA_PRICES"))
    max_pending: int = Field(50, ge=1, validation_alias=_named("DUIHUA_MAX_PENDING"))
    max_steps: int = Field(8, ge=1, validation_alias=_named("DUIHUA_MAX_STEPS"))
    lease: float = Field(15.0, ge=1, validation_alias=_named("DUIHUA_LEASE"))
    approval_timeout: float = Field(259_200.0, gt=0, validation_alias=_named("DUIHUA_APPROVAL_TIMEOUT"))
    shutdown_timeout: float = Field(10.0, ge=0, validation_alias=_named("DUIHUA_SHUTDOWN_TIMEOUT"))
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "WARNING", validation_alias=_named("DUIHUA_LOG_LEVEL")
    )
    proxy: SecretStr | None = Field(None, validation_alias=_named("DUIHUA_PROXY"))

    stream: bool = Field(True, validation_alias=_named("DUIHUA_STREAM"))

    telegram_bot_token: SecretStr | None = Field(None, validation_alias=_named("TELEGRAM_BOT_TOKEN"))
    telegram_api_url: str = Field("https://api.telegram.org", validation_alias=_named("TELEGRAM_API_URL"))
    telegram_webhook_secret: SecretStr | None = Field(
        None, validation_alias=_named("TELEGRAM_WEBHOOK_SECRET")
    )
    telegram_stream: Literal["auto", "draft", "edit", "final"] = Field(
        "auto", validation_alias=_named("TELEGRAM_STREAM")
    )
    telegram_rich: Literal["auto", "always", "never"] = Field(
        "auto", validation_alias=_named("TELEGRAM_RICH")
    )
    telegram_proxy: SecretStr | None = Field(None, validation_alias=_named("TELEGRAM_PROXY"))

    qianfan_api_key: SecretStr | None = Field(None, validation_alias=_named("QIANFAN_API_KEY"))
    qianfan_secret_key: SecretStr | None = Field(None, validation_alias=_named("QIANFAN_SECRET_KEY"))
    qianfan_access_key_id: SecretStr | None = Field(None, validation_alias=_named("QIANFAN_ACCESS_KEY_ID"))
    qianfan_access_key_secret: SecretStr | None = Field(
        None, validation_alias=_named("QIANFAN_ACCESS_KEY_SECRET")
    )
    qianfan_bearer_token: SecretStr | None = Field(None, validation_alias=_named("QIANFAN_BEARER_TOKEN"))
    qianfan_base_url: str = Field("https://aip.baidubce.com", validation_alias=_named("QIANFAN_BASE_URL"))
    qianfan_v2_base_url: str = Field(
        "https://qianfan.baidubce.com/v2", validation_alias=_named("QIANFAN_V2_BASE_URL")
    )
    qianfan_proxy: SecretStr | None = Field(None, validation_alias=_named("QIANFAN_PROXY"))
    qianfan_timeout: float | None = Field(None, gt=0, validation_alias=_named("QIANFAN_TIMEOUT"))
    qianfan_connect_timeout: float | None = Field(
        None, gt=0, validation_alias=_named("QIANFAN_CONNECT_TIMEOUT")
    )

    zhipu_api_key: SecretStr | None = Field(None, validation_alias=_named("ZHIPU_API_KEY"))
    zhipu_auth: Literal["bearer", "jwt"] = Field("bearer", validation_alias=_named("ZHIPU_AUTH"))
    zhipu_base_url: str = Field(
        "https://open.bigmodel.cn/api/paas/v4", validation_alias=_named("ZHIPU_BASE_URL")
    )
    zhipu_proxy: SecretStr | None = Field(None, validation_alias=_named("ZHIPU_PROXY"))
    zhipu_timeout: float | None = Field(None, gt=0, validation_alias=_named("ZHIPU_TIMEOUT"))
    zhipu_connect_timeout: float | None = Field(None, gt=0, validation_alias=_named("ZHIPU_CONNECT_TIMEOUT"))

    dashscope_api_key: SecretStr | None = Field(None, validation_alias=_named("DASHSCOPE_API_KEY"))
    dashscope_base_url: str = Field(
        "https://dashscope.aliyuncs.com/api/v1", validation_alias=_named("DASHSCOPE_BASE_URL")
    )
    dashscope_compatible_base_url: str = Field(
        "https://dashscope.aliyuncs.com/compatible-mode/v1",
        validation_alias=_named("DASHSCOPE_COMPATIBLE_BASE_URL"),
    )
    dashscope_proxy: SecretStr | None = Field(None, validation_alias=_named("DASHSCOPE_PROXY"))
    dashscope_timeout: float | None = Field(None, gt=0, validation_alias=_named("DASHSCOPE_TIMEOUT"))
    dashscope_connect_timeout: float | None = Field(
        None, gt=0, validation_alias=_named("DASHSCOPE_CONNECT_TIMEOUT")
    )

    modelarts_api_key: SecretStr | None = Field(None, validation_alias=_named("MODELARTS_API_KEY"))
    modelarts_base_url: str = Field(
        "https://api.modelarts-maas.com/v1", validation_alias=_named("MODELARTS_BASE_URL")
    )
    modelarts_proxy: SecretStr | None = Field(None, validation_alias=_named("MODELARTS_PROXY"))
    modelarts_timeout: float | None = Field(None, gt=0, validation_alias=_named("MODELARTS_TIMEOUT"))
    modelarts_connect_timeout: float | None = Field(
        None, gt=0, validation_alias=_named("MODELARTS_CONNECT_TIMEOUT")
    )

    genstudio_api_key: SecretStr | None = Field(None, validation_alias=_named("GENSTUDIO_API_KEY"))
    genstudio_base_url: str = Field(
        "https://cloud.infini-ai.com/maas", validation_alias=_named("GENSTUDIO_BASE_URL")
    )
    genstudio_native_tools: Annotated[tuple[str, ...], NoDecode] = Field(
        ("qwq-32b",), validation_alias=_named("GENSTUDIO_NATIVE_TOOLS")
    )
    genstudio_requests_per_minute: int = Field(
        12, ge=0, validation_alias=_named("GENSTUDIO_REQUESTS_PER_MINUTE")
    )
    genstudio_requests_per_day: int = Field(
        3_000, ge=0, validation_alias=_named("GENSTUDIO_REQUESTS_PER_DAY")
    )
    genstudio_tokens_per_minute: int = Field(
        12_000_000, ge=0, validation_alias=_named("GENSTUDIO_TOKENS_PER_MINUTE")
    )
    genstudio_proxy: SecretStr | None = Field(None, validation_alias=_named("GENSTUDIO_PROXY"))
    genstudio_timeout: float | None = Field(None, gt=0, validation_alias=_named("GENSTUDIO_TIMEOUT"))
    genstudio_connect_timeout: float | None = Field(
        None, gt=0, validation_alias=_named("GENSTUDIO_CONNECT_TIMEOUT")
    )

    openai_api_key: SecretStr | None = Field(None, validation_alias=_named("OPENAI_API_KEY"))
    openai_base_url: str = Field(
        "https://api.openai.com/v1", validation_alias=_named("OPENAI_BASE_URL", "OPENAI_API_BASE")
    )
    openai_profile: str = Field("auto", validation_alias=_named("OPENAI_PROFILE"))
    openai_context_length: int | None = Field(None, gt=0, validation_alias=_named("OPENAI_CONTEXT_LENGTH"))
    openai_proxy: SecretStr | None = Field(None, validation_alias=_named("OPENAI_PROXY"))
    openai_timeout: float | None = Field(None, gt=0, validation_alias=_named("OPENAI_TIMEOUT"))
    openai_connect_timeout: float | None = Field(
        None, gt=0, validation_alias=_named("OPENAI_CONNECT_TIMEOUT")
    )

    skill_settings: Mapping[str, str] = Field(
        default_factory=dict[str, str], validation_alias=_named("duihua_skill_settings"), repr=False
    )
    """Settings of skills: what follows `DUIHUA_SKILL_` in lower case -> text. See `of_skill`."""

    def of_skill(self, name: str) -> dict[str, str]:
        """The settings of one skill: `DUIHUA_SKILL_<NAME>_<SETTING>`, by setting in lower case."""
        prefix = name.lower().replace("-", "_") + "_"
        return {k.removeprefix(prefix): v for k, v in self.skill_settings.items() if k.startswith(prefix)}

    @field_validator(
        "skills",
        "skills_networks",
        "admins",
        "owners",
        "mcp_hosts",
        "genstudio_native_tools",
        mode="before",
    )
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("telegram_webhook_secret")
    @classmethod
    def _plain(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.fullmatch(r"[A-Za-z0-9_-]{1,256}", value.get_secret_value()):
            raise ValueError("1 to 256 of A-Z a-z 0-9 _ - are allowed")
        return value

    @classmethod
    def load(cls, env_file: str | None = ".env", **overrides: Any) -> Settings:
        """Reads the environment and `env_file` (the environment wins), then applies `overrides`.

        Raises:
            ConfigError: a value is wrong; the text names the setting and the reason, never the value.
        """
        from dotenv import dotenv_values  # 30 ms that only this needs

        written = {k: v for k, v in (dotenv_values(env_file) if env_file else {}).items() if v is not None}
        overrides.setdefault("skill_settings", _skill_settings({**written, **os.environ}))  # by prefix
        given = {**_given(written), **_given(os.environ), **{_alias(k): v for k, v in overrides.items()}}
        return _checked(lambda: _only(given))

    def replaced(self, values: Mapping[str, str]) -> Settings:
        """These settings with others, named as in the environment, in their place.

        Raises:
            ConfigError: a value is wrong.
        """
        fields = {_alias(field): field for field in Settings.model_fields}
        merged = {field: getattr(self, field) for field in fields.values()}
        merged |= {fields[name]: value for name, value in values.items() if name in fields}
        merged["skill_settings"] = {**self.skill_settings, **_skill_settings(values)}
        return _checked(lambda: _only({_alias(field): value for field, value in merged.items()}))


def _only(values: Mapping[str, Any]) -> Settings:
    """These values, by name, and no look into the environment, for which pydantic's own way takes 3 ms."""
    made = Settings.__new__(Settings)
    BaseModel.__init__(made, **values)
    return made


@cache
def _names() -> dict[str, str]:
    """Every name of a setting -> the first of that setting's names, which stands behind its others."""
    aliases = [field.validation_alias for field in Settings.model_fields.values()]
    choices = [[str(name) for name in one.choices] for one in aliases if isinstance(one, AliasChoices)]
    return {name: names[0] for names in choices for name in reversed(names) if name.isupper()}


def _given(source: Mapping[str, str]) -> dict[str, str]:
    """What a source says, by the first name of each setting; an empty value says nothing."""
    found = {name.upper(): value for name, value in source.items() if value}
    return {first: found[name] for name, first in _names().items() if name in found}


def _checked(make: Callable[[], Settings]) -> Settings:
    try:
        return make()
    except ValidationError as e:
        reasons = "; ".join(f"{_setting(error['loc'])}: {error['msg']}" for error in e.errors())
        raise ConfigError(
            f"{reasons}. Correct it in the environment or in .env", "config_values", reasons=reasons
        ) from None


def _alias(field: str) -> str:
    alias = Settings.model_fields[field].validation_alias
    return str(alias.choices[0]) if isinstance(alias, AliasChoices) else field


def _setting(loc: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in loc)


def _skill_settings(values: Mapping[str, str]) -> dict[str, str]:
    return {
        name[len(SKILL_PREFIX) :].lower(): value
        for name, value in values.items()
        if name.upper().startswith(SKILL_PREFIX) and value
    }


def zone(name: str) -> tzinfo | None:
    """The time zone of `DUIHUA_TIMEZONE`; None for the machine's own. Raises ConfigError."""
    if not name:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ConfigError(
            f"DUIHUA_TIMEZONE={name} is no time zone; use a name such as Asia/Shanghai",
            "config_timezone",
            name=name,
        ) from None
