"""What the simulated Zhipu does besides chat: images, vectors, judgements, counts, from a body's fields."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from duihua.simulator.ask import estimate, prompt_tokens
from duihua.simulator.chat_rules import ChatRules, Refused
from duihua.simulator.faults import command
from duihua.simulator.vectors import vector
from duihua.simulator.wire import as_list, as_object
from duihua.simulator.zhipu_models import COUNTED, DRAWING, EMBEDDING, MODERATION

MOST_TEXTS, MOST_TOKENS = 64, 8_192
"""Texts that are embedded in one request, and their tokens together."""
LONGEST_PROMPT, LONGEST_JUDGED = 1_000, 2_000

_SIZE = re.compile(r"(\d{3,4})x(\d{3,4})")
_DRAWN = frozenset(
    {
        *("model", "prompt", "size", "quality", "n", "style", "response_format"),
        *("user", "user_id", "request_id", "watermark_enabled", "sensitive_word_check"),
    }
)


def drawing(fields: Mapping[str, Any], *, later: bool = False) -> tuple[str, int, int]:
    """Prompt and size of a request for an image; `later`: in the background."""
    name, prompt = fields.get("model"), fields.get("prompt")
    canvas = DRAWING.get(name) if isinstance(name, str) else None
    if canvas is None or (later and name != "glm-image"):
        raise Refused(400, "1211", "the model does not exist")
    if not isinstance(prompt, str) or not 0 < len(prompt.strip()) <= LONGEST_PROMPT:
        raise Refused(400, "1214", f"prompt must have 1 to {LONGEST_PROMPT} characters")
    if unknown := next((f for f in fields if f not in _DRAWN), None):
        raise Refused(400, "1210", f"unknown field: {unknown[:64]}")
    if fields.get("quality", "standard") not in ("standard", "hd") or fields.get("n", 1) != 1:
        raise Refused(400, "1214", "quality must be standard or hd, n can only be 1")
    usual = "1280x1280" if name == "glm-image" else "1024x1024"
    size = _SIZE.fullmatch(str(fields.get("size", usual)))
    width, height = (int(size[1]), int(size[2])) if size else (0, 0)
    good = all(canvas.least <= side <= canvas.most and side % canvas.step == 0 for side in (width, height))
    if not good or width * height > canvas.area:
        raise Refused(400, "1214", "size is not supported")
    return prompt, width, height


def embeddings(fields: Mapping[str, Any]) -> dict[str, Any]:
    """One vector for each text."""
    name, given = fields.get("model"), fields.get("input")
    model = EMBEDDING.get(name) if isinstance(name, str) else None
    if model is None:
        raise Refused(400, "1211", "the model does not exist")
    texts = [given] if isinstance(given, str) else as_list(given) or []
    if not texts or not all(isinstance(text, str) and text for text in texts):
        raise Refused(400, "1214", "input must be a text or a list of texts, none of them empty")
    if len(texts) > MOST_TEXTS:
        raise Refused(400, "1214", f"input: at most {MOST_TEXTS} texts")
    counts = [estimate(text) for text in texts]
    if max(counts) > model.tokens or sum(counts) > MOST_TOKENS:
        raise Refused(400, "1261", "Prompt exceeds max length")
    size = fields.get("dimensions", model.sizes[0])
    if size not in model.sizes:
        raise Refused(400, "1214", f"dimensions must be one of {model.sizes}")
    rows = [
        {"object": "embedding", "index": i, "embedding": vector(text, size)} for i, text in enumerate(texts)
    ]
    usage = {"prompt_tokens": sum(counts), "completion_tokens": 0, "total_tokens": sum(counts)}
    return {"object": "list", "model": name, "data": rows, "usage": usage}


def judgements(fields: Mapping[str, Any]) -> dict[str, Any]:
    """How risky each text is: `!flag` is rejected, `!poison` is for people to look at."""
    if fields.get("model") != MODERATION:
        raise Refused(400, "1211", "the model does not exist")
    given = fields.get("input")
    rows: list[dict[str, Any]] = []
    items = as_list(given)
    for item in [given] if items is None else items:
        part = as_object(item) or {}
        kind = "text" if isinstance(item, str) else part.get("type")
        text = item if isinstance(item, str) else part.get("text", "")
        known = ("text", "image_url", "audio_url", "video_url")
        if kind not in known or not isinstance(text, str) or (kind == "text" and not text):
            raise Refused(400, "1214", "input must be a text or an object with a type")
        if len(text) > LONGEST_JUDGED:
            raise Refused(400, "1214", f"input: at most {LONGEST_JUDGED} characters")
        name, _ = command(text)
        level = {"flag": "REJECT", "poison": "REVIEW"}.get(name, "PASS")
        risks = {"REJECT": ["abuse"], "REVIEW": ["ad"]}.get(level, [])
        rows.append({"content_type": kind, "risk_level": level, "risk_type": risks})
    if not rows:
        raise Refused(400, "1214", "input can not be empty")
    return {"result_list": rows, "usage": {"moderation_text": {"call_count": len(rows)}}}


def count(rules: ChatRules, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Tokens of a list of messages."""
    if fields.get("model") not in COUNTED:
        raise Refused(400, "1211", "the model does not exist")
    ask, _ = rules.read({k: fields[k] for k in ("model", "messages", "tools") if k in fields})
    tokens = prompt_tokens(ask.messages, ask.system, ask.functions)
    return {"usage": {"prompt_tokens": tokens, "total_tokens": tokens}}
