"""Inline keyboards, checked."""

from __future__ import annotations

from typing import Any, cast

from duihua.simulator.telegram.refusals import bad

Json = dict[str, Any]

MOST_BUTTONS = 100
MOST_IN_ROW = 8
MOST_DATA = 64
"""Bytes of a button's callback data."""
MOST_COPY = 256

_ACTIONS = (
    "url",
    "callback_data",
    "web_app",
    "login_url",
    "switch_inline_query",
    "switch_inline_query_current_chat",
    "switch_inline_query_chosen_chat",
    "copy_text",
    "callback_game",
    "pay",
    "disabled",
)
_OTHERS = ("keyboard", "remove_keyboard", "force_reply")
_STYLES = ("danger", "success", "primary")


def inline_rows(markup: Any, *, private: bool) -> list[list[Json]] | None:
    """The rows of an inline keyboard; None for other markup.

    Raises:
        Refusal: a wrong keyboard.
    """
    if not isinstance(markup, dict):
        raise bad("object expected as reply markup")
    given = cast(Json, markup)
    if "inline_keyboard" not in given:
        if any(name in given for name in _OTHERS):
            return None
        raise bad("object expected as reply markup")
    rows = given["inline_keyboard"]
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in cast("list[Any]", rows)):
        raise bad('field "inline_keyboard" of the InlineKeyboardMarkup should be an Array of Arrays')
    found = [[_button(b, private) for b in cast("list[Any]", row)] for row in cast("list[Any]", rows) if row]
    if sum(map(len, found)) > MOST_BUTTONS or any(len(row) > MOST_IN_ROW for row in found):
        raise bad("REPLY_MARKUP_TOO_LONG")
    return found


def _button(given: Any, private: bool) -> Json:
    if not isinstance(given, dict):
        raise bad("can't parse inline keyboard button: InlineKeyboardButton should be an Object")
    button = {k: v for k, v in cast(Json, given).items() if v is not None}
    if "text" not in button:
        raise bad("can't parse inline keyboard button: Can't find field \"text\"")
    if not isinstance(button["text"], str):
        raise bad('can\'t parse inline keyboard button: Field "text" must be of type String')
    if not button["text"].strip():
        raise bad("button text is empty")
    actions = [name for name in _ACTIONS if name in button]
    if not actions:
        raise bad("can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard")
    if len(actions) > 1:
        raise bad("BUTTON_TYPE_INVALID")
    if button.get("style") not in (None, *_STYLES):
        raise bad("can't parse inline keyboard button: Invalid button style specified")
    data = button.get("callback_data")
    if actions == ["callback_data"] and not (isinstance(data, str) and 0 < len(data.encode()) <= MOST_DATA):
        raise bad("BUTTON_DATA_INVALID")
    if actions == ["url"]:
        url = button["url"]
        if not isinstance(url, str) or not url.startswith(("http://", "https://", "tg://")):
            raise bad(f"inline keyboard button URL '{url}' is invalid: Wrong HTTP URL")
    if actions == ["copy_text"]:
        copy = button["copy_text"]
        text = cast(Json, copy).get("text") if isinstance(copy, dict) else None
        if not isinstance(text, str) or not 0 < len(text) <= MOST_COPY:
            raise bad("can't parse inline keyboard button: Text to copy must have 1 to 256 characters")
    if actions == ["web_app"] and not private:
        raise bad("BUTTON_TYPE_INVALID")
    return button
