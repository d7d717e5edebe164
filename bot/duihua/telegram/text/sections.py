"""Cuts Markdown, as it arrives, into sections that can be parsed alone and never change again.

A section is a paragraph, a heading, a list item at the margin, a table, a piece of a block of code. Where it
ends is decided by whole lines already read, so a text cut into pieces gives the same sections as the whole
text; and no section is longer than `LONGEST`, so the time to read a text grows with its length only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Literal

LONGEST = 4096
"""Characters of a section; a longer one is cut at a line end, or at a space."""
CODE = 1024
"""Characters of code after which a piece of a block is handed on."""

_FENCE = re.compile(r"( *)(`{3,}|~{3,})(.*)")
_HEADING = re.compile(r"#{1,6}(?: |$)")
_RULE = re.compile(r"(?:(?:\* *){3,}|(?:- *){3,}|(?:_ *){3,})$")
_ITEM = re.compile(r"(?:[-*+]|\d{1,9}[.)])(?: |$)")
_INTERRUPTS = re.compile(r"(?:[-*+]|1[.)]) +\S")
_DELIMITERS = re.compile(r" {0,3}\|?(?: *:?-+:? *\|)+(?: *:?-+:?)? *$|\| *:?-+:? *$")
_MATH = re.compile(r" {0,3}(\$\$|\\\[)")
_LANGUAGE = re.compile(r"\{?\.?((?:\w[\w.+#/-]{0,39})?)\}?(?::(?!//)[\w./-]+)?", re.ASCII)
_SETTING = re.compile(r" *(?:\{|[\w-]+=)")
_CLOSES = {"$$": "$$", "\\[": "\\]"}


@dataclass(frozen=True, slots=True)
class Section:
    """Markdown that stands alone.

    Attributes:
        kind: `blocks`; `line`, the rest of a line too long for one section; or `code`.
        source: Markdown, or the code itself.
        glue: what parts it from the section before: nothing, spaces, a line end or an empty line.
        language: of code.
        resumed: code that goes on in the block of the section before.
    """

    kind: Literal["blocks", "line", "code"]
    source: str
    glue: str
    language: str = ""
    resumed: bool = False


def fence_info(info: str) -> tuple[str, str]:
    """The language behind a fence, and what else stands there if it is not a setting: that is code."""
    word, _, rest = info.strip().partition(" ")
    found = _LANGUAGE.fullmatch(word)
    if not found:
        return "", "" if word.startswith("{") else info.strip()
    return found[1], "" if _SETTING.match(rest) else rest.strip()


@dataclass(frozen=True, slots=True)
class _Fence:
    marker: str
    length: int
    indent: int
    language: str = ""

    def closed_by(self, line: str) -> bool:
        found = _FENCE.match(line)
        return bool(
            found and found[2][0] == self.marker and len(found[2]) >= self.length and not found[3].strip()
        )


@dataclass(slots=True)
class Sections:
    """Takes clean text in pieces; `feed` and `finish` give the sections that are complete."""

    _partial: str = ""
    _torn: bool = False  # the partial line is the rest of one that was cut
    _gap: str = ""  # the spaces at which it was cut: blocks do not keep those at their end
    _lines: list[str] = field(default_factory=list[str])
    _size: int = 0
    _kind: Literal["text", "list", "quote", "table"] = "text"
    _glue: str = ""
    _blank: bool = False
    _fence: _Fence | None = None
    _resumed: bool = False
    _nested: _Fence | None = None
    _flush: bool | None = None  # the code in a nested block stands at the margin
    _math: str = ""
    _begun: bool = False
    _out: list[Section] = field(default_factory=list[Section])

    def feed(self, text: str) -> list[Section]:
        """The sections that the next piece completes."""
        *lines, rest = text.split("\n")
        for line in lines:
            self._whole(self._partial + line)
            self._partial = ""
        self._partial += rest
        if len(self._partial) >= LONGEST:
            self._partial = self._torn_off(self._partial)
        return self._taken()

    def finish(self) -> list[Section]:
        """What is left, as if the text ended here."""
        if self._partial:
            self._whole(self._partial)
            self._partial = ""
        self._close()
        return self._taken()

    def copy(self) -> Sections:
        """One that goes on alone: what is fed to it leaves this one as it is."""
        return replace(self, _lines=self._lines.copy(), _out=[])

    def _taken(self) -> list[Section]:
        out, self._out = self._out, []
        return out

    def _whole(self, line: str) -> None:
        if len(line) >= LONGEST:
            line = self._torn_off(line)
        if self._torn:
            self._torn = False
            self._rest(line)
        else:
            self._read(line)

    def _rest(self, piece: str) -> None:
        """Hands on more of a line that was cut."""
        gap, self._gap = self._gap, ""
        self._emit("code" if self._fence else "line", piece, gap)

    def _torn_off(self, line: str) -> str:
        """Hands on all of a long line but its end, which is shorter than a section."""
        while len(line) >= LONGEST:
            cut = max(line.rfind(" ", LONGEST // 2, LONGEST), line.rfind("。", LONGEST // 2, LONGEST)) + 1
            cut = cut or LONGEST
            if self._torn:
                self._rest(line[:cut])
            else:
                piece = line[:cut]
                if not self._fence:
                    piece = piece.rstrip(" ")
                    self._gap = line[len(piece) : cut]
                self._read(piece)
                if self._fence:
                    self._piece()
                else:
                    self._close()
                self._torn = True
            line = line[cut:]
        return line

    def _read(self, line: str) -> None:
        if self._fence:
            self._code(line)
        elif not line.strip(" "):
            self._blank = True
            self._math = ""
            if self._lines:
                self._add("")
        elif self._nested:
            self._in_nested(line)
        else:
            self._block(line)

    def _block(self, line: str) -> None:
        margin = line[0] != " "
        if self._math:
            self._math = "" if self._math in line else self._math
            self._add(line)
            return
        fence = _FENCE.match(line) if "```" in line or "~~~" in line else None
        if fence and "`" in fence[3] and fence[2][0] == "`":
            fence = None
        inside = self._kind == "list" and bool(self._lines) and not margin
        if fence and not inside and len(fence[1]) < 4:
            self._open(fence)
            return
        if margin:
            self._at_margin(line)
        self._add(line)
        if fence and inside:
            self._nested = _Fence(fence[2][0], len(fence[2]), len(fence[1]))
            self._flush = None
        elif margin and (_HEADING.match(line) or _RULE.match(line)):
            self._close()
        elif (math := _MATH.match(line)) and _CLOSES[math[1]] not in line[math.end() :]:
            self._math = _CLOSES[math[1]]
        elif "-" in line and "|" in line and self._kind == "text" and _DELIMITERS.match(line):
            self._table()

    def _at_margin(self, line: str) -> None:
        """Begins a new section if a line at the margin does not belong to the one before."""
        item = bool(_ITEM.match(line)) and not _RULE.match(line)
        quote = line[0] == ">"
        if not self._lines or self._blank or _HEADING.match(line) or _RULE.match(line) or _MATH.match(line):
            new = True
        elif item:
            new = self._kind == "list" or bool(_INTERRUPTS.match(line))
        else:
            new = quote and self._kind != "quote"
        if new:
            self._close()
            self._kind = "quote" if quote else "list" if item else "text"

    def _table(self) -> None:
        """The line just added parts a table's head from its body: what is above the head ends before."""
        if len(self._lines) < 2 or "|" not in self._lines[-2]:
            return
        head = self._lines[-2:]
        if len(self._lines) > 2:
            del self._lines[-2:]
            self._close()
            self._add(head[0])
            self._add(head[1])
        self._kind = "table"

    def _add(self, line: str) -> None:
        if self._lines and self._size + len(line) > LONGEST:
            head = self._lines[:2] if self._kind == "table" else []
            kind, fence, flush, math = self._kind, self._nested, self._flush, self._math
            self._close()
            self._kind, self._math = kind, math
            if fence:  # the code goes on as a block of its own
                self._nested, self._flush = fence, flush
                head = [" " * fence.indent + fence.marker * fence.length]
            if line and sum(map(len, head)) + len(line) < LONGEST:
                self._lines += head
                self._size += sum(map(len, head))
        if not self._lines:
            if not line:
                return
            self._glue = self._parted()
        self._lines.append(line)
        self._size += len(line) + 1
        if line:
            self._blank = False

    def _parted(self) -> str:
        if not self._begun:
            return ""
        return "\n\n" if self._blank else "\n"

    def _open(self, fence: re.Match[str]) -> None:
        self._close()
        self._kind = "text"
        self._glue = self._parted()
        self._blank = False
        language, rest = fence_info(fence[3])
        self._fence = _Fence(fence[2][0], len(fence[2]), len(fence[1]), language)
        self._resumed = False
        if rest:
            self._code(rest)

    def _code(self, line: str) -> None:
        fence = self._fence
        assert fence is not None
        if fence.closed_by(line):
            self._close()
            return
        spaces = len(line) - len(line.lstrip(" "))
        self._lines.append(line[min(spaces, fence.indent) :])
        self._size += len(line) + 1
        if self._size >= CODE:
            self._piece()

    def _piece(self) -> None:
        if not self._lines:
            return
        self._emit("code", "\n".join(self._lines), "\n" if self._resumed else self._glue)
        self._lines, self._size = [], 0

    def _in_nested(self, line: str) -> None:
        """Code inside a list item; models often forget to indent it as deep as its fence."""
        fence = self._nested
        assert fence is not None
        indent = len(line) - len(line.lstrip(" "))
        if fence.closed_by(line):
            self._nested = None
            self._add(" " * fence.indent + line.strip(" "))
            return
        if self._flush is None:
            self._flush = indent < fence.indent
        if self._flush:
            self._add(" " * fence.indent + line)
        elif indent < fence.indent:
            self._nested = None
            self._block(line)
        else:
            self._add(line)

    def _close(self) -> None:
        self._nested, self._math = None, ""
        if self._fence:
            self._piece()
            self._fence = None
            return
        while self._lines and not self._lines[-1]:
            self._lines.pop()
        lines, self._lines, self._size = self._lines, [], 0
        if lines:
            self._emit("blocks", "\n".join(lines), self._glue)

    def _emit(self, kind: Literal["blocks", "line", "code"], source: str, glue: str) -> None:
        language = self._fence.language if self._fence else ""
        self._out.append(Section(kind, source, glue, language, kind == "code" and self._resumed))
        self._begun = True
        self._resumed = kind == "code"
        self._blank = False if kind == "code" else self._blank
