"""aiogram without the schemas that nobody uses.

aiogram describes 400 types of the Bot API and has pydantic build the schema of each at import, with all that
it holds, anew for every type: three seconds of CPU and a hundred megabytes, most of it never used. The types
are declared to be built at their first use, but for that pydantic must find the names in their annotations,
which their modules import for type checkers only: here the modules get these names.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from typing import Any

from pydantic import BaseModel

TYPES = "aiogram.types."
_NAME = re.compile(r"\w+")


def load() -> None:
    """Imports aiogram. If somebody has imported it before, it stays what it is."""
    if "aiogram" in sys.modules:
        return
    original = BaseModel.__dict__["model_rebuild"]
    waiting: list[type[BaseModel]] = []
    names: dict[str, object] = {}

    def rebuild(cls: type[BaseModel], **options: Any) -> bool | None:
        if cls.__module__.startswith(TYPES) and cls.model_config.get("defer_build"):
            names.update(options.get("_types_namespace") or {})
            waiting.append(cls)
            return None
        options["_parent_namespace_depth"] = options.get("_parent_namespace_depth", 2) + 1
        return original.__get__(None, cls)(**options)

    BaseModel.model_rebuild = classmethod(rebuild)  # type: ignore[assignment] (put back below)
    try:
        importlib.import_module("aiogram")
    finally:
        BaseModel.model_rebuild = original
    for cls in waiting:
        module = vars(sys.modules[cls.__module__])
        annotations = [inspect.get_annotations(base) for base in cls.__mro__]
        said = _NAME.findall(" ".join(str(text) for each in annotations for text in each.values()))
        missing = names.keys() & set(said) - module.keys()
        module.update({name: names[name] for name in missing})
