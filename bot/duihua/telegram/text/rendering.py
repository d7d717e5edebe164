"""From Markdown to what Telegram shows: text and entities."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from markdown_it.token import Token

from duihua.telegram.text.cleaning import clean
from duihua.telegram.text.formatted import Formatted
from duihua.telegram.text.formula import plain
from duihua.telegram.text.inlines import write_inline
from duihua.telegram.text.mending import mended
from duihua.telegram.text.parser import blocks, inline, is_paragraph
from duihua.telegram.text.roll import Roll
from duihua.telegram.text.sections import Section, Sections, fence_info
from duihua.telegram.text.tables import BREAK, aligned, read_table
from duihua.telegram.text.writer import Writer

INDENT = "    "
RULE = "———"
LONG_QUOTE = 400
"""Characters from which a quote folds up, where folding is asked for."""
TASK = re.compile(r"\[([ xX])\](?:\s+|$)")
"""What makes a list item one that can be ticked off."""


def render(markdown: str, *, expandable: bool = False) -> Formatted:
    """The visible text of Markdown and its entities; never raises, in time that grows with the length.

    `expandable`: long quotes fold up.
    """
    renderer = Renderer(expandable)
    sections = Sections()
    roll = Roll()
    for section in [*sections.feed(clean(markdown)), *sections.finish()]:
        roll.add(renderer.section(section), section.glue, resumed=section.resumed)
    return roll.whole()


@dataclass(slots=True)
class Renderer:
    """Renders sections one after the other. `number`: of the last item, if a numbered list ended before."""

    expandable: bool = False
    number: int = 0

    def section(self, section: Section, *, open_end: bool = False) -> Formatted:
        """One section; with an open end, what is unfinished in its last line is mended."""
        if section.kind == "code":
            writer = Writer()
            writer.pre(section.source, section.language)
            self.number = 0
            return writer.done()
        if section.kind == "line":
            return self._line(section.source, open_end)
        number, self.number = self.number, 0
        if is_paragraph(section.source):
            writer = Writer()
            source = section.source.strip()
            write_inline(writer, inline(mended(source) if open_end else source))
            return writer.done()
        page = _Page(section.source.split("\n"), blocks(section.source), self.expandable, number, open_end)
        out = page.rendered()
        self.number = page.last
        return out

    def _line(self, source: str, open_end: bool) -> Formatted:
        writer = Writer()
        lead = len(source) - len(source.lstrip(" "))
        tail = len(source.rstrip(" "))
        writer.raw(source[:lead])
        write_inline(writer, inline(mended(source[lead:tail]) if open_end else source[lead:tail]))
        writer.raw(source[max(tail, lead) :])
        return writer.done()


@dataclass(slots=True)
class _Item:
    """One thing that lines stand in: a list item with its mark, or a quote in a quote."""

    mark: str
    rest: str


@dataclass(slots=True)
class _Page:
    lines: Sequence[str]
    tokens: Sequence[Token]
    expandable: bool
    number: int
    open_end: bool
    last: int = 0
    writer: Writer = field(default_factory=Writer)
    items: list[_Item] = field(default_factory=list[_Item])
    lists: list[int | None] = field(default_factory=list[int | None])
    quotes: int = 0
    quoting: bool = False  # a quote is to be opened with the next line
    end: int = 0  # the source line behind the last leaf

    def rendered(self) -> Formatted:
        at = 0
        last_inline = max((i for i, it in enumerate(self.tokens) if it.type == "inline"), default=-1)
        while at < len(self.tokens):
            token = self.tokens[at]
            if token.type == "table_open":
                at = self._table(at)
                continue
            if token.type == "inline":
                content = mended(token.content) if self.open_end and at == last_inline else token.content
                self._inline(token, content, self.tokens[at - 1].type == "heading_open")
            else:
                self._token(token)
            at += 1
        self._mark(self.end)
        return self.writer.done()

    def _token(self, token: Token) -> None:
        match token.type:
            case "bullet_list_open" | "ordered_list_open":
                self._list(token)
            case "bullet_list_close" | "ordered_list_close":
                self._list_end()
            case "list_item_open":
                self._item(token)
            case "list_item_close":
                self._mark(self.end)
                self.items.pop()
            case "blockquote_open":
                self._quote(token)
            case "blockquote_close":
                self._quote_end()
            case "fence":
                self._fence(token)
            case "hr":
                self._begin(token.map)
                self.writer.write(RULE)
            case "math_block":
                self._math(token)
            case _:
                pass  # paragraphs and headings: what is in them comes as a token of its own

    def _mark(self, line: int) -> None:
        """Writes the mark of an item that has no text of its own."""
        if any(it.mark for it in self.items):
            self._begin([line, line])

    def _begin(self, lines: Sequence[int] | None, *, bare: bool = False) -> None:
        """Begins a line for a leaf; `bare` ones stand at the margin."""
        start, end = lines or (self.end, self.end)
        if bare and any(it.mark for it in self.items):
            self._begin([start, start])
        if not self.writer.empty:
            self.writer.raw("\n\n" if start > self.end else "\n")
        if self.quoting and not bare:
            self.quoting = False
            self.writer.open("blockquote")
        if not bare:
            self.writer.raw("".join(it.mark or it.rest for it in self.items))
            for it in self.items:
                it.mark = ""
            self.writer.prefix = "".join(it.rest for it in self.items)
        self.end = end

    def _inline(self, token: Token, content: str, heading: bool) -> None:
        if self.items and self.items[-1].mark and (task := TASK.match(content)):
            item = self.items[-1]
            item.mark = item.mark[: -len("• ")] if item.mark.endswith("• ") else item.mark
            item.mark += "☐ " if task[1] == " " else "☑ "
            content = content[task.end() :]
        self._begin(token.map)
        if heading:
            self.writer.open("bold")
        write_inline(self.writer, inline(content))
        if heading:
            self.writer.close("bold")

    def _item(self, token: Token) -> None:
        self._mark(token.map[0] if token.map else self.end)
        number = self.lists[-1]
        if number is None:
            mark = "• "
        else:
            written = int(token.info) if token.info.isdecimal() else 1
            number = written if written > number or not number else number + 1
            self.lists[-1] = number
            mark = f"{number}. "
        self.items.append(_Item(mark, INDENT))

    def _list(self, token: Token) -> None:
        first = not self.lists and not self.quotes and self.writer.empty
        self.lists.append((self.number if first else 0) if token.type[0] == "o" else None)

    def _list_end(self) -> None:
        number = self.lists.pop()
        self.last = (number or 0) if not self.lists and not self.quotes else self.last

    def _quote(self, token: Token) -> None:
        self._mark(token.map[0] if token.map else self.end)
        self.quotes += 1
        if self.quotes == 1:
            self.quoting = True
        else:
            self.items.append(_Item("", "> "))

    def _quote_end(self) -> None:
        self.quotes -= 1
        if self.quotes:
            self.items.pop()
        else:
            self._end_quote()

    def _end_quote(self) -> None:
        self.quoting = False
        if self.writer.within("blockquote"):
            long = self.expandable and self.writer.since("blockquote") > LONG_QUOTE
            self.writer.close("blockquote", "expandable_blockquote" if long else "blockquote")

    def _pre(self, text: str, language: str, lines: Sequence[int] | None) -> None:
        """A block of code leaves the quote it stands in for a while."""
        if not text.strip():
            self.end = lines[1] if lines else self.end
            return
        if self.quotes:
            self._mark(lines[0] if lines else self.end)
            self._end_quote()
        self._begin(lines, bare=True)
        self.writer.pre(text, language)
        self.quoting = bool(self.quotes)

    def _fence(self, token: Token) -> None:
        language, rest = fence_info(token.info)
        self._pre((f"{rest}\n" if rest else "") + token.content.removesuffix("\n"), language, token.map)

    def _math(self, token: Token) -> None:
        text = plain(token.content)
        if text is None:
            self._pre(token.content, "latex", token.map)
            return
        self._begin(token.map)
        self.writer.write(text + token.info)

    def _table(self, at: int) -> int:
        """Writes a table and returns the place behind it."""
        lines = self.tokens[at].map
        table = read_table(self.tokens, at, self.lines)
        rows = [[BREAK.sub(" ", content) for content in row] for row in table.rows]
        cells = [[_cell(content) for content in row] for row in rows]
        linked = any("](" in content for row in rows for content in row)
        text = None if linked else aligned(cells, table.sides)
        if text is None and len(rows) > 1:
            self._records(rows, lines)
        elif text is None:
            self._begin(lines)
            self._cells(rows[0])
        else:
            self._pre(text, "", lines)
        return table.end

    def _cells(self, row: Sequence[str]) -> None:
        for i, content in enumerate(row):
            self.writer.write(" │ " if i else "")
            write_inline(self.writer, inline(content))

    def _records(self, rows: Sequence[Sequence[str]], lines: Sequence[int] | None) -> None:
        """Each row as lines of their own: the first cell bold, the others behind the head of their column."""
        head = rows[0]
        start, end = lines or (self.end, self.end)
        self._begin([start, end])
        self.writer.open("italic")
        self._cells(head)
        self.writer.close("italic")
        for row in rows[1:]:
            self._begin([end + 1, end])
            self.writer.open("bold")
            write_inline(self.writer, inline(row[0]))
            self.writer.close("bold")
            for name, content in zip(head[1:], row[1:], strict=False):
                if content.strip():
                    self._begin([end, end])
                    self.writer.raw("• " if not name else "")
                    write_inline(self.writer, inline(name))
                    self.writer.raw(": " if name else "")
                    write_inline(self.writer, inline(content))


def _cell(content: str) -> str:
    if not re.search(r"[^\w\s.,:;%()+/-]", content):
        return content
    writer = Writer()
    write_inline(writer, inline(content))
    return " ".join(writer.done().text.split())
