"""Functions for models that have none: the skills are described in the system text, a call is two lines.

    Action: get_weather
    Action Input: {"city": "北京"}

`described` writes the description, `ActionParser` finds the lines in a stream and keeps them from the reader.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from functools import lru_cache

from duihua.fragments import to_json
from duihua.ports import CallDelta, TextDelta, ToolSpec

_ZH = """你可以使用下面的函数。需要使用时，只输出下面两行，然后停下来等待结果：
Action: 函数名
Action Input: JSON 格式的参数

可用的函数：
{functions}

结果是 Observation: 之后的一个 JSON 对象，请根据它回答用户。不需要函数时直接回答，不要输出 Action。"""
_EN = """You can use the functions below. To use one, write only these two lines, then stop and wait:
Action: name of the function
Action Input: its arguments as JSON

Functions:
{functions}

The result comes back as one JSON object after Observation: and your answer builds on it. If no function is
needed, answer directly and do not write Action."""
_HAN = re.compile(r"[\u4e00-\u9fff]")
_LETTER = re.compile(r"[A-Za-z]")


def is_chinese(text: str) -> bool:
    """Whether a text is for Chinese readers; an empty one is."""
    return bool(_HAN.search(text)) or not _LETTER.search(text)


@lru_cache(maxsize=64)
def described(tools: tuple[ToolSpec, ...], *, chinese: bool) -> str:
    """The words that teach a model to call the skills by lines of text."""
    lines = (
        f"- {tool.name}: {tool.description} {to_json(dict(tool.schema)).decode()}".replace("\n", " ")
        for tool in tools
    )
    return (_ZH if chinese else _EN).format(functions="\n".join(lines))


def _beginnings(word: str) -> str:
    """A pattern for any beginning of a word, the empty one too."""
    pattern = ""
    for char in reversed(word):
        pattern = f"(?:{re.escape(char)}{pattern})?"
    return pattern


_DECOR = r"[\s*#`>-]{0,16}"  # what Markdown and manners put before a mark
_COLON = r"[ \t*`]{0,4}[:：]"
_WORD = r"(?<![A-Za-z0-9_])"
_LINE = r"(?<![^\n])"  # at the beginning of a line
_NAME = r"[^\s*`\"'()\[\]{}<>:：,，。;；!！?？]"
_AFTER_NAME = r"(?:\(\))?[ \t*`\"'\]]{0,8}"
_LONGEST = 64  # no mark is longer, nor a beginning of one
_LONGEST_THOUGHT = 2000

_ACTION = re.compile(rf"{_DECOR}{_WORD}Action{_COLON}")
_MARK = re.compile(rf"(?P<action>{_ACTION.pattern})|{_LINE}[ \t*#`>-]{{0,16}}Thought{_COLON}")
_MARK_BEGINS = re.compile(
    rf"(?:{_DECOR}(?:{_WORD}(?:{_beginnings('Action')}|Action[ \t*`]{{0,4}}))?"
    rf"|{_LINE}[ \t*#`>-]{{0,16}}(?:{_beginnings('Thought')}|Thought[ \t*`]{{0,4}}))\Z"
)
_NEXT = re.compile(rf"(?P<action>{_ACTION.pattern})|{_LINE}{_DECOR}(?:Observation|观察|结果){_COLON}")
_HEAD = re.compile(
    rf"{_ACTION.pattern}[\s*`\"'\[]{{0,8}}(?P<name>{_NAME}{{1,64}}){_AFTER_NAME}"
    r"(?=\r?\n|Action[ ]?Input|\r?\Z)"
)
_HEAD_BEGINS = re.compile(
    rf"{_ACTION.pattern}[\s*`\"'\[]{{0,8}}(?:{_NAME}{{1,64}}(?:\(\)?)?[ \t*`\"'\]]{{0,8}}"
    rf"(?:\r|{_beginnings('Action Input')})?)?\Z"
)
_INPUT = re.compile(rf"{_DECOR}Action[ ]?Input{_COLON}")
_INPUT_BEGINS = re.compile(
    rf"{_DECOR}(?:{_beginnings('Action Input')}|{_beginnings('ActionInput')}|Action[ ]?Input[ \t*`]{{0,4}})\Z"
)
_OPEN = re.compile(r"[\s*]{0,64}(?:`{1,3}\s{0,8}(?:json)?\s{0,64})?")
_OPEN_BEGINS = re.compile(rf"[\s*]{{0,64}}(?:`{{1,3}}\s{{0,8}}(?:{_beginnings('json')}|json\s{{0,64}}))?\Z")
_SUSPECT = re.compile(r"[AT\s*#`>-]")
_BRACE_OR_QUOTE = re.compile(r'[{}"]')
_QUOTE_OR_ESCAPE = re.compile(r'["\\]')
_NOTHING = frozenset({"", "{}", "none", "null", "无"})

Piece = TextDelta | CallDelta


class ActionParser:
    """Tells the calls from the visible text of one streamed answer.

    What comes out does not depend on how the text was cut. A text without an action comes out whole; a piece
    that may yet become an action is held back until it is clear. Thoughts before an action, its lines, and
    whatever a model makes up after them are not shown.

    Args:
        names: the offered skills. An action of such a name needs no input line; any other one does.
    """

    def __init__(self, names: Collection[str] = ()) -> None:
        self.calls = 0
        self._names = frozenset(names)
        self._state: Callable[[bool], bool] = self._text
        self._buffer = ""
        self._before = ""  # the character before the buffer
        self._out: list[Piece] = []
        self._held = ""  # what is shown after all if the action turns out to be none
        self._name = ""
        self._scanned = self._depth = 0
        self._quoted = False

    def feed(self, text: str) -> list[Piece]:
        """What is certain after this piece."""
        self._buffer += text
        return self._run(False)

    def close(self) -> list[Piece]:
        """The rest, when the answer is over."""
        return self._run(True)

    def _run(self, over: bool) -> list[Piece]:
        while self._state(over):  # a state tells whether it has handed over to another one
            pass
        out, self._out = self._out, []
        return out

    # ------------------------------------------------ visible text

    def _text(self, over: bool) -> bool:
        if not self._buffer:
            return False
        if not _SUSPECT.search(self._buffer):
            return self._show(len(self._buffer))
        text, skip = self._before + self._buffer, len(self._before)
        if mark := _MARK.search(text, skip):
            self._show(mark.start() - skip)
            self._scanned = 0
            self._state = self._thought if mark["action"] is None else self._head
            return True
        begins = None if over else _MARK_BEGINS.search(text, max(skip, len(text) - _LONGEST))
        return self._show((begins.start() if begins else len(text)) - skip)

    def _thought(self, over: bool) -> bool:
        action = _ACTION.search(self._buffer, self._scanned)
        if action and action.start() < _LONGEST_THOUGHT:
            self._hold(action.start())
            self._state = self._head
            return True
        if not over and len(self._buffer) < _LONGEST_THOUGHT + _LONGEST:
            self._scanned = max(0, len(self._buffer) - _LONGEST)
            return False
        self._show(min(len(self._buffer), _LONGEST_THOUGHT))
        self._state = self._text
        return True

    def _show(self, size: int) -> bool:
        """The first characters of the buffer are for the reader, and whatever was held before them."""
        text, self._buffer = self._held + self._buffer[:size], self._buffer[size:]
        self._held = ""
        if text:
            self._before = text[-1]
            if self.calls:  # made up: the model has not seen the result yet
                return False
            if self._out and isinstance(last := self._out[-1], TextDelta):
                self._out[-1] = TextDelta(last.text + text)
            else:
                self._out.append(TextDelta(text))
        return False

    def _hold(self, size: int) -> None:
        self._held += self._buffer[:size]
        self._buffer = self._buffer[size:]

    # ------------------------------------------------ an action

    def _head(self, over: bool) -> bool:
        """The buffer begins with `Action:`."""
        head = _HEAD.match(self._buffer)
        if head and (over or self._buffer[head.end() :] not in ("", "\r")):
            self._name = head["name"]
            self._hold(head.end())
            self._state = self._input
            return True
        if not over and _HEAD_BEGINS.match(self._buffer):
            return False
        mark = _ACTION.match(self._buffer)
        return self._no_action(mark.end() if mark else len(self._buffer))

    def _input(self, over: bool) -> bool:
        """The buffer begins after the action's name."""
        if found := _INPUT.match(self._buffer):
            self._hold(found.end())
            self._state = self._arguments
            return True
        begun = _INPUT_BEGINS.match(self._buffer)
        if begun and not over:
            return False
        cut = begun and self._buffer.strip()
        if self._name in self._names or cut:
            return self._call("{}", 0)
        if begun and any(name.startswith(self._name) for name in self._names):
            self._held = self._buffer = ""  # an answer cut in the middle of a name
            return False
        return self._no_action(0)

    def _no_action(self, size: int) -> bool:
        self._show(size)
        self._state = self._after if self.calls else self._text
        return True

    def _arguments(self, over: bool) -> bool:
        """The buffer begins after `Action Input:`."""
        if not over and _OPEN_BEGINS.match(self._buffer):
            return False
        opening = _OPEN.match(self._buffer)
        start = opening.end() if opening else 0
        if self._buffer[start : start + 1] == "{":
            self._hold(start)
            self._scanned = self._depth = 0
            self._quoted = False
            self._state = self._json
            return True
        if "\n" in self._buffer[:start]:
            return self._call("{}", start)
        self._scanned = 0
        self._state = self._line
        return True

    def _line(self, over: bool) -> bool:
        """Arguments that are no JSON object: the rest of the line, for the model to be corrected."""
        end = self._buffer.find("\n", self._scanned)
        if end < 0 and not over:
            self._scanned = len(self._buffer)
            return False
        end = len(self._buffer) if end < 0 else end
        text = self._buffer[:end].strip(" \t\r*`")
        return self._call("{}" if text.lower() in _NOTHING else text, end)

    def _json(self, over: bool) -> bool:
        buffer, position = self._buffer, self._scanned
        while found := (_QUOTE_OR_ESCAPE if self._quoted else _BRACE_OR_QUOTE).search(buffer, position):
            position = found.end()
            match found[0]:
                case "\\":
                    position += 1
                case '"':
                    self._quoted = not self._quoted
                case "{":
                    self._depth += 1
                case _:
                    self._depth -= 1
                    if not self._depth:
                        return self._call(buffer[:position], position)
        self._scanned = max(position, len(buffer))
        return self._call(buffer.rstrip(" \t\r\n`"), len(buffer)) if over else False

    def _call(self, arguments: str, used: int) -> bool:
        self._out.append(CallDelta(self.calls, name=self._name, arguments=arguments))
        self.calls += 1
        self._held = self._before = ""
        self._buffer = self._buffer[used:]
        self._state = self._after
        return True

    def _after(self, over: bool) -> bool:
        """After a call only another call counts, and nothing after a result that the model made up itself."""
        text, skip = self._before + self._buffer, len(self._before)
        if found := _NEXT.search(text, skip):
            self._buffer = text[found.start() :]
            self._state = self._over if found["action"] is None else self._head
            return True
        keep = 0 if over else min(len(self._buffer), _LONGEST)
        self._before, self._buffer = text[: len(text) - keep][-1:], text[len(text) - keep :]
        return False

    def _over(self, over: bool) -> bool:
        self._buffer = ""
        return False
