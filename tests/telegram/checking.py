"""What Telegram asks of a message, checked without the code that makes them."""

from __future__ import annotations

from duihua.telegram.text import Formatted

LIMIT = 4096
ENTITIES = 100
STYLES = {"bold", "italic", "strikethrough", "underline", "spoiler"}
QUOTES = {"blockquote", "expandable_blockquote"}
KNOWN = STYLES | QUOTES | {"text_link", "code", "pre"}


def check(
    message: Formatted, *, limit: int = LIMIT, entities: int = ENTITIES, sent: bool = True
) -> list[str]:
    """What is wrong with a message; `sent`: it must keep the limits and have nothing to trim."""
    wrong: list[str] = []
    try:
        data = message.text.encode("utf-16-le")
    except UnicodeEncodeError:
        return ["a lone surrogate"]
    size = len(data) // 2
    if sent:
        wrong += _limits(message, size, limit, entities)
    spans: list[tuple[int, int, str]] = []
    for it in message.entities:
        start, end = it.offset, it.offset + it.length
        if it.type not in KNOWN:
            wrong.append(f"unknown type {it.type}")
        if it.length <= 0 or start < 0 or end > size:
            wrong.append(f"{it.type} {start}+{it.length} outside 0..{size}")
            continue
        try:
            inside = data[2 * start : 2 * end].decode("utf-16-le")
        except UnicodeDecodeError:
            wrong.append(f"{it.type} {start}+{it.length} cuts a surrogate pair")
            continue
        if not inside.strip():
            wrong.append(f"{it.type} holds white space only")
        if it.type not in ("pre", "code") and inside != inside.strip():
            wrong.append(f"{it.type} {inside!r} has white space at an end")
        if (it.type == "text_link") != bool(it.url):
            wrong.append(f"{it.type} with address {it.url!r}")
        if it.language and it.type != "pre":
            wrong.append(f"{it.type} with a language")
        spans.append((start, end, it.type))
    return wrong + _nesting(spans)


def _limits(message: Formatted, size: int, limit: int, entities: int) -> list[str]:
    wrong: list[str] = []
    if size > limit:
        wrong.append(f"{size} units")
    if not message.text.strip():
        wrong.append("empty")
    if len(message.entities) > entities:
        wrong.append(f"{len(message.entities)} entities")
    if message.text != message.text.rstrip(" \n"):
        wrong.append("white space at its end")
    indented = any(it.type == "pre" and it.offset == 0 for it in message.entities)
    if message.text[:1] == "\n" or (message.text[:1] == " " and not indented):
        wrong.append("white space at its beginning")
    return wrong


def _nesting(spans: list[tuple[int, int, str]]) -> list[str]:
    wrong: list[str] = []
    order = sorted(spans, key=lambda it: (it[0], -it[1]))
    if [it[:2] for it in spans] != [it[:2] for it in order]:
        wrong.append("not sorted")
    open_: list[tuple[int, int, str]] = []
    for span in order:
        open_ = [it for it in open_ if it[1] > span[0]]
        for other in open_:
            wrong += _pair(other, span)
        open_.append(span)
    return wrong


def _pair(outer: tuple[int, int, str], inner: tuple[int, int, str]) -> list[str]:
    """`inner` begins inside `outer`."""
    names = f"{outer[2]} {outer[:2]} and {inner[2]} {inner[:2]}"
    if inner[1] > outer[1]:
        return [f"{names} overlap in part"]
    if {"pre", "code"} & {outer[2], inner[2]}:
        return [f"{names}: code stands alone"]
    if outer[2] in QUOTES and inner[2] in QUOTES:
        return [f"{names}: a quote in a quote"]
    if outer[2] == inner[2]:
        return [f"{names}: twice the same"]
    if inner[2] in QUOTES and (inner[0], inner[1]) != (outer[0], outer[1]):
        return [f"{names}: a quote inside a style"]
    return []
