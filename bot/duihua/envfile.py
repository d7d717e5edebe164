"""`.env`: settings are written into it beside those that are there; nobody else may read it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from duihua.errors import ConfigError

_PLAIN = re.compile(r"[\w.:/+=@,~-]*", re.ASCII)  # needs no quotes


def write(path: Path, values: Mapping[str, str]) -> None:
    """Sets names to values, each in the line that sets it now, else in a new one at the end.

    All other lines stay as they are. The file is there at every moment, the old one or the new one.

    Raises:
        ConfigError: it cannot be written, or a value has no place in one line.
    """
    lines = {name: f"{name}={_quoted(name, value)}" for name, value in values.items()}
    try:
        path = path.resolve()  # a link stays one
        old = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        _replace(path, "\n".join(_with(old, lines)) + "\n")
    except (OSError, UnicodeError) as e:
        reason = e.strerror if isinstance(e, OSError) and e.strerror else type(e).__name__
        raise ConfigError(
            f"{path.name} cannot be written: {reason}", "config_env_file", path=path.name, reason=reason
        ) from None


def _with(old: list[str], lines: Mapping[str, str]) -> list[str]:
    """The last line that sets a name is the one that counts: it changes, and those before it go."""
    kept: list[str] = []
    left = dict(lines)
    for line in reversed(old):
        found = re.match(r"\s*(?:export\s+)?([A-Za-z_]\w*)\s*=", line)
        name = found[1] if found else ""
        if name not in lines:
            kept.append(line)
        elif name in left:
            kept.append(left.pop(name))
    return [*reversed(kept), *left.values()]


def _quoted(name: str, value: str) -> str:
    if not value.isprintable():
        raise ConfigError(f"{name}: not all of it can be written", "config_env_value", setting=name)
    if _PLAIN.fullmatch(value):
        return value
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _replace(path: Path, text: str) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
