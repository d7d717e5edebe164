"""Why we read Markdown otherwise than telegramify-markdown.

A rule does not excuse a difference, it takes its reason away: under it one of the two reads as the other
does. Ours then reads as CommonMark would, or theirs is given what ours makes of the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from markdown_it.common.normalize_url import normalizeLink
from markdown_it.common.utils import unescapeAll
from markdown_it.parser_block import ParserBlock
from markdown_it.ruler import Ruler
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline.state_inline import Scanned, StateInline
from markdown_it.token import Token
from telegramify_markdown import converter as peer

from duihua.telegram.text import inlines, parser, rendering, sections, tables
from duihua.telegram.text.formula import plain
from tests.telegram.reading import Reading, Span

PARSER = parser.PARSER


@dataclass(frozen=True, slots=True)
class Rule:
    """`where`: what a text must hold for it."""

    reason: str
    where: re.Pattern[str]
    apply: Callable[[Reading], None]


RULES: dict[str, Rule] = {}


def _rule(reason: str, where: str) -> Callable[[Callable[[Reading], None]], None]:
    def add(apply: Callable[[Reading], None]) -> None:
        name = apply.__name__.strip("_").replace("_", " ")
        RULES[name] = Rule(reason, re.compile(where, re.MULTILINE), apply)

    return add


# ---------------------------------------------------------------- blocks


@_rule("a heading, a rule or an item at the margin ends what stands before; numbers go on behind it", r"\n")
def _sections(it: Reading) -> None:
    class Whole(sections.Sections):
        def feed(self, text: str) -> list[sections.Section]:
            self._partial += text
            return []

        def finish(self) -> list[sections.Section]:
            return [sections.Section("blocks", self._partial, "")]

    it.patch(rendering, "Sections", Whole)


@_rule("a model that indents text does not mean code", r"^(?: {4}|\t)|[-*+.)>] {4}")
def _indented_text(it: Reading) -> None:
    def token(page: Any, token: Token) -> None:
        if token.type == "code_block":
            page._fence(token)
        else:
            before(page, token)

    def tokenize(blocks: ParserBlock, state: StateBlock, start: int, end: int) -> None:
        margins.append(state.blkIndent)
        read(blocks, state, start, end)
        margins.pop()

    def is_code(state: StateBlock, line: int) -> bool:
        """Seen from the margin that a line still belongs to."""
        inside = margins[max(i for i, margin in enumerate(margins) if not margin) :]  # a quote has its own
        indent = state.sCount[line]
        return state._code_enabled and indent - max((it for it in inside if it <= indent), default=0) >= 4

    def rules(ruler: Ruler[Any], chain: str = "") -> list[Any]:
        """What a quote took without its sign ends no quote in it, as it ends no paragraph."""

        def ends(rule: Any) -> Any:
            return lambda state, line, *more: state.sCount[line] >= 0 and rule(state, line, *more)

        found = get(ruler, chain)
        return [ends(rule) for rule in found] if chain == "blockquote" else found

    before, read, get = rendering._Page._token, parser._BlockParser.tokenize, Ruler.getRules
    margins: list[int] = []
    PARSER.enable("code")
    it.patch(rendering._Page, "_token", token)
    it.patch(parser._BlockParser, "tokenize", tokenize)
    it.patch(StateBlock, "is_code_block", is_code)
    it.patch(Ruler, "getRules", rules)


@_rule("=== is text and --- is a rule: neither makes a heading of a paragraph", r"^[ >]*(?:=+|-+) *$")
def _underlines(it: Reading) -> None:
    PARSER.enable("lheading")


@_rule("headings are bold whatever their level: Telegram has one size", r"^[ >*+\-\d.)]*(?:#|=+ *$|-+ *$)")
def _headings(it: Reading) -> None:
    it.patch(peer.EventWalker, "_HEADING_ENTITIES", {f"H{level}": ["bold"] for level in range(1, 7)})


@_rule("what the text calls [a]: stays, where theirs takes it for a definition", r"\]:")
def _definitions(it: Reading) -> None:
    found = re.compile(r"^(?! {4})([ >*+\-\d.)]*)\[(?=[^\]\n]+\]:)", re.MULTILINE)
    it.sources.append(lambda source: found.sub(r"\1&#91;", source))


@_rule("a quote in a quote has a sign before it: Telegram has no nested quotes", ">[^\n]*>")
def _nested_quotes(it: Reading) -> None:
    item = rendering._Item
    it.patch(rendering, "_Item", lambda mark, rest: item(mark, "" if rest == "> " else rest))


@_rule("a quote goes on where its sign is indented", r"^ *>.*\n {4,}>")
def _indented_quotes(it: Reading) -> None:
    found = re.compile(r"^( *>.*\n) {4,}(?=>)", re.MULTILINE)
    it.sources.append(lambda source: found.sub(r"\1", source))


@_rule("items have the numbers that are written, where these grow", r"\d[.)]")
def _numbers(it: Reading) -> None:
    def item(page: Any, token: Token) -> None:
        if page.lists[-1]:
            token = Token(token.type, token.tag, token.nesting, map=token.map, info="")
        before(page, token)

    before = rendering._Page._item
    it.patch(rendering._Page, "_item", item)


@_rule("an empty task is one, and the line below belongs to it", r"\[[ xX]\] *$")
def _empty_tasks(it: Reading) -> None:
    found = re.compile(r"^( *[-*+] \[[ xX]\]) *(?:\Z|\n(?=\S)(?![-*+] ))", re.MULTILINE)
    it.sources.append(lambda source: found.sub(r"\1 ", source))


# ---------------------------------------------------------------- code


@_rule("nothing stands around code, and in quotes and links it is plain", r"`|~~~| {4}|>[^\n]*\|")
def _code_alone(it: Reading) -> None:
    def over(span: Span, other: Span) -> bool:
        return span[2] < other[3] and other[2] < span[3]

    def alone(text: str, spans: list[Span]) -> list[Span]:
        holders = [it for it in spans if it[0] in ("blockquote", "text_link")]
        code = [it for it in spans if it[0] == "code" and not any(over(it, other) for other in holders)]
        code += [it for it in spans if it[0] == "pre"]
        rest = [it for it in spans if it[0] not in ("code", "pre")]
        return code + [part for it in rest for part in _without(it, code)]

    it.spans.append(alone)


def _without(span: Span, holes: list[Span]) -> list[Span]:
    parts = [span]
    for _, _, start, end in holes:
        parts = [
            (kind, more, *piece)
            for kind, more, begin, stop in parts
            for piece in ((begin, min(stop, start)), (max(begin, end), stop))
            if piece[0] < piece[1]
        ]
    return parts


@_rule("what stands behind a fence is code, if it is no language", r"(?:```|~~~).")
def _behind_fences(it: Reading) -> None:
    for module in (sections, rendering):
        it.patch(module, "fence_info", lambda info: (unescapeAll(info).split(",")[0].strip(), ""))


# ---------------------------------------------------------------- tables


@_rule("columns stand side by side by width, wide tables become records", r"\|")
def _columns(it: Reading) -> None:
    def rows(cells: list[list[str]]) -> str:
        return "\n".join(" | ".join(row) for row in cells)

    def table(page: Any, at: int) -> int:
        lines, read = page.tokens[at].map, tables.read_table(page.tokens, at, page.lines)
        page._pre(rows([[rendering._cell(cell) for cell in row] for row in read.rows]), "", lines)
        return read.end

    it.patch(rendering._Page, "_table", table)
    it.patch(peer.EventWalker, "_format_table", lambda self, cells: rows(cells))


@_rule("cells beyond the head are kept", r"\|")
def _surplus_cells(it: Reading) -> None:
    it.patch(tables, "_surplus", lambda row, source: None)


_DELIMITERS = re.compile(r" *\|?(?: *:?-+:? *(?:\||$))+ *")


def _bars(line: str) -> int:
    return line.strip(" ").removeprefix("|").removesuffix("|").count("|")


def _delimits(lines: list[str], at: int) -> bool:
    """Whether a line parts a table's head from its body."""
    head = lines[at - 1] if at else ""
    return (
        "|" in head
        and head.strip() != "|"
        and bool(_DELIMITERS.fullmatch(lines[at]))
        and _bars(head) == _bars(lines[at])
    )


@_rule("a line with a bar may be a head whatever begins it, and below any text", r"\|.*\n[ >]*[|:-]")
def _table_heads(it: Reading) -> None:
    def change(source: str) -> str:
        lines = source.split("\n")
        for i in range(1, len(lines)):
            if _delimits(lines, i):
                pair = [line.strip(" ").removeprefix("|").removesuffix("|") for line in lines[i - 1 : i + 1]]
                lines[i - 1 : i + 1] = [f"|{line} |" for line in pair]
        return "\n".join(lines)

    it.sources.append(change)


@_rule("a bar alone is an empty row, and does not end a table", r"^ *\| *$")
def _lone_bars(it: Reading) -> None:
    def change(source: str) -> str:
        lines, inside = source.split("\n"), False
        for i, line in enumerate(lines):
            lines[i] = "| |" if inside and line.strip() == "|" else line
            inside = bool(line.strip()) and (inside or _delimits(lines, i))
        return "\n".join(lines)

    it.sources.append(change)


# ---------------------------------------------------------------- tags, footnotes, formulas


@_rule("what stands in <...> is written, not left out", "<")
def _tags(it: Reading) -> None:
    PARSER.enable(["html_inline", "html_block"])
    it.patch(peer.EventWalker, "_on_inline_html", lambda self, html: None)


@_rule("a footnote's mark is its number in brackets", r"\[\^")
def _footnotes(it: Reading) -> None:
    PARSER.disable("footnote")


@_rule("bars around words are bars, not a spoiler", r"\|\|")
def _spoilers(it: Reading) -> None:
    it.patch(peer, "_preprocess_spoilers", lambda text, options: text)


@_rule("only what is complete and is no prose in brackets is a formula", r"\$|\\[(\[]")
def _ends_of_formulas(it: Reading) -> None:
    PARSER.disable(["formula", "math"])
    it.brackets = False
    it.patch(peer, "STANDARD_OPTIONS", peer.STANDARD_OPTIONS & ~peer.pyromark.Options.ENABLE_MATH)


@_rule("a formula is text where it can be written, else code", r"\$|\\[(\[]")
def _formulas(it: Reading) -> None:
    def write(walker: Any, latex: str, place: object = None) -> None:
        text = plain(latex)
        if text is None:
            walker._on_inline_code(latex.strip())
        else:
            walker._on_text(text)

    it.patch(peer.EventWalker, "_on_inline_math", write)
    it.patch(peer.EventWalker, "_on_display_math", write)
    it.patch(peer, "_contains_latex_symbols", lambda content: True)
    it.patch(peer._latex_helper, "convert", lambda latex: latex)


@_rule("prices, variables and Chinese words between dollars are no formula", r"\$[^$\s]")
def _dollars(it: Reading) -> None:
    def one_dollar(src: str, pos: int, end: int) -> bool:
        return not (src[pos + 1].isspace() or src[end - 1].isspace() or src[end + 1 : end + 2].isdigit())

    it.patch(parser, "_one_dollar", one_dollar)


# ---------------------------------------------------------------- addresses and links


@_rule("nothing in a bare address is a mark", "://")
def _bare_addresses(it: Reading) -> None:
    PARSER.disable("address")


@_rule("<std::string> is no address", r"<[A-Za-z][\w+.-]+:")
def _schemes(it: Reading) -> None:
    it.patch(parser, "_AUTO", re.compile("<"))


@_rule("Telegram links a bare address by itself", "<[^ ]+>")
def _angles(it: Reading) -> None:
    def shown(text: bytes, span: Span) -> bool:
        return span[0] == "text_link" and span[1] == text[2 * span[2] : 2 * span[3]].decode("utf-16-le")

    it.spans.append(lambda text, spans: [it for it in spans if not shown(text.encode("utf-16-le"), it)])


@_rule("a[i](j) is no link", r"\]\(")
def _indices(it: Reading) -> None:
    it.patch(parser._Markdown, "validateLink", lambda self, url: True)


@_rule("an address that Telegram cannot link is shown", r"\]\(")
def _local_addresses(it: Reading) -> None:
    it.patch(inlines, "_LINKABLE", re.compile("."))


@_rule("a link without a text shows its address", r"\]\(")
def _untitled_links(it: Reading) -> None:
    it.patch(inlines, "_close_link", lambda writer, address: writer.close_link())


@_rule("without an address there is no link", r"\]\( *\)")
def _unaddressed_links(it: Reading) -> None:
    it.spans.append(lambda text, spans: [it for it in spans if it[:2] != ("text_link", "")])


@_rule("a link's address is in ASCII", r"\]\(")
def _ascii(it: Reading) -> None:
    def coded(span: Span) -> Span:
        return (span[0], normalizeLink(span[1]), *span[2:]) if span[0] == "text_link" else span

    it.spans.append(lambda text, spans: [coded(it) for it in spans])


@_rule("the name of a picture holds no other link", r"!\[")
def _links_in_pictures(it: Reading) -> None:
    def inside(spans: list[Span], at: int) -> bool:
        kind, _, start, end = spans[at]
        return kind == "text_link" and any(
            other[0] == kind
            and other[2] <= start
            and end <= other[3]
            and (other[2:] != (start, end) or i > at)
            for i, other in enumerate(spans)
            if i != at
        )

    it.spans.append(lambda text, spans: [it for i, it in enumerate(spans) if not inside(spans, i)])


# ---------------------------------------------------------------- emphasis


@_rule(
    "wide characters and quotation marks are borders of words, between two words no star is a mark", r"\*|~~"
)
def _borders(it: Reading) -> None:
    it.patch(parser.Marks, "scanDelims", StateInline.scanDelims)


@_rule("__init__ is a name", r"__\w+__")
def _names(it: Reading) -> None:
    it.patch(inlines, "_IDENTIFIER", re.compile("(?!)"))


def _tildes(it: Reading, change: Callable[[StateInline, Scanned, int], Scanned]) -> None:
    def scan(state: StateInline, start: int, split: bool) -> Scanned:
        found = before(state, start, split)
        return change(state, found, start) if state.src[start] == "~" else found

    before = parser.Marks.scanDelims
    it.patch(parser.Marks, "scanDelims", scan)


@_rule("two tildes have borders as two stars have; theirs open before anything", "~~")
def _two_tildes(it: Reading) -> None:
    def change(state: StateInline, found: Scanned, start: int) -> Scanned:
        end = start + found.length
        opens = end < state.posMax and not state.src[end].isspace()
        return Scanned(opens, StateInline.scanDelims(state, start, True).can_close, found.length)

    _tildes(it, change)


@_rule("of more than two tildes two are a mark, as markdown-it has it", "~~~")
def _many_tildes(it: Reading) -> None:
    _tildes(
        it, lambda state, found, start: found if found.length < 3 else Scanned(False, False, found.length)
    )


@_rule("one tilde is never a mark, nor half of one", r"(?<!~)~(?!~)")
def _one_tilde(it: Reading) -> None:
    it.sources.append(lambda source: re.sub(r"(?<![~\\])~(?!~)", r"\\~", source))
