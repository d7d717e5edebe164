"""Which types of arguments are read by pydantic alone, so that no code of a skill runs while they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

_TYPES = frozenset(
    {
        "any", "none", "bool", "int", "float", "decimal", "str", "bytes", "date", "time", "datetime",
        "timedelta", "uuid", "literal", "enum", "list", "set", "frozenset", "tuple", "dict", "nullable",
        "union", "tagged-union", "default", "definitions", "definition-ref", "model", "model-fields",
        "model-field", "typed-dict", "typed-dict-field",
    }
)  # fmt: skip
_CODE = ("default_factory", "custom_init", "post_init", "missing", "root_model")
_DATA = frozenset({"metadata", "serialization", "default", "expected", "members", "cls"})


def plain(schema: Any) -> bool:
    """Whether validation by a pydantic core schema runs no code of somebody's own."""
    if isinstance(schema, list | tuple):
        return all(map(plain, cast("list[Any]", schema)))
    if not isinstance(schema, Mapping):
        return True
    node = cast("Mapping[str, Any]", schema)
    kind = node.get("type")
    if isinstance(kind, str) and kind not in _TYPES:
        return False
    if any(node.get(name) for name in _CODE) or callable(node.get("discriminator")):
        return False
    # Python's own engine has patterns that take for ever; the other one has none.
    if not isinstance(node.get("pattern", ""), str) or node.get("regex_engine") == "python-re":
        return False
    return all(plain(item) for name, item in node.items() if name not in _DATA)
