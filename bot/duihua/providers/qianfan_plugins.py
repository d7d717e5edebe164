"""Requests to Qianfan's services of plugins, `/plugin/ID/`. The platform calls them deprecated.

A model named `qianfan/plugin/ID` is such a service, put together in the platform's console: which plugins it
uses is said there, or by `extra={"plugins": ["uuid-zhishiku"]}`. The persona is not sent, because the service
has a prompt of its own. (`qianfan/erniebot/plugin` needs nothing from here: its body is that of a chat.)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from duihua.ports import Packed
from duihua.providers.exchange import members

SAMPLING = frozenset({"temperature", "top_p", "penalty_score"})
"""The options that go into a field of their own."""


def body(packed: Packed, options: Mapping[str, Any], *, stream: bool, user: str) -> bytes:
    """The JSON body: the question alone, what was said before it as `history`.

    Raises:
        ProviderError: an option is no JSON value.
    """
    *before, question = packed.messages
    fields: dict[str, Any] = {"query": orjson.loads(question).get("content") or "", "stream": stream}
    if user:
        fields["user_id"] = user
    if sampling := {name: value for name, value in options.items() if name in SAMPLING}:
        fields["llm"] = sampling
    fields |= {name: value for name, value in options.items() if name not in SAMPLING}
    history = b',"history":[' + b",".join(before) + b"]" if before else b""
    return b"{" + members(fields) + history + b"}"
