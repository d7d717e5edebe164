"""Where a `$ref` leads to, within one schema: nothing is ever fetched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import unquote

Schema = Mapping[str, Any]
Node = Schema | bool
"""A schema within a schema: an object, or `true` and `false` for anything and nothing."""

_DEEP = 40  # references to references


def target(root: Schema, ref: str) -> Node:
    """The schema that `ref` names: `#`, or `#/` and a JSON pointer.

    Raises:
        LookupError: there is no schema there.
    """
    pointer = unquote(ref)
    if pointer in ("#", ""):
        return root
    if not pointer.startswith("#/"):
        raise LookupError(ref)
    here: Any = root
    for part in pointer[2:].split("/"):
        part = part.replace("~1", "/").replace("~0", "~")
        if isinstance(here, dict) and part in here:
            here = cast("dict[str, Any]", here)[part]
        elif isinstance(here, list) and part.isdecimal() and int(part) < len(cast("list[Any]", here)):
            here = cast("list[Any]", here)[int(part)]
        else:
            raise LookupError(ref)
    if not isinstance(here, dict | bool):
        raise LookupError(ref)
    return cast("Node", here)


def name(ref: str) -> str:
    """The last part of a reference, for people and models."""
    return ref.rpartition("/")[2].removeprefix("#") or "the whole"


def resolved(node: Schema, root: Schema) -> Schema:
    """The schema that a reference leads to, if it is nothing but one."""
    for _ in range(_DEEP):
        if "$ref" not in node or "properties" in node:
            break
        found = target(root, node["$ref"])
        node = found if isinstance(found, dict) else {}
    return node
