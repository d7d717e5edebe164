"""DashScope's answers: frames with an id, an event, a status and data; usage in each of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from duihua.simulator import wire
from duihua.simulator.ask import Ask, estimate
from duihua.simulator.chat import ChatReply
from duihua.simulator.chat_rules import Model
from duihua.simulator.dashscope_models import MODELS
from duihua.simulator.dashscope_rules import result_format, thinks
from duihua.simulator.faults import Fault
from duihua.simulator.wire import Desk, as_object

OUTPUT_FLAGGED = "Output data may contain inappropriate content."
INPUT_FLAGGED = "Input data may contain inappropriate content."
FLAGGED = "DataInspectionFailed"
SOURCES = (
    {
        "index": 1,
        "title": "模拟天气网",
        "url": "https://weather.example/today",
        "site_name": "模拟网",
        "icon": "",
    },
    {
        "index": 2,
        "title": "An invented page",
        "url": "https://news.example/1",
        "site_name": "News",
        "icon": "",
    },
)


def frame(number: int, value: Any, *, name: str = "result", status: int = 200) -> bytes:
    """One event as the platform frames it: without spaces, its status in a comment."""
    head = f"id:{number}\nevent:{name}\n:HTTP_STATUS/{status}\ndata:"
    return head.encode() + orjson.dumps(value) + b"\n\n"


class DashScopeReply(ChatReply):
    """One answer in either result format, as blocks for models that see."""

    def __init__(self, desk: Desk, model: Model, body: Mapping[str, Any], fault: Fault, ask: Ask) -> None:
        super().__init__(desk, model, body, fault, ask)
        self.id = f"{desk.number():08x}-0000-9000-8000-000000000000"
        self.as_text = result_format(body) == "text"
        self.grows = not body.get("incremental_output", False)
        self.blocks = MODELS[model.name].multimodal
        self.told = 0  # frames so far
        self.spent = 0  # tokens of the answer so far
        self.so_far: dict[str, str] = {}

    def thinks(self) -> bool:
        """Whether a thinking model thinks about this request."""
        return thinks(self.body, MODELS[self.model.name])

    # ------------------------------------------------------------ whole

    def whole(self) -> bytes:
        """The body of an answer without a stream."""
        self.spent = self.all_spent()
        if self.as_text:
            output: dict[str, Any] = {"text": self.answer.text, "finish_reason": self.finish}
        else:
            message: dict[str, Any] = {"role": "assistant", "content": self.content(self.answer.text)}
            message |= {"reasoning_content": self.thinking} if self.thinking else {}
            message |= {"tool_calls": self.calls} if self.calls else {}
            choices = [{"finish_reason": self.finish, "message": message}]
            choices += [
                {"index": i, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
                for i, text in enumerate(self.others, 1)
            ]
            output = {"choices": choices}
        data = orjson.dumps(self.told_so({**output, **self.search()}))
        return data[: len(data) // 2] if self.fault.kind == "malformed" else data

    # ------------------------------------------------------------ streamed

    def frames(self) -> list[bytes]:
        """The events of a stream; its end is a finish reason, and no mark."""
        frames = [self.piece("", thinking=p) for p in self.cut(self.thinking)]
        pieces = self.cut(self.answer.text)
        if self.fault.kind == "flag-output":
            pieces = pieces[: max(1, len(pieces) // 2)]
        frames += [self.piece(p) for p in pieces]
        if self.fault.kind == "flag-output":
            return [*frames, self.flag()]
        frames += self.call_frames()
        frames += [self.other(i, text) for i, text in enumerate(self.others, 1)]
        if self.fault.kind == "malformed":
            return [*frames[: (len(frames) + 1) // 2], wire.BROKEN]
        self.spent = self.all_spent()
        if not self.calls:
            return [*frames, self.piece("", finish=self.finish)]
        last = {"index": len(self.calls) - 1, "id": "", "type": "function", "function": {"arguments": ""}}
        return [*frames, self.piece("", finish=self.finish, calls=[self.grown(last)])]

    def call_frames(self) -> list[bytes]:
        """Calls in pieces: first the id and the name, then arguments without them, an empty one last."""
        frames: list[bytes] = []
        for i, call in enumerate(self.calls):
            name, arguments = call["function"]["name"], call["function"]["arguments"]
            first = {"id": call["id"], "function": {"name": name, "arguments": ""}}
            rest = [{"id": "", "function": {"arguments": p}} for p in (*self.cut(arguments), "")]
            for piece in (first, *rest):
                whole = self.grown({"index": i, "type": "function", **piece})
                frames.append(self.piece("", calls=[whole]))
        return frames

    def grown(self, call: dict[str, Any]) -> dict[str, Any]:
        """A piece of a call; where frames repeat everything, with its id, its name and all arguments."""
        if not self.grows:
            return call
        index: int = call["index"]
        known = self.calls[index]
        arguments = self.grow(f"call {index}", call["function"]["arguments"])
        function: dict[str, Any] = {"name": known["function"]["name"], "arguments": arguments}
        return {**call, "id": known["id"], "function": function}

    def piece(
        self,
        text: str,
        *,
        thinking: str = "",
        finish: str = "null",
        calls: list[dict[str, Any]] | None = None,
    ) -> bytes:
        """One event with a piece of the answer."""
        self.spent = min(self.spent + estimate(text + thinking), self.all_spent())
        shown = self.grow("text", text)
        if self.as_text:
            return self.framed({"text": shown, "finish_reason": finish})
        message: dict[str, Any] = {"content": self.content(shown), "role": "assistant"}
        if self.model.thinks:
            message["reasoning_content"] = thinking
        if calls:
            message["tool_calls"] = calls
        return self.framed({"choices": [{"message": message, "finish_reason": finish, "index": 0}]})

    def other(self, index: int, text: str) -> bytes:
        """A further answer, in one event."""
        message = {"content": text, "role": "assistant"}
        return self.framed({"choices": [{"message": message, "finish_reason": "stop", "index": index}]})

    def framed(self, output: dict[str, Any]) -> bytes:
        """The next event; what was searched stands in the first."""
        self.told += 1
        return frame(self.told, self.told_so({**output, **(self.search() if self.told == 1 else {})}))

    def flag(self) -> bytes:
        """The event that ends an answer whose text was refused."""
        body = {"code": FLAGGED, "message": OUTPUT_FLAGGED, "request_id": self.id}
        return frame(self.told + 1, body, name="error", status=400)

    # ------------------------------------------------------------ parts

    def grow(self, where: str, text: str) -> str:
        """A piece, or where frames repeat everything the text so far."""
        if not self.grows:
            return text
        self.so_far[where] = self.so_far.get(where, "") + text
        return self.so_far[where]

    def content(self, text: str) -> Any:
        """A text as this model's answers hold it."""
        return ([{"text": text}] if text else []) if self.blocks else text

    def search(self) -> dict[str, Any]:
        """What a search has found, if the sources were asked for."""
        options = as_object(self.body.get("search_options")) or {}
        if not (self.body.get("enable_search") and options.get("enable_source")):
            return {}
        return {"search_info": {"search_results": list(SOURCES)}}

    def all_spent(self) -> int:
        """Tokens of the whole answer."""
        return self.usage()["completion_tokens"]

    def told_so(self, output: Mapping[str, Any]) -> dict[str, Any]:
        """A body: the output, the tokens up to here, the request's id."""
        usage: dict[str, Any] = {
            "total_tokens": self.prompt + self.spent,
            "output_tokens": self.spent,
            "input_tokens": self.prompt,
            "prompt_tokens_details": {"cached_tokens": 0},
        }
        if self.thinking:
            reasoning = min(self.spent, estimate(self.thinking))
            usage["output_tokens_details"] = {"reasoning_tokens": reasoning}
        return {"output": output, "usage": usage, "request_id": self.id}
