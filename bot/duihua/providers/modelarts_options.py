"""What ModelArts Studio takes besides messages; it refuses fields that it does not know.

Sources: the platform's reference of chat, completions and images.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from duihua.errors import InvalidOptions
from duihua.providers.modelarts_models import EDITING, Model
from duihua.ranges import Range

_RANGES: Mapping[str, Range] = {
    "temperature": Range("temperature", 0, 2),
    "top_p": Range("top_p", 0, 1),
    "stop": Range("stop"),
    "frequency_penalty": Range("frequency_penalty", -2, 2),
    "presence_penalty": Range("presence_penalty", -2, 2),
    "n": Range("n", 1, 10),
}


def ranges(model: Model) -> Mapping[str, Range]:
    """The options of a model; only some models' thinking can be switched."""
    found = {**_RANGES, "max_output_tokens": Range("max_tokens", 1, model.context or float("inf"))}
    if switch := model.switch:
        found["thinking"] = Range("chat_template_kwargs", 0, 1, encode=lambda value: {switch: value})
    return found


# ---------------------------------------------------------------- sampling and beam search


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


_EXTRA: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "top_k": (lambda v: _is_integer(v) and (v == -1 or v > 0), "an integer above 0, or -1 for all"),
    "use_beam_search": (lambda v: isinstance(v, bool), "true or false"),
    "best_of": (lambda v: _is_integer(v) and v > 0, "an integer above 0"),
    "length_penalty": (_is_number, "a number"),
    "ignore_eos": (lambda v: isinstance(v, bool), "true or false"),
    "chat_template_kwargs": (lambda v: isinstance(v, dict), "an object"),
    "tool_choice": (lambda v: isinstance(v, (str, dict)), "auto, none, required or a function"),
}
EXTRA = frozenset(_EXTRA)
"""The fields that `ModelOptions.extra` may set."""


def check(fields: Mapping[str, Any], *, single: bool = False) -> None:
    """The types of the extra fields, and what several answers and beam search need beside them.

    Args:
        fields: the request's, under the platform's names.
        single: the model gives one answer only.

    Raises:
        InvalidOptions: the text says the rule.
    """
    for name, (good, words) in _EXTRA.items():
        if name in fields and not good(fields[name]):
            raise InvalidOptions(f"extra.{name}", "...", words)
    n, temperature, top_k = fields.get("n", 1), fields.get("temperature"), fields.get("top_k", -1)
    if single:
        _need(n == 1, "n", n, "this model gives one answer")
        _need(
            not fields.get("use_beam_search"), "extra.use_beam_search", True, "this model has no beam search"
        )
        _need("length_penalty" not in fields, "extra.length_penalty", "...", "this model has no beam search")
    if fields.get("use_beam_search"):
        for good, rule in (
            (n > 1, "n above 1"),
            (temperature == 0, "temperature 0"),
            (fields.get("top_p", 1) == 1, "top_p 1"),
            (top_k == -1, "top_k -1"),
        ):
            _need(good, "extra.use_beam_search", True, f"beam search needs {rule}")
    elif n > 1:
        _need(bool(temperature), "n", n, "several answers need a temperature above 0")
        _need(top_k > 1, "n", n, "several answers need extra.top_k above 1")
    if "length_penalty" in fields:
        beams = bool(fields.get("use_beam_search")) and fields.get("best_of", 1) > 1
        rule = "a length penalty needs use_beam_search and best_of above 1"
        _need(beams, "extra.length_penalty", "...", rule)


def _need(good: bool, option: str, value: object, rule: str) -> None:
    if not good:
        raise InvalidOptions(option, value, rule)


# ---------------------------------------------------------------- completions

_COMPLETION = frozenset(
    {
        "max_tokens",
        "temperature",
        "top_p",
        "top_k",
        "stop",
        "presence_penalty",
        "frequency_penalty",
        "ignore_eos",
    }
)


def completion(options: Mapping[str, Any], model: Model) -> dict[str, Any]:
    """The fields of a text that is gone on with. Raises InvalidOptions."""
    _known(options, _COMPLETION)
    check(options)
    return {"max_tokens": model.answer, "temperature": model.temperature, **options}


# ---------------------------------------------------------------- images

_PICTURE = frozenset({"size", "seed", "watermark"})
_SIZE = re.compile(r"([0-9]{3,4})x([0-9]{3,4})")
USUAL_SIZE = "1024x1024"
LARGEST_IMAGE = 3 << 20
"""Characters of the base64 text of an image that is to be edited."""


def picture(options: Mapping[str, Any], model: str) -> dict[str, Any]:
    """The fields of a drawing; `size` is required by the platform and must be one it draws exactly.

    Raises:
        InvalidOptions: a field that the platform does not know, or a value that it does not take.
    """
    edits = model == EDITING
    number = options.get("n", 1)
    _need(number == 1, "n", number, "1: the platform draws one image at a time")
    options = {name: value for name, value in options.items() if name != "n"}
    _known(options, _PICTURE | ({"image"} if edits else {"response_format"}))
    fields: dict[str, Any] = {"size": USUAL_SIZE, **options}
    size, seed = fields["size"], fields.get("seed", 0)
    most = 2_048 if edits else 3_072
    sides = _SIZE.fullmatch(size) if isinstance(size, str) else None
    good = sides is not None and all(512 <= int(n) <= most and int(n) % 16 == 0 for n in sides.groups())
    _need(good, "size", size, f"WIDTHxHEIGHT, each a multiple of 16 in [512, {most}]")
    _need(_is_integer(seed) and 0 <= seed <= 1 << 31, "seed", seed, f"an integer in [0, {1 << 31}]")
    _need(isinstance(fields.get("watermark", True), bool), "watermark", "...", "true or false")
    if not edits:
        given = fields.setdefault("response_format", "b64_json")
        _need(given == "b64_json", "response_format", given, "b64_json")
        return fields
    image = fields.get("image")
    good = isinstance(image, str) and 0 < len(image) <= LARGEST_IMAGE
    _need(good, "image", "...", f"base64 text of at most {LARGEST_IMAGE} characters")
    return fields


def _known(options: Mapping[str, Any], names: frozenset[str] | set[str]) -> None:
    for name in options:
        _need(name in names, name, "...", "the platform's fields are " + ", ".join(sorted(names)))
