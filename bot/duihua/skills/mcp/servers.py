"""The MCP servers of the settings: `{"mcpServers": {name: {command, args, env, cwd} | {url, headers}}}`.

`${NAME}` and `${NAME:-instead}` stand for the environment (or `.env`), so that no secret need be in the file.
What was put in that way never reaches a log, an error or a model.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from duihua.errors import ConfigError

LARGEST = 1 << 20
"""Bytes of the file, at most."""

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")

Confirm = Literal["writes", "always", "never"]


@dataclass(frozen=True, slots=True)
class Server:
    """How to reach one server: a `command` of this machine, or a `url`.

    Attributes:
        name: its own, in the file.
        timeout: seconds that a call may take.
        confirm: which calls a person must consent to; `writes`: all but those of tools that are read-only.
        secrets: what came from the environment.
    """

    name: str
    command: str = ""
    args: tuple[str, ...] = field(default=(), repr=False)
    env: Mapping[str, str] = field(default_factory=dict[str, str], repr=False, hash=False)
    cwd: str | None = None
    url: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False, hash=False)
    timeout: float = 60.0
    confirm: Confirm = "writes"
    secrets: frozenset[str] = field(default=frozenset(), repr=False)

    def hide(self, text: str) -> str:
        """`text` without the secrets of this server."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text


class _Entry(BaseModel):
    """One server, as it stands in the file; what other programs keep there is ignored."""

    model_config = ConfigDict(extra="ignore")

    type: Literal["stdio", "http", "streamable-http", "streamableHttp"] | None = None
    command: str = ""
    args: list[str] = Field(default_factory=list)
    env: dict[str, str] = Field(default_factory=dict)
    cwd: str | None = None
    url: str = ""
    headers: dict[str, str] = Field(default_factory=dict)
    disabled: bool = False
    timeout: float = Field(60.0, gt=0, le=3600)
    confirm: Confirm = "writes"


class _File(BaseModel):
    model_config = ConfigDict(extra="ignore")

    servers: dict[str, _Entry] = Field(alias="mcpServers")


def load(path: str, environment: Mapping[str, str] | None = None) -> tuple[Server, ...]:
    """The servers of the file at `path` (setting `DUIHUA_MCP_SERVERS`), empty: none.

    Raises:
        ConfigError: the file cannot be read, is wrong, or names a variable that is not set. The text never
            holds a value of it.
    """
    if not path:
        return ()
    try:
        with Path(path).expanduser().open("rb") as stream:
            text = stream.read(LARGEST + 1)
        if len(text) > LARGEST:
            raise ValueError("too large")
        entries = _File.model_validate_json(text).servers
    except ValidationError as e:
        places = (f"{'.'.join(map(str, error['loc'])) or 'the file'}: {error['msg']}" for error in e.errors())
        raise _wrong(path, "; ".join(places)[:500]) from None
    except (OSError, ValueError) as e:
        raise _wrong(path, getattr(e, "strerror", None) or str(e)) from None
    values = _environment() if environment is None else environment
    return tuple(_server(path, name, entry, values) for name, entry in entries.items() if not entry.disabled)


def check_installed() -> None:
    """Raises ConfigError, which says what to install, if the `mcp` package is not there."""
    if importlib.util.find_spec("mcp") is None:
        raise ConfigError(
            'MCP needs the package mcp, version 2 or later: pip install "duihua[mcp]"', "config_mcp_missing"
        )


def _environment() -> dict[str, str]:
    from dotenv import dotenv_values

    return {**{k: v for k, v in dotenv_values(".env").items() if v is not None}, **os.environ}


def _server(path: str, name: str, entry: _Entry, environment: Mapping[str, str]) -> Server:
    secrets: set[str] = set()

    def filled(text: str) -> str:
        def value(match: re.Match[str]) -> str:
            found = environment.get(match[1]) or match[2]
            if found is None:
                raise _wrong(path, f"{name}: ${{{match[1]}}} is not set")
            if len(found) >= 6 and match[1] not in ("HOME", "PATH", "USER", "PWD", "SHELL", "LANG"):
                secrets.add(found)
            return found

        return _VARIABLE.sub(value, text)

    if bool(entry.command) == bool(entry.url):
        raise _wrong(path, f"{name}: give either a command or a url")
    url = filled(entry.url)
    if url and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc):
        raise _wrong(path, f"{name}: the url must begin with http:// or https://")
    return Server(
        name=name[:64],
        command=filled(entry.command),
        args=tuple(map(filled, entry.args)),
        env={key: filled(value) for key, value in entry.env.items()},
        cwd=filled(entry.cwd) if entry.cwd else None,
        url=url,
        headers={key: filled(value) for key, value in entry.headers.items()},
        timeout=entry.timeout,
        confirm=entry.confirm,
        secrets=frozenset(secrets),
    )


def _wrong(path: str, reason: str) -> ConfigError:
    return ConfigError(f"DUIHUA_MCP_SERVERS={path}: {reason}", "config_mcp", path=path, reason=reason)
