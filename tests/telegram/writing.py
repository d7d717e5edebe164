"""Makes documents as models write them, and knows which words of them must be seen."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

CHINESE = "天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往秋收冬藏云腾致雨露结为霜金生丽水玉出昆冈"
ENGLISH = ["alpha", "beta", "gamma", "delta", "omega", "river", "stone", "cloud", "paper", "Ünï", "Привет"]
EMOJI = ["😀", "👨‍👩‍👧", "🇨🇳", "👍🏽", "❤️", "🏳️‍🌈"]
BROKEN = ["*", "**", "_", "`", "```", "~~", "[", "]", "](", "\n", "\n\n", "> ", "- ", "# ", "|", " ", "~~~\n"]
FRAGMENTS = {
    "emphasis": ["*", "**", "***", "_", "__", "~", "~~", "，", "：", "（", "）", "“", "”", "!", "\\*", "\\_"],
    "code": ["`", "``", "```", "```py\n", "~~~\n", "\n```\n", "    ", "``` "],
    "links": [
        "[",
        "]",
        "](",
        "![",
        "(",
        ")",
        "](https://a.com/x)",
        "](./c.md)",
        "](j)",
        "[]",
        "[^1]",
        "[a]: ",
    ],
    "addresses": [
        "https://a.com/a_b",
        "https://a.com。",
        "http://b.org/*x*,",
        "www.a.com",
        "a@b.co",
        "<",
        ">",
    ],
    "tables": ["|", "||", "|---|---|\n", "\n|---|---|\n", "|a|b|\n", "|-", "\n|", "\n| \n"],
    "lists": [
        "- ",
        "-",
        "* ",
        "1. ",
        "2.",
        "3) ",
        "+",
        "  ",
        "> ",
        ">",
        "# ",
        "#",
        "- [ ] ",
        "-[x]",
        "\n---\n",
        "\n===\n",
    ],
    "tags": ["<b>", "</b>", "<div>", "<br>", "<!--", "<!-- x -->", "<", ">", "<std::x>", "&amp;", "&lt", "&"],
    "formulas": ["$", "$$", "\\(", "\\)", "\\[", "\\]", "$x^2$", "5", "\\", "=", "_"],
}
"""Halves of marks, by what they are halves of."""
SEEN = {"<b>", "</b>", "<div>", "<std::x>"}
"""Those that must be seen."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A word that must be seen, or a mark."""

    text: str
    word: bool = False


def _fragment(mark: str) -> Piece:
    return Piece(mark, mark in SEEN)


@dataclass(slots=True)
class Document:
    """Markdown in pieces. `table`: words may be seen out of order; `broken`: so may all."""

    pieces: list[Piece] = field(default_factory=list[Piece])
    kind: str = ""
    table: bool = False
    broken: bool = False

    @property
    def source(self) -> str:
        return "".join(it.text for it in self.pieces)

    def words(self, end: int | None = None) -> Iterator[str]:
        """The words that lie whole in the first `end` characters."""
        at = 0
        for it in self.pieces:
            at += len(it.text)
            if end is not None and at > end:
                return
            if it.word:
                yield it.text

    def apart(self) -> Iterator[tuple[str, str]]:
        """Two words with nothing but white space between them."""
        first, between = "", ""
        for it in self.pieces:
            if not it.word:
                between += it.text
                continue
            if first and between and not between.strip():
                yield first, it.text
            first, between = it.text, ""


class Author:
    """Writes with a seed."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.blocks: dict[str, Callable[[], list[Piece]]] = {
            "paragraph": self.paragraph,
            "heading": self.heading,
            "list": self.list,
            "tasks": self.tasks,
            "fence": self.fence,
            "quote": self.quote,
            "table": self.table,
            "link": self.link,
            "math": self.math,
            "as written": self.as_written,
        }

    def document(self) -> Document:
        out = Document()
        for i in range(self.rng.randrange(1, 9)):
            name = self.rng.choice(list(self.blocks))
            out.pieces += [Piece("\n\n" if i else ""), *self.blocks[name]()]
            out.table |= name == "table"
        if self.rng.random() < 0.4:
            self._break(out)
        return out

    def block(self) -> Document:
        name = self.rng.choice(list(self.blocks))
        return Document(self.blocks[name](), name, name == "table")

    def broken(self) -> Document:
        """A block with marks too many and too few."""
        out = self.block()
        self._break(out)
        return out

    def mess(self) -> Document:
        """Words among halves of marks."""
        kinds = self.rng.sample(sorted(FRAGMENTS), self.rng.choice([1, 1, 2, 3]))
        some = [mark for kind in kinds for mark in FRAGMENTS[kind]]
        few = self.rng.sample(some, min(len(some), self.rng.randrange(2, 7)))  # so that some make pairs
        marks = [*few, "\n", " "]
        pieces = [
            self.word() if self.rng.random() < 0.4 else _fragment(self.rng.choice(marks))
            for _ in range(self.rng.randrange(3, 15))
        ]
        return Document(pieces, "mess", broken=True)

    def _break(self, out: Document) -> None:
        out.broken = True
        for _ in range(self.rng.randrange(1, 8)):
            place = self.rng.randrange(len(out.pieces) + 1)
            if self.rng.random() < 0.3 and place < len(out.pieces) and not out.pieces[place].word:
                del out.pieces[place]
            else:
                out.pieces.insert(place, Piece(self.rng.choice(BROKEN)))

    def word(self) -> Piece:
        chance = self.rng.random()
        if chance < 0.5:
            return Piece("".join(self.rng.choices(CHINESE, k=self.rng.randrange(1, 6))), True)
        if chance < 0.9:
            return Piece(self.rng.choice(ENGLISH), True)
        return Piece(self.rng.choice(EMOJI), True)

    def phrase(self, most: int = 4) -> list[Piece]:
        out = [self.word()]
        for _ in range(self.rng.randrange(most)):
            near = "\u3000" < out[-1].text[-1] < "\uffff" and self.rng.random() < 0.5
            out += [Piece("，" if near else " "), self.word()]
        return out

    def styled(self) -> list[Piece]:
        mark = self.rng.choice(["**", "*", "~~", "`", "***"])
        return [Piece(mark), *self.phrase(2), Piece(mark)]

    def line(self) -> list[Piece]:
        out = self.phrase()
        for _ in range(self.rng.randrange(4)):
            tight = "\u3000" < out[-1].text[-1] < "\uffff" and self.rng.random() < 0.5
            gap = Piece("" if tight else " ")
            out += [gap, *(self.styled() if self.rng.random() < 0.5 else self.phrase()), Piece(" ")]
            out += self.phrase()
        return out

    def paragraph(self) -> list[Piece]:
        out = self.line()
        for _ in range(self.rng.randrange(3)):
            out += [Piece("\n"), *self.line()]
        return out

    def heading(self) -> list[Piece]:
        return [Piece("#" * self.rng.randrange(1, 5) + " "), *self.phrase()]

    def list(self) -> list[Piece]:
        numbered = self.rng.random() < 0.4
        out: list[Piece] = []
        for i in range(self.rng.randrange(1, 5)):
            out += [Piece(f"{i + 1}. " if numbered else "- "), *self.line(), Piece("\n")]
            if self.rng.random() < 0.3:
                indent = "   " if numbered else "  "
                out += [Piece(indent + "- "), *self.line(), Piece("\n")]
                if self.rng.random() < 0.4:
                    out += [
                        Piece(f"{indent}  ```py\n{indent}  "),
                        *self.phrase(2),
                        Piece(f"\n{indent}  ```\n"),
                    ]
        return out[:-1] + ([] if out[-1].text == "\n" else [Piece(out[-1].text.rstrip("\n"))])

    def tasks(self) -> list[Piece]:
        out: list[Piece] = []
        for i in range(self.rng.randrange(1, 4)):
            out += [Piece(("\n" if i else "") + self.rng.choice(["- [ ] ", "- [x] "])), *self.phrase()]
        return out

    def fence(self) -> list[Piece]:
        out = [Piece(self.rng.choice(["```python\n", "```\n", "~~~js\n"]))]
        close = out[0].text[:3]
        for _ in range(self.rng.randrange(1, 6)):
            out += [Piece("  " * self.rng.randrange(3)), *self.phrase(), Piece("\n")]
        return [*out, Piece(close if self.rng.random() < 0.9 else "")]

    def quote(self) -> list[Piece]:
        out: list[Piece] = []
        for i in range(self.rng.randrange(1, 4)):
            out += [Piece(("\n" if i else "") + "> "), *self.line()]
        return out

    def table(self) -> list[Piece]:
        width = self.rng.randrange(2, 5)
        rows = [[self.phrase(2) for _ in range(width)] for _ in range(self.rng.randrange(2, 5))]
        out: list[Piece] = []
        for i, row in enumerate(rows):
            out.append(Piece("\n|" if i else "|"))
            for cell in row:
                out += [Piece(" "), *cell, Piece(" |")]
            if not i:
                out.append(Piece("\n" + "|---" * width + "|"))
        return out

    def link(self) -> list[Piece]:
        to = self.rng.choice(
            ["https://a.com/x_(y)_z", "https://例子.cn/路径?q=1", "http://b.org/#p", "./c.md"]
        )
        mark = self.rng.choice(["[", "!["])
        return [*self.phrase(), Piece(" " + mark), *self.phrase(2), Piece(f"]({to}) "), *self.phrase()]

    def math(self) -> list[Piece]:
        what = self.rng.choice(
            [r"$x^2$", r"\(\alpha+1\)", "\\[\n\\frac{a}{b}\n\\]", r"$\foo{a}$", r"$$e=mc^2$$"]
        )
        gap = "\n" if what.startswith("\\[") else " "
        return [*self.phrase(), Piece(f"{gap}{what}{gap}"), *self.phrase()]

    def as_written(self) -> list[Piece]:
        some = ["List<int>", "<div>", "__init__", "2*3*4", "*args", "snake_case_x", "$395k", "a<b>c"]
        return [*self.phrase(), Piece(" "), Piece(self.rng.choice(some), True), Piece(" "), *self.phrase()]
