"""The Markdown that models write, read by markdown-it with rules that suit chats.

Off are raw HTML, setext headings, indented code and reference links: each of them makes text vanish or change
that a model meant as it stands. On are tables, strikethrough, math and footnote marks.
"""

from __future__ import annotations

import re
from functools import lru_cache
from unicodedata import category, east_asian_width

from markdown_it import MarkdownIt
from markdown_it.common.utils import unescapeAll
from markdown_it.parser_block import ParserBlock
from markdown_it.parser_inline import ParserInline
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import autolink
from markdown_it.rules_inline.state_inline import Scanned, StateInline
from markdown_it.token import Token
from markdown_it.utils import EnvType

from duihua.telegram.text.tables import plain_table

FORMULA = 2000
"""Characters of the longest formula that is read as one."""

_ADDRESS = re.compile(r"://[^\s<>`\[\]|\u3000-\u303f\uff00-\uffef]+")
_AUTO = re.compile(r"<(?:https?:|ftp:|tg:|mailto:|tel:|[^\s<>@:]+@)", re.IGNORECASE)
_SCHEME = re.compile(r"(?:https?|ftp|tg)$", re.IGNORECASE)
_MATH_LIKE = re.compile(r"[\\^_={}<>+]|^[A-Za-z]'*$|[A-Za-z] ?[-*/(,!|]|[-*/|] ?[A-Za-z]|^-?\d*[a-z]$")
_FORMULA_ONLY = re.compile(r"[\\^_={}<>+]")
_WORDS = re.compile(r"[a-z]{3}")
_SUM = re.compile(r"\d *[*/] *\d|\d - \d")
_MONEY = re.compile(r"\d[\d,.]*(?:\s*[A-Za-z]{2,}|[kKmMbB]?\b(?![\\^_={}+*/]))")
_FOOTNOTE = re.compile(r"\[\^([^\]\s]{1,32})\](?!\(https?://)(:?)")
_TARGET = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|[/#?.]|[^/]*[./]")
_TERMINATORS = re.compile(r"[\n!$&*:<\[\\\]_`~]")
_PLAIN_LINES = re.compile(r"[^\W\d_][^\n]*(?:\n[^\W\d_][^\n]*)*")
_PLAIN_ITEM = re.compile(r"([-*+]|\d{1,9}[.)]) {1,4}((?:\*\*)?[^\W\d_][^\n]*)")
_PLAIN_HEADING = re.compile(r"(#{1,6}) +([^\s#][^\n#]*)")
_PIECES = re.compile(
    r"((?:[^\n!$&*:<\[\\\]_`~]+|:(?!//)|!(?!\[)|&(?![#\w])|(?<=[^\W_])_(?=[^\W_]))+)"  # as it stands
    r"|\*\*([^\s!$&*:<\[\\\]_`~](?:[^\n!$&*:<\[\\\]_`~]*[^\s!$&*:<\[\\\]_`~])?)\*\*(?!\*)"  # bold
    r"|`([^\s`](?:[^\n`]*[^\s`])?)`(?!`)"  # code
    r"|(?<! )\n(?! )"
)
_SIDES = {"Ps": "opening", "Pe": "closing", "Pi": "left", "Pf": "right"}
_AFTER_MATH = re.compile(r"[\s.,;:。，；：]*$")


@lru_cache(4096)
def _kind(char: str) -> str:
    """What a character is beside a mark of emphasis.

    Space, opening or closing punctuation, a left or right quotation mark, another mark, wide, or word.
    """
    if char.isspace():
        return "space"
    name = category(char)
    if name in _SIDES:
        return _SIDES[name]
    if char in ",.;:!?，。；：！？、":
        return "closing"
    if name[0] in "PS":
        return "mark"
    return "wide" if east_asian_width(char) in "WF" else "word"


class Marks(StateInline):
    """The state of one reading."""

    def scanDelims(self, start: int, canSplitWord: bool) -> Scanned:
        """Whether a run of marks opens or closes emphasis.

        Writing without spaces between words needs other rules than CommonMark's: what is wide counts as a
        border, and two marks need no border at all. Between two words no star opens: 2*3*4, x**2.
        """
        marker = self.src[start]
        if marker == "_":
            return super().scanDelims(start, canSplitWord)
        end = start
        while end < self.posMax and self.src[end] == marker:
            end += 1
        return Scanned(*_border(self.src, start, end, self.posMax), end - start)


def _border(src: str, start: int, end: int, stop: int | None = None) -> tuple[bool, bool]:
    """Whether the run of marks there opens emphasis, and whether it closes it.

    Quotation marks point either way, „so“ or »so«: what stands on the other side of the run decides.
    """
    before = _kind(src[start - 1] if start else " ")
    after = _kind(src[end] if end < (len(src) if stop is None else stop) else " ")
    opens = after not in ("space", "closing") and (after != "right" or before in ("space", "opening", "left"))
    closes = before not in ("space", "opening") and (
        before != "left" or after in ("space", "closing", "right")
    )
    between = before == "word" and after == "word"
    if end - start == 1:
        opens = opens and not between and not (before in ("closing", "right") and after == "word")
        closes = closes and not between
    elif between:
        closes = not src[end].isdigit()
        opens = closes and src[start] == "~"
    return opens, closes


class _InlineParser(ParserInline):
    def parse(self, src: str, md: MarkdownIt, env: EnvType, tokens: list[Token]) -> list[Token]:
        state = Marks(src, md, env, tokens)
        self.tokenize(state)
        for rule in self.ruler2.getRules(""):
            rule(state)
        return state.tokens


class _BlockParser(ParserBlock):
    def tokenize(self, state: StateBlock, startLine: int, endLine: int) -> None:
        """Nested too deep, the rest is a paragraph: markdown-it would leave it out."""
        if state.level < state.md.options["maxNesting"]:
            super().tokenize(state, startLine, endLine)
            return
        content = state.getLines(startLine, endLine, state.blkIndent, False).strip()
        state.push("paragraph_open", "p", 1).map = [startLine, endLine]
        token = state.push("inline", "", 0)
        token.content, token.map, token.children = content, [startLine, endLine], []
        state.push("paragraph_close", "p", -1)
        state.line = endLine


def _address(state: StateInline, silent: bool) -> bool:
    r"""A bare address stays as written, whatever stars and lines it has; `\_` and `&amp;` are read."""
    if state.src[state.pos] != ":" or not _SCHEME.search(state.src, max(0, state.pos - 5), state.pos):
        return False
    found = _ADDRESS.match(state.src, state.pos, state.posMax)
    if not found:
        return False
    text = found[0].rstrip("*_~)'\",.;:!?\\")
    if len(text) <= 3:
        return False
    if not silent:
        state.append_pending(unescapeAll(text))
    state.pos += len(text)
    return True


def _auto_link(state: StateInline, silent: bool) -> bool:
    """`<https://a.com>` is an address, `<std::string>` is not."""
    return bool(_AUTO.match(state.src, state.pos)) and autolink(state, silent)


def _formula(state: StateInline, silent: bool) -> bool:
    r"""`$...$`, `$$...$$`, `\(...\)`, `\[...\]` inside a text."""
    src, pos = state.src, state.pos
    if src[pos] not in "$\\":
        return False
    opening = src[pos : pos + 2]
    closing = {"$$": "$$", "\\(": "\\)", "\\[": "\\]"}.get(opening, "$" if src[pos] == "$" else "")
    if not closing:
        return False
    start = pos + (2 if closing != "$" else 1)
    end = src.find(closing, start, min(state.posMax, start + FORMULA))
    if end < 0:
        return False
    content = src[start:end]
    if not content.strip() or (closing == "$" and not _one_dollar(src, pos, end)):
        return False
    if opening[0] == "\\" and not _bracketed(content, closing, src[end + 2 : end + 3]):
        return False
    if not silent:
        token = state.push("math_inline", "math", 0)
        token.content, token.markup = content, opening if closing != "$" else "$"
    state.pos = end + len(closing)
    return True


def _bracketed(content: str, closing: str, after: str) -> bool:
    r"""Whether `\(...\)` or `\[...\]` is a formula; `\[1\]` and `\(see below\)` are escaped brackets."""
    if closing == "\\]" and after == "(":
        return False
    if _FORMULA_ONLY.search(content):
        return True
    if _WORDS.search(content) or any(_kind(char) == "wide" for char in content):
        return False
    return bool(_MATH_LIKE.search(content.strip())) or closing == "\\)" or bool(_SUM.search(content))


def _one_dollar(src: str, pos: int, end: int) -> bool:
    """Whether `$...$` is a formula and not two prices or two variables of a shell."""
    before, after = src[pos - 1 : pos], src[end + 1 : end + 2]
    content = src[pos + 1 : end]
    if content[0].isspace() or content[-1].isspace() or "\n" in content or content[-1] == "\\":
        return False
    if (before.isascii() and before.isalnum()) or before == "\\" or (after.isascii() and after.isalnum()):
        return False
    if _MONEY.match(content) or (any(_kind(char) == "wide" for char in content) and "\\text" not in content):
        return False
    return bool(_MATH_LIKE.search(content))


def _footnote(state: StateInline, silent: bool) -> bool:
    """`[^1]` and the `[^1]:` of its text become `[1]`."""
    if not state.src.startswith("[^", state.pos):
        return False
    found = _FOOTNOTE.match(state.src, state.pos, state.posMax)
    if not found or found[1].startswith("^"):
        return False
    at_line = state.pos == 0 or state.src[state.pos - 1] == "\n"
    if not silent:
        state.append_pending(f"[{found[1]}]" + ("" if at_line else found[2]))
    state.pos = found.end() if at_line else found.end(1) + 1
    return True


def _math_block(state: StateBlock, startLine: int, endLine: int, silent: bool) -> bool:
    """A formula on lines of its own, up to its closing mark; an empty line ends the search."""
    start = state.bMarks[startLine] + state.tShift[startLine]
    closing = {"$$": "$$", "\\[": "\\]"}.get(state.src[start : start + 2], "")
    if not closing or state.sCount[startLine] < state.blkIndent:
        return False
    lines: list[str] = []
    for line in range(startLine, endLine):
        begin = start + 2 if line == startLine else state.bMarks[line] + state.tShift[line]
        text = state.src[begin : state.eMarks[line]]
        if line > startLine and (state.isEmpty(line) or state.sCount[line] < state.blkIndent):
            return False
        body, found, rest = text.partition(closing)
        lines.append(body)
        if not found:
            continue
        content = "\n".join(lines).strip()
        if not content or len(content) > FORMULA or not _AFTER_MATH.match(rest):
            return False
        if closing == "\\]" and not _bracketed(content, closing, ""):
            return False
        if not silent:
            token = state.push("math_block", "math", 0)
            token.content, token.markup, token.map = content, closing, [startLine, line + 1]
            token.info = rest.strip()
        state.line = line + 1
        return True
    return False


class _Markdown(MarkdownIt):
    def validateLink(self, url: str) -> bool:
        """Whether `[text](url)` is a link at all; `a[i](j)` is not."""
        return super().validateLink(url) and (not url or bool(_TARGET.match(url)))

    def normalizeLink(self, url: str) -> str:
        """The address as it is written: where it is seen, it must be read."""
        return url

    def normalizeLinkText(self, link: str) -> str:
        """What is seen of `<https://a.com>`: what is written there."""
        return link


def _parser() -> MarkdownIt:
    parser = _Markdown("commonmark", {"maxNesting": 20})
    parser.block = _BlockParser()
    parser.inline = _InlineParser()
    parser.inline.ruler.before("escape", "formula", _formula)
    parser.inline.ruler.before("escape", "address", _address)
    parser.inline.ruler.before("link", "footnote", _footnote)
    parser.inline.ruler.at("autolink", _auto_link)
    parser.block.ruler.before("table", "math", _math_block, {"alt": ["paragraph", "blockquote", "list"]})
    parser.inline.terminator_re = _TERMINATORS
    parser.disable(["html_block", "html_inline", "lheading", "code", "reference", "linkify"])
    return parser


PARSER = _parser()
"""Reads blocks and what is inside them; it keeps nothing between two texts."""


# Nobody changes these, so that they are the same ones everywhere: to make a token takes a while.
_BOLD = Token("strong_open", "strong", 1), Token("strong_close", "strong", -1)
_NEW_LINE = Token("softbreak", "br", 0)
_LISTS = {
    name: (Token(f"{name}_open", "", 1), Token("list_item_close", "", -1), Token(f"{name}_close", "", -1))
    for name in ("bullet_list", "ordered_list")
}


def blocks(source: str) -> list[Token]:
    """The blocks of a section; what is inside them is not read yet."""
    tokens: list[Token] = []
    if simple := _simple(source):
        return simple
    PARSER.block.parse(source, PARSER, {}, tokens)
    return tokens


def is_paragraph(source: str) -> bool:
    """Whether it is surely a paragraph and no more: lines that begin with letters."""
    return bool(_PLAIN_LINES.fullmatch(source))


def _simple(source: str) -> list[Token] | None:
    """The tokens of what most text is, found without asking each rule for each line."""
    if is_paragraph(source):
        return [Token("inline", "", 0, map=[0, source.count("\n") + 1], content=source.strip())]
    if found := _PLAIN_ITEM.fullmatch(source):
        begin, *end = _LISTS["bullet_list" if len(found[1]) == 1 else "ordered_list"]
        return [
            begin,
            Token("list_item_open", "", 1, map=[0, 1], info=found[1][:-1]),
            Token("inline", "", 0, map=[0, 1], content=found[2].rstrip()),
            *end,
        ]
    if found := _PLAIN_HEADING.fullmatch(source):
        inner = Token("inline", "", 0, map=[0, 1], content=found[2].rstrip())
        tag = f"h{len(found[1])}"
        return [Token("heading_open", tag, 1), inner, Token("heading_close", tag, -1)]
    return plain_table(source) if source[:1] == "|" else None


def inline(content: str) -> list[Token]:
    """The marks inside a paragraph, a heading, a cell."""
    tokens: list[Token] = []
    if not _TERMINATORS.search(content):
        return [Token("text", "", 0, content=content)]
    if simple := _simple_inline(content):
        return simple
    PARSER.inline.parse(content, PARSER, {}, tokens)
    return tokens


def _simple_inline(content: str) -> list[Token] | None:
    """The tokens where there is nothing but plain words that are bold or code, each for itself."""
    out: list[Token] = []
    at = 0
    while at < len(content):
        found = _PIECES.match(content, at)
        if found is None:
            return None
        end = found.end()
        text, bold, code = found.groups()
        if text:
            out.append(Token("text", "", 0, content=text))
        elif code:
            out.append(Token("code_inline", "code", 0, content=code))
        elif bold:
            if not (_border(content, at, at + 2)[0] and _border(content, end - 2, end)[1]):
                return None
            out += (_BOLD[0], Token("text", "", 0, content=bold), _BOLD[1])
        else:
            out.append(_NEW_LINE)
        at = end
    return out
