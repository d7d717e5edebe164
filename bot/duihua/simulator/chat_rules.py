"""How an OpenAI-like chat request is read: the checks that such platforms share, and where they differ.

A platform subclasses `ChatRules`; what it refuses it says in its own codes by `refuse`.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, Literal

from duihua.simulator.ask import Ask, Call, Function, Message, prompt_tokens
from duihua.simulator.traffic import Excess
from duihua.simulator.wire import as_list, as_object, is_integer, is_number

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MAGIC = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpeg", b"GIF8": "gif", b"RIFF": "webp"}

EMPTY_MODEL = "model is empty"
What = Literal["body", "model", "field", "tools", "messages", "characters", "tokens"]
Check = tuple[Callable[[Any], bool], str]
"""Whether a field's value is good, and the words when it is not."""


@dataclass(frozen=True, slots=True)
class Model:
    """One model. Limits count all messages together; `refused` are fields that it does not take.

    The thoughts of one that thinks `aloud` stand in the text of its answer, between tags.
    """

    name: str
    characters: int = 1_000_000
    tokens: int = 126_976
    tools: bool = False
    thinks: bool = False
    aloud: bool = False
    sees: bool = False
    refused: frozenset[str] = frozenset()


class Refused(Exception):
    """The platform's error: HTTP status, code, text and type; `excess` of a request that was too large."""

    excess: Excess | None = None

    def __init__(
        self, status: int, code: str, text: str, type_: str = "invalid_request_error", **more: Any
    ) -> None:
        super().__init__(text)
        self.status, self.code, self.text, self.type, self.more = status, code, text, type_, more


class ChatRules:
    """Reads a chat request's body as a platform does.

    Attributes:
        models: name to model.
        fields: the fields of a request besides model, messages and tools, each with its check.
        strict: a field that is not among them is refused.
        alternate: user and assistant must take turns.
        images: how an image part holds its data: as a data URL, or bare base64 text.
    """

    models: ClassVar[Mapping[str, Model]] = {}
    fields: ClassVar[Mapping[str, Check]] = {}
    strict: ClassVar[bool] = True
    alternate: ClassVar[bool] = False
    images: ClassVar[Literal["data_url", "base64"]] = "data_url"

    def refuse(self, what: What, text: str) -> Refused:
        """The platform's error for a fault of the request."""
        status = 404 if what == "model" else 400
        return Refused(status, "context_length_exceeded" if what == "tokens" else f"invalid_{what}", text)

    def read(self, body: Any) -> tuple[Ask, Model]:
        """The ask in a request's body, and the model asked. Raises Refused as the platform would."""
        fields = as_object(body)
        if fields is None:
            raise self.refuse("body", "the request body must be a JSON object")
        model = self.model(fields)
        self.check(fields, model)
        functions = self.functions(fields.get("tools"), model)
        system, messages = self.messages(fields.get("messages"), model)
        self.check_size(messages, system, functions, model)
        return self.ask(fields, system, messages, functions), model

    def ask(
        self,
        fields: Mapping[str, Any],
        system: str,
        messages: tuple[Message, ...],
        functions: tuple[Function, ...],
    ) -> Ask:
        """What the brain is asked."""
        choice = self.choice(fields.get("tool_choice"), functions)
        return Ask(messages, functions, system, choice, parallel=fields.get("parallel_tool_calls", True))

    def model(self, fields: Mapping[str, Any]) -> Model:
        """The model that is asked."""
        name = fields.get("model")
        if not isinstance(name, str) or not name:
            raise self.refuse("model", EMPTY_MODEL)
        model = self.models.get(name)
        if model is None:
            text = f"The model {name[:64]} does not exist or you do not have access to it"
            raise self.refuse("model", text)
        return model

    def check(self, fields: Mapping[str, Any], model: Model) -> None:
        """The fields besides model, messages and tools."""
        for name, value in fields.items():
            if name in ("model", "messages", "tools"):
                continue
            rule = self.fields.get(name)
            if rule is None and self.strict:
                raise self.refuse("field", f"unknown field: {name[:64]}")
            if name in model.refused:
                raise self.refuse("field", f"{name} is not supported by {model.name}")
            if rule and not rule[0](value):
                raise self.refuse("field", f"{name} {rule[1]}")
        if "stream_options" in fields and not fields.get("stream"):
            raise self.refuse("field", "stream_options is only allowed when stream is true")

    def functions(self, value: Any, model: Model) -> tuple[Function, ...]:
        """The offered functions."""
        if value is None:
            return ()
        if not model.tools:
            raise self.refuse("tools", f"tools is not supported by {model.name}")
        items = as_list(value)
        if not items:
            raise self.refuse("tools", "tools must be a list that is not empty")
        found: dict[str, Function] = {}
        for item in items:
            function = self.function(as_object(item) or {})
            if function is None:
                continue
            if function.name in found:
                raise self.refuse("tools", "tools: type or name is missing, wrong or not unique")
            found[function.name] = function
        return tuple(found.values())

    def function(self, tool: Mapping[str, Any]) -> Function | None:
        """One offered function; None: something that the platform does itself."""
        given = as_object(tool.get("function")) or {}
        name = given.get("name")
        schema = as_object(given.get("parameters", {"type": "object", "properties": {}}))
        if tool.get("type") != "function" or not isinstance(name, str) or not _NAME.fullmatch(name):
            raise self.refuse("tools", "tools: type or name is missing, wrong or not unique")
        if schema is None or schema.get("type") != "object":
            raise self.refuse("tools", f"tools: the parameters of {name} must be of type object")
        return Function(name, str(given.get("description", "")), schema)

    def choice(self, value: Any, functions: tuple[Function, ...]) -> str:
        """What `tool_choice` asks for."""
        if value is None:
            return "auto"
        if value in ("none", "auto", "required"):
            return str(value) if functions else "none"
        choice = as_object(value) or {}
        name = (as_object(choice.get("function")) or {}).get("name")
        if (
            choice.get("type") != "function"
            or not isinstance(name, str)
            or name not in [f.name for f in functions]
        ):
            raise self.refuse("field", "tool_choice must be none, auto, required or an offered function")
        return name

    # ------------------------------------------------------------ messages

    def messages(self, value: Any, model: Model) -> tuple[str, tuple[Message, ...]]:
        """The system text and the other messages, in a form the brain knows."""
        items = as_list(value)
        if not items:
            raise self._shape("messages can not be empty")
        system: list[str] = []
        found: list[Message] = []
        open_calls: dict[str, str] = {}  # call id -> function, of the calls that have no result yet
        for item in items:
            fields = as_object(item)
            if fields is None:
                raise self._shape("every message must be an object")
            role = fields.get("role")
            text = self.text(fields, model)
            if open_calls and role != "tool":
                raise self._shape("every tool call must be followed by its tool message")
            match role:
                case "system":
                    system.append(self._filled(text))
                case "user":
                    found.append(Message("user", self._filled(text)))
                case "assistant":
                    calls = self.calls(fields, model)
                    open_calls = {c.id: c.name for c in calls}
                    found.append(Message("assistant", text if calls else self._filled(text), calls))
                case "tool":
                    id_ = fields.get("tool_call_id")
                    name = open_calls.pop(id_, None) if isinstance(id_, str) else None
                    if name is None:
                        raise self._shape("the tool_call_id of a tool message answers no tool call")
                    found.append(Message("function", text, name=name))
                case _:
                    raise self._shape("the role of message must be system, user, assistant or tool")
        self.check_order(found, open=bool(open_calls))
        return "\n".join(system), tuple(found)

    def check_order(self, messages: list[Message], *, open: bool) -> None:
        """Who may speak after whom; `open`: a call has no result."""
        if not any(m.role == "user" for m in messages):
            raise self._shape("there must be a message of the role user")
        if open or messages[-1].role == "assistant":
            raise self._shape("the last message must be of the role user or tool")
        if not self.alternate:
            return
        if messages[0].role != "user":
            raise self._shape("the first message must be of the role user or system")
        for before, after in pairwise(messages):
            if before.role == after.role and after.role != "function":
                raise self._shape("the roles user and assistant must alternate")
            if (before.role, after.role) == ("function", "user"):
                raise self._shape("a tool message must be followed by the assistant")

    def text(self, fields: Mapping[str, Any], model: Model) -> str:
        """The text of a message; an image is told by its kind and size, as `[image png 68]`."""
        content = fields.get("content")
        if content is None:
            return ""
        if isinstance(content, str):
            return content
        parts: list[str] = []
        for item in as_list(content) or [None]:
            part = as_object(item) or {}
            text, url = part.get("text"), (as_object(part.get("image_url")) or {}).get("url")
            if part.get("type") == "text" and isinstance(text, str):
                parts.append(text)
            elif part.get("type") == "image_url" and isinstance(url, str) and fields.get("role") == "user":
                parts.append(self.image(url, model))
            else:
                raise self._shape("the content of message must be a text or a list of parts")
        return "".join(parts)

    def image(self, url: str, model: Model) -> str:
        """What is seen in an image part."""
        if not model.sees:
            raise self._shape(f"{model.name} does not accept images")
        head, mark, data = url.rpartition(";base64,")
        if (self.images == "data_url") != bool(mark and head.startswith("data:image/")):
            raise self._shape("image_url: not the data that is expected here")
        try:
            raw = base64.b64decode(data, validate=True)
        except binascii.Error:
            raise self._shape("image_url: the base64 text is broken") from None
        kind = next((name for magic, name in _MAGIC.items() if raw.startswith(magic)), "")
        if not kind:
            raise self._shape("image_url: this is no image")
        return f"[image {kind} {len(raw)}]"

    def calls(self, fields: Mapping[str, Any], model: Model) -> tuple[Call, ...]:
        """The calls of an assistant's message."""
        value = fields.get("tool_calls")
        if value is None:
            return ()
        items = as_list(value)
        if not model.tools:
            raise self._shape(f"tool_calls: tools are not supported by {model.name}")
        if not items:
            raise self._shape("tool_calls must be a list that is not empty")
        calls: dict[str, Call] = {}
        for item in items:
            call = as_object(item) or {}
            function = as_object(call.get("function")) or {}
            id_, name, arguments = call.get("id"), function.get("name"), function.get("arguments")
            if not isinstance(id_, str) or not id_ or id_ in calls:
                raise self._shape("tool_calls: id is missing or not unique")
            if not isinstance(name, str) or not name or not isinstance(arguments, str):
                raise self._shape("tool_calls: the function's name or arguments are missing")
            calls[id_] = Call(name, arguments, id_)
        return tuple(calls.values())

    def check_size(
        self, messages: tuple[Message, ...], system: str, functions: tuple[Function, ...], model: Model
    ) -> None:
        """Whether the model takes so much."""
        excess = Excess(model.name, prompt_tokens(messages, system, functions), model.tokens)
        if len(system) + sum(len(m.text) for m in messages) > model.characters:
            raise self.too_large("characters", f"the max input characters is {model.characters}", excess)
        if excess.tokens > model.tokens:
            text = f"This model's maximum context length is {model.tokens} tokens"
            raise self.too_large("tokens", text, excess)

    def too_large(self, what: What, text: str, excess: Excess) -> Refused:
        """The platform's error for a request that does not fit."""
        error = self.refuse(what, text)
        error.excess = excess
        return error

    def _shape(self, text: str) -> Refused:
        return self.refuse("messages", text)

    def _filled(self, text: str) -> str:
        if not text.strip():
            raise self._shape("the content of message can not be empty")
        return text


# ---------------------------------------------------------------- checks of fields


def within(low: float, high: float) -> Check:
    """A number in a closed range."""
    return lambda v: is_number(v) and low <= v <= high, f"should be in the range [{low:g}, {high:g}]"


def at_least(low: int) -> Check:
    """An integer from `low` on."""
    return lambda v: is_integer(v) and v >= low, f"should be at least {low}"


BOOLEAN: Check = (lambda v: isinstance(v, bool), "must be a boolean")
OBJECT: Check = (lambda v: isinstance(v, dict), "must be an object")
STRING: Check = (lambda v: isinstance(v, str), "must be a string")
ANY: Check = (lambda v: True, "")
