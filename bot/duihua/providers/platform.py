"""What a platform is to the program: its name, settings and client, and the models it is known for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx

from duihua.config import Settings
from duihua.errors import ConfigError, MissingKey
from duihua.ports import Limits, Provider
from duihua.providers.exchange import Line

Make = Callable[[Settings, httpx.AsyncBaseTransport, Line], Provider]


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """One line of `duihua models`.

    Attributes:
        name: `provider/model`.
        functions: how it calls skills; `none` for models that do not chat.
        soft: the smallest documented limits of one request.
        hard: the largest.
        path: where it is reached, if it has a path of its own.
        family: whose model it is: ernie, qwen, glm, llama...
        chip: the chip it runs on, where one can choose.
        abilities: chat, images (it sees), thinking, and the names in `abilities.Ability`.
    """

    name: str
    functions: Literal["native", "text", "none"]
    soft: Limits
    hard: Limits
    path: str = ""
    family: str = ""
    chip: str = ""
    abilities: frozenset[str] = frozenset({"chat"})


@dataclass(frozen=True, slots=True)
class Platform:
    """A platform that models can be named on.

    Attributes:
        name: as in `provider/model`.
        prefix: of its settings, for example `QIANFAN`: `QIANFAN_PROXY`, `QIANFAN_TIMEOUT`...
        ways: the settings that prove who asks; all of any one way are needed.
        make: makes its client; raises ConfigError.
        models: what is known without asking; some settings add to it.
        keyless: whether the server that the settings name asks for no key.
        client: the class of what `make` makes: it tells the abilities before there is a key.
    """

    name: str
    prefix: str
    ways: tuple[tuple[str, ...], ...]
    make: Make
    models: Callable[[Settings], Sequence[ModelInfo]]
    keyless: Callable[[Settings], bool] = lambda settings: False
    client: type[Any] = object

    def has_key(self, settings: Settings) -> bool:
        """Whether the settings hold what proves who asks, or nobody asks for it."""
        return self.keyless(settings) or any(all(_given(settings, name) for name in way) for way in self.ways)

    def own(self, settings: Settings, name: str) -> Any:
        """A setting that every platform has: `proxy`, `timeout`, `connect_timeout`."""
        return getattr(settings, f"{self.prefix.lower()}_{name}")

    def missing(self, settings: Settings) -> MissingKey:
        """The error that says what to set: the rest of a way that was begun, else every way."""
        for way in self.ways:
            absent = [name for name in way if not _given(settings, name)]
            if len(absent) < len(way):
                return MissingKey(self.name, tuple(absent))
        return MissingKey(self.name, tuple(" and ".join(way) for way in self.ways))


def _given(settings: Settings, name: str) -> bool:
    return bool(getattr(settings, name.lower()))


def checked_url(setting: str, value: str) -> str:
    """A base URL without its last slash.

    Raises:
        ConfigError: it is none.
    """
    try:
        url = httpx.URL(urlsplit(value).geturl())
    except (ValueError, httpx.InvalidURL):
        url = httpx.URL("")
    if url.scheme not in ("http", "https") or not url.host or url.query or url.fragment:
        raise ConfigError(f"{setting} must be a URL such as https://host/path", "config_url", setting=setting)
    return value.rstrip("/")
