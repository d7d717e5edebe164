"""What ModelArts Studio serves and refuses: models, the checks of a chat request, and their words.

The gateway looks at the key and the model, the inference server behind it at all else; each has its own form
of errors, which `Refused.type` names: `gateway`, `apig`, `flat`, `detail`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from duihua.simulator.ask import Ask, prompt_tokens
from duihua.simulator.chat_rules import (
    ANY,
    BOOLEAN,
    EMPTY_MODEL,
    OBJECT,
    ChatRules,
    Check,
    Model,
    Refused,
    What,
    at_least,
    within,
)
from duihua.simulator.traffic import Excess
from duihua.simulator.wire import as_list, as_object, is_integer, is_number

MODELS: dict[str, Model] = {
    m.name: m
    for m in (
        Model("DeepSeek-V3", tokens=65_536, tools=True),
        Model("DeepSeek-R1", tokens=65_536, tools=True, thinks=True),
        Model("deepseek-r1-250528", tokens=65_536, tools=True, thinks=True),
        Model("deepseek-v3.1", tokens=131_072, tools=True, thinks=True),
        Model("deepseek-v3.2-exp", tokens=65_536, tools=True, thinks=True),
        Model("qwen2.5-vl-7b", tokens=32_768, sees=True),
        Model("qwen2.5-vl-72b", tokens=32_768, sees=True),
        Model("qwen3-32b", tokens=32_768),
        Model("qwen3-235b-a22b", tokens=32_768, thinks=True, aloud=True),
        Model("qwen3-30b-a3b", tokens=131_072, thinks=True),
    )
}
OWN_MODELS: dict[str, Model] = {"Qwen2.5-7B": Model("Qwen2.5-7B", tokens=32_768)}
"""What the service of one's own holds."""

SINGLE = frozenset({"DeepSeek-V3", "DeepSeek-R1", "deepseek-r1-250528"})
"""Models that give one answer, without beam search."""
SWITCHED: Mapping[str, tuple[str, bool]] = {
    "deepseek-v3.1": ("thinking", False),
    "deepseek-v3.2-exp": ("thinking", False),
    "qwen3-30b-a3b": ("enable_thinking", True),
}
"""Models whose thinking is switched: by which name, and what they do by default."""
LARGEST_IMAGE = 10 << 20
"""Bytes of an image as base64 text."""


def thinks(fields: Mapping[str, Any], model: Model) -> bool:
    """Whether a model thinks about this request."""
    name, usual = SWITCHED.get(model.name, ("", model.thinks))
    return bool((as_object(fields.get("chat_template_kwargs")) or {}).get(name, usual))


def flat(text: str, status: int = 400) -> Refused:
    """An error of the inference server."""
    return Refused(status, "NotFoundError" if status == 404 else "BadRequestError", text, "flat")


def wrong(kind: str, name: str, words: str, value: Any = None) -> Refused:
    """An error about one field, told as the inference server's checker tells it."""
    return flat(
        f"[{{'type': '{kind}', 'loc': ('body', '{name[:64]}'), 'msg': '{words}', 'input': {value!r}}}]"
    )


def forbidden(fields: Mapping[str, Any], known: frozenset[str]) -> None:
    """Refuses fields that are not known."""
    for name, value in fields.items():
        if name not in known:
            raise wrong("extra_forbidden", name, "Extra inputs are not permitted", value)


def missing(fields: Mapping[str, Any], *names: str) -> None:
    """Refuses a body without these fields."""
    for name in names:
        if name not in fields:
            raise wrong("missing", name, "Field required")


def _stop(value: Any) -> bool:
    items = as_list(value)
    return (
        value is None
        or isinstance(value, str)
        or (items is not None and all(isinstance(t, str) for t in items))
    )


SAMPLING: Mapping[str, Check] = {
    "max_tokens": at_least(1),
    "temperature": within(0, 2),
    "top_p": within(0, 1),
    "top_k": (lambda v: is_integer(v) and (v == -1 or v > 0), "must be -1 or at least 1"),
    "stop": (_stop, "must be a string or a list of strings"),
    "presence_penalty": within(-2, 2),
    "frequency_penalty": within(-2, 2),
    "ignore_eos": BOOLEAN,
}


class ModelArtsRules(ChatRules):
    """How a preset service reads a chat request."""

    models = MODELS
    fields: Mapping[str, Check] = {  # pyright: ignore[reportIncompatibleVariableOverride]
        **SAMPLING,
        "stream": BOOLEAN,
        "stream_options": OBJECT,
        "n": (lambda v: is_integer(v) and 1 <= v <= 10, "should be in the range [1, 10]"),
        "use_beam_search": BOOLEAN,
        "best_of": at_least(1),
        "length_penalty": (is_number, "must be a number"),
        "chat_template_kwargs": OBJECT,
        "tool_choice": ANY,
    }

    def refuse(self, what: What, text: str) -> Refused:
        """Body and model are the gateway's matter, all else the inference server's."""
        if what == "body" or text == EMPTY_MODEL:
            return Refused(400, "ModelArts.81001", "Invalid request body.", "gateway")
        if what == "model":
            return Refused(404, "ModelArts.81009", "Invalid model.", "gateway")
        return flat(text)

    def read(self, body: Any) -> tuple[Ask, Model]:
        """The ask and the model, when the request is good and its answer has room."""
        ask, model = super().read(body)
        if ask.functions and thinks(body, model) and model.name in SWITCHED:
            raise flat(f"{model.name} cannot think and call functions in one request")
        prompt = prompt_tokens(ask.messages, ask.system, ask.functions)
        most = body.get("max_tokens") or 1
        if prompt + most > model.tokens:
            told = f"{prompt + most} tokens ({prompt} in the messages, {most} in the completion)"
            words = f"This model's maximum context length is {model.tokens} tokens."
            error = flat(f"{words} However, you requested {told}.")
            error.excess = Excess(model.name, prompt, model.tokens)
            raise error
        return ask, model

    def check(self, fields: Mapping[str, Any], model: Model) -> None:
        """The fields besides model, messages and tools."""
        missing(fields, "messages")
        forbidden(fields, frozenset({"model", "messages", "tools", *self.fields}))
        super().check(fields, model)
        if "tool_choice" in fields and "tools" not in fields:
            raise flat("When using `tool_choice`, `tools` must be set.")
        switch = SWITCHED.get(model.name, ("",))[0]
        for name, value in fields.get("chat_template_kwargs", {}).items():
            if name != switch or not isinstance(value, bool):
                raise flat(f"chat_template_kwargs: {model.name} has no switch {name[:64]}")
        self.sampling(fields, model)

    def sampling(self, fields: Mapping[str, Any], model: Model) -> None:
        """What several answers and beam search need beside them."""
        n, top_k = fields.get("n", 1), fields.get("top_k", -1)
        beam, temperature = fields.get("use_beam_search", False), fields.get("temperature", 1.0)
        if model.name in SINGLE and (n > 1 or beam or "length_penalty" in fields):
            raise flat(f"{model.name} supports neither n > 1 nor beam search")
        if beam and (n == 1 or temperature != 0 or top_k != -1 or fields.get("top_p", 1) != 1):
            raise flat("beam search needs n > 1, top_p = 1, top_k = -1 and temperature = 0")
        if not beam and n > 1 and (temperature == 0 or top_k <= 1):
            raise flat("n must be 1 when using greedy sampling: set top_k > 1 and temperature > 0")
        if "length_penalty" in fields and not (beam and fields.get("best_of", 1) > 1):
            raise flat("length_penalty needs use_beam_search and best_of > 1")

    def image(self, url: str, model: Model) -> str:
        """What is seen in an image part; one that is too large is refused."""
        if len(url) > LARGEST_IMAGE:
            raise flat("image_url: the image is larger than 10 MB")
        return super().image(url, model)


class OwnRules(ModelArtsRules):
    """A service of one's own: no gateway reads the body, the inference server does."""

    models = OWN_MODELS

    def refuse(self, what: What, text: str) -> Refused:
        """All in the inference server's form."""
        if what == "body":
            return flat(
                "[{'type': 'json_invalid', 'loc': ('body', 0), 'msg': 'JSON decode error', 'input': {}}]"
            )
        if text == EMPTY_MODEL:
            return wrong("missing", "model", "Field required")
        return flat(text, 404) if what == "model" else flat(text)
