"""What people read of a web page: its charset is found, scripts, navigation and hidden parts are left out."""

from __future__ import annotations

import re
import time
from html.parser import HTMLParser

_PARSING = 5.0  # seconds: what is malformed on purpose can take long
_PIECE = 65_536  # characters parsed at a time
_ENOUGH = 200  # characters of an article that make it the page

_CHARSET = re.compile(
    rb"<meta[^>]{1,200}?charset\s*=\s*[\"']?([\w-]{2,20})|encoding=[\"']([\w-]{2,20})", re.I
)
_KNOWN = re.compile(
    r"utf-?(?:8|16(?:le|be)?)|gb.*|big5.*|shift.?jis|euc-(?:jp|kr)|iso-8859-\d+|windows-\d+|koi8-."
)
_VOID = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr")
)
_SKIPPED = frozenset(
    ("script", "style", "noscript", "template", "svg", "iframe", "select", "button", "nav", "footer", "aside")
)
_BLOCK = re.compile(
    r"p|div|br|hr|li|ul|ol|dl|dt|dd|tr|table|section|article|main|header|blockquote|pre|h[1-6]|figure"
    r"|figcaption|address|details|summary"
)
_UNCLOSED = frozenset(("p", "li", "dt", "dd", "tr", "td", "th", "option"))  # the next one ends them


def decoded(data: bytes, charset: str = "") -> str:
    """A page's bytes as text, by what it or its server says, else UTF-8 or GB18030, whichever fits."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    declared = _CHARSET.search(data[:2048])
    names = [charset, *(group.decode() for group in (declared.groups() if declared else ()) if group)]
    for name in (name.lower() for name in names if _KNOWN.fullmatch(name.lower())):
        try:  # what is called gb2312 is more than that in practice
            return data.decode("gb18030" if name.startswith("gb") else name, "replace").removeprefix("\ufeff")
        except LookupError:
            continue
    whole = data[:-4]  # the last character may be cut
    for name in ("utf-8-sig", "gb18030"):
        if "\ufffd" not in (text := data.decode(name, "replace")) or "\ufffd" not in whole.decode(
            name, "replace"
        ):
            return text
    return data.decode("utf-8-sig", "replace")


def readable(html: str) -> Page:
    """What people read of a page: its main part if it names one, else all but navigation."""
    page, begun = Page(), time.monotonic()
    for at in range(0, len(html), _PIECE):
        page.feed(html[at : at + _PIECE])
        if time.monotonic() - begun > _PARSING:
            break
    return page


class Page(HTMLParser):
    """Collects title and text while it is fed."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._open: list[tuple[str, bool, bool]] = []  # tag, skipped, within the main part
        self._title: list[str] = []
        self._all: list[str] = []
        self._main: list[str] = []

    @property
    def title(self) -> str:
        """The title on one line."""
        return " ".join("".join(self._title).split())[:300]

    @property
    def text(self) -> str:
        """The text, one block a line."""
        main = _tidy(self._main)
        return main if len(main) >= _ENOUGH else _tidy(self._all) or main

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element begins."""
        if _BLOCK.fullmatch(tag):
            self._put("\n- " if tag == "li" else "\n# " if re.fullmatch("h[1-6]", tag) else "\n")
        elif tag in ("td", "th"):
            self._put(" ")
        if tag in _VOID:
            return
        if tag in _UNCLOSED and self._open and self._open[-1][0] == tag:
            self._open.pop()
        given = {name: value or "" for name, value in attrs}
        style = given.get("style", "").replace(" ", "").lower()
        hidden = "hidden" in given or given.get("aria-hidden") == "true" or "display:none" in style
        _, skipped, main = self._open[-1] if self._open else ("", False, False)
        if len(self._open) < 500:
            self._open.append((tag, skipped or hidden or tag in _SKIPPED, main or tag in ("main", "article")))

    def handle_endtag(self, tag: str) -> None:
        """An element ends, and with it those within that nobody closed."""
        for at in range(len(self._open) - 1, -1, -1):
            if self._open[at][0] == tag:
                del self._open[at:]
                break
        if _BLOCK.fullmatch(tag):
            self._put("\n")

    def handle_data(self, data: str) -> None:
        """Text between tags."""
        if self._open and self._open[-1][0] == "title" and not self._all_of("svg"):
            self._title.append(data)
        else:
            self._put(re.sub(r"\s+", " ", data))

    def _all_of(self, tag: str) -> bool:
        return any(name == tag for name, _, _ in self._open)

    def _put(self, text: str) -> None:
        _, skipped, main = self._open[-1] if self._open else ("", False, False)
        if not skipped:
            self._all.append(text)
            if main:
                self._main.append(text)


def _tidy(pieces: list[str]) -> str:
    lines = (" ".join(line.split()) for line in "".join(pieces).split("\n"))
    return "\n".join(line for line in lines if line not in ("", "-", "#"))
