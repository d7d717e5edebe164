"""The form of the simulated Zhipu's chat answers, whole and streamed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from duihua.simulator.chat import ChatReply
from duihua.simulator.wire import as_object, event
from duihua.simulator.zhipu_rules import searches

_FOUND = {
    "icon": "",
    "title": "An invented page",
    "link": "https://example.com/",
    "media": "example",
    "content": "Nothing was searched: this is a simulator.",
    "refer": "ref_1",
}


class ZhipuReply(ChatReply):
    """The role on every chunk, a finish reason only at the end, whole calls, usage with the finish."""

    flag_finish = "sensitive"

    def thinks(self) -> bool:
        """Unless it was switched off."""
        return (as_object(self.body.get("thinking")) or {}).get("type") != "disabled"

    def call_id(self) -> str:
        """Ids may hold a minus."""
        return f"call_-{7_000_000_000_000_000_000 + self.desk.number()}"

    def head(self, *, stream: bool = False) -> dict[str, Any]:
        """The fields that begin each object."""
        asked = self.body.get("request_id") or self.id
        return {**super().head(stream=stream), **({} if stream else {"request_id": asked})}

    def choice(self) -> dict[str, Any]:
        """The first choice of a whole answer; calls have an index there too."""
        choice = super().choice()
        if self.calls:
            choice["message"]["tool_calls"] = [{**call, "index": i} for i, call in enumerate(self.calls)]
        return choice

    def extras(self) -> dict[str, Any]:
        """What a search found, if it is wanted."""
        return {"web_search": [_FOUND]} if searches(self.body) else {}

    def usage(self) -> dict[str, Any]:
        """What the answer took; nothing is kept between requests."""
        return {**super().usage(), "prompt_tokens_details": {"cached_tokens": 0}}

    def frames(self) -> list[bytes]:
        """The events of a stream; a flagged question gets no text."""
        return self.ending() if self.flagged else super().frames()

    def call_frames(self) -> list[bytes]:
        """Each call whole in one event, unless `tool_stream` wants pieces."""
        if self.body.get("tool_stream"):
            return super().call_frames()
        return [self.chunk({"tool_calls": [{**call, "index": i}]}) for i, call in enumerate(self.calls)]

    def ending(self) -> list[bytes]:
        """The event with the finish reason and the usage, or with what was flagged, and the end mark."""
        if self.finish == self.flag_finish:
            role = "user" if self.flagged else "assistant"
            choice = {"delta": {"content": "", "role": role}, "finish_reason": self.finish, "index": 0}
            filters = {"content_filter": [{"role": role, "level": 1}]}
            return [event({**self.head(stream=True), "choices": [choice], **filters}), b"data: [DONE]\n\n"]
        delta = {"role": "assistant", "content": ""}
        choice = {"index": 0, "finish_reason": self.finish, "delta": delta}
        last = {**self.head(stream=True), "choices": [choice], "usage": self.usage(), **self.extras()}
        return [event(last), b"data: [DONE]\n\n"]

    def chunk(self, delta: Mapping[str, Any], *, finish: str | None = None, index: int = 0) -> bytes:
        """One event before the end."""
        role = {} if "tool_calls" in delta else {"role": "assistant"}
        choice = {"index": index, "delta": {**role, **delta}}
        return event({**self.head(stream=True), "choices": [choice]})
