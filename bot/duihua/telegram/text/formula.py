r"""LaTeX as plain Unicode, where that says the same: `x^2` is x², `\frac{a}{b}` a/b, `\alpha` α.

pylatexenc knows the symbols; the structure (powers, fractions, roots, lines) is read here, because its own
text form drops the braces that hold an index or a numerator together.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any
from unicodedata import lookup, normalize

DEEPEST = 12
LONGEST = 2000
_TOKEN = re.compile(r"\\[A-Za-z]+\*?|\\.|\s+|.", re.DOTALL)
_UP = str.maketrans("0123456789+-−=()nabcdefghijklmoprstuvwxyzABDEGHIJKLMNOPRTUVWαβγδθ′", (
    "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ⁿᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐᵒᵖʳˢᵗᵘᵛʷˣʸᶻᴬᴮᴰᴱᴳᴴᴵᴶᴷᴸᴹᴺᴼᴾᴿᵀᵁⱽᵂᵅᵝᵞᵟᶿ′"
))  # fmt: skip
_DOWN = str.maketrans("0123456789+-−=()aehijklmnoprstuvxβγρφχ", "₀₁₂₃₄₅₆₇₈₉₊₋₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓᵦᵧᵨᵩᵪ")


def _names(words: str) -> frozenset[str]:
    return frozenset(words.split())


_PLAIN = _names(
    "text mathrm textbf textit textrm mathbf mathit operatorname operatorname* mbox boxed boldsymbol "
    "bm mathsf texttt mathtt emph tag"
)
_NOTHING = _names(
    "left right big Big bigg Bigg bigl bigr Bigl Bigr displaystyle limits nolimits textstyle middle "
    "nonumber notag hline"
)
_FUNCTIONS = _names(
    "sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh log ln lg exp lim limsup liminf max "
    "min sup inf det dim ker gcd deg arg Pr hom argmax argmin"
)
_LINES = _names(
    "aligned align align* gather gather* gathered equation equation* split cases array matrix "
    "pmatrix bmatrix vmatrix Bmatrix multline"
)
_ACCENTS = {
    **dict.fromkeys(("hat", "widehat"), "\u0302"),
    **dict.fromkeys(("tilde", "widetilde"), "\u0303"),
    **dict.fromkeys(("vec", "overrightarrow"), "\u20d7"),
    **{"bar": "\u0304", "overline": "\u0305", "dot": "\u0307", "ddot": "\u0308", "underline": "\u0332"},
}
_FONTS = {"mathbb": "DOUBLE-STRUCK", "mathcal": "SCRIPT", "mathscr": "SCRIPT", "mathfrak": "FRAKTUR"}
_SPACES = {"quad": "  ", "qquad": "    ", ",": " ", ";": " ", ":": " ", " ": " ", "!": "", "/": ""}
_OWN = {
    **{"to": "→", "implies": "⟹", "iff": "⟺", "le": "≤", "ge": "≥", "ne": "≠", "neq": "≠", "not": "\u0338"},
    **{"ldots": "…", "dots": "…", "cdots": "⋯", "vdots": "⋮", "ddots": "⋱", "mid": "|", "prime": "′"},
    **{"lvert": "|", "rvert": "|", "vert": "|", "Vert": "‖", "|": "‖", "backslash": "\\", "colon": ":"},
    **{"lbrace": "{", "rbrace": "}", "lbrack": "[", "rbrack": "]", "bmod": " mod ", "mod": " mod "},
    **{"hbar": "ℏ", "varnothing": "∅", "emptyset": "∅", "square": "□", "blacksquare": "■", "star": "⋆"},
    **{"land": "∧", "lor": "∨", "lnot": "¬", "complement": "∁", "triangle": "△"},
}
_ENDS = {"pmatrix": "()", "bmatrix": "[]", "vmatrix": "||", "Bmatrix": "{}"}


class _Unreadable(Exception):
    """This formula has no plain form."""


@lru_cache(1)
def _symbols() -> dict[str, str]:
    from pylatexenc.latex2text import get_default_latex_context_db  # pyright: ignore - it has no types

    db: Any = get_default_latex_context_db()
    found: dict[str, str] = {}
    for group in ("latex-base", "advanced-symbols"):
        for name, spec in db.d[group]["macros"].items():
            text = spec.simplify_repl
            if isinstance(text, str) and "%" not in text and len(text) <= 2 and not text.isascii():
                found[name] = text
    return found


@lru_cache(512)
def plain(latex: str) -> str | None:
    """The formula as Unicode text, or None where only LaTeX says it."""
    if len(latex) > LONGEST:
        return None
    try:
        out = _Reader(latex).all()
    except _Unreadable:
        return None
    out = "\n".join(re.sub(r"(?<=\S) {2,}", "  ", line).strip() for line in out.split("\n") if line.strip())
    return normalize("NFC", out) if out else None


class _Reader:
    """Reads one formula from left to right."""

    def __init__(self, latex: str) -> None:
        self._tokens = _TOKEN.findall(latex)
        self._at = 0
        self._depth = 0

    def all(self) -> str:
        out = self._until("")
        if self._at < len(self._tokens):
            raise _Unreadable
        return out

    def _until(self, end: str) -> str:
        self._depth += 1
        if self._depth > DEEPEST:
            raise _Unreadable
        out: list[str] = []
        while self._at < len(self._tokens):
            token = self._tokens[self._at]
            if token == end or token in ("}", "\\end"):
                break
            out.append(self._next(out))
        self._depth -= 1
        return "".join(out)

    def _next(self, out: list[str]) -> str:
        token = self._tokens[self._at]
        self._at += 1
        if token[0] == "\\":
            return self._macro(token[1:])
        if token == "{":
            return self._closed("}")
        if token in "^_":
            return self._script(token)
        if token in "&~" or token.isspace():
            return " "
        if token == "'":
            return "′"
        if token == "-" and out and not "".join(out[-2:]).rstrip().endswith(tuple("([{,=")):
            return "−" if "".join(out[-1:]) != " " else "− " if self._skip_space() else "−"
        return token

    def _skip_space(self) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at].isspace():
            self._at += 1
            return True
        return False

    def _closed(self, end: str) -> str:
        inner = self._until(end)
        if self._at >= len(self._tokens) or self._tokens[self._at] != end:
            raise _Unreadable
        self._at += 1
        return inner

    def _argument(self) -> str:
        self._skip_space()
        if self._at >= len(self._tokens) or self._tokens[self._at] in ("}", "\\end", "&"):
            raise _Unreadable
        return self._next([])

    def _raw(self) -> str:
        """The text of a group as it is written."""
        self._skip_space()
        if self._at >= len(self._tokens) or self._tokens[self._at] != "{":
            return self._argument()
        start, deep = self._at + 1, 0
        while self._at < len(self._tokens):
            deep += {"{": 1, "}": -1}.get(self._tokens[self._at], 0)
            self._at += 1
            if not deep:
                text = "".join(self._tokens[start : self._at - 1])
                marked = re.search(r"\\[A-Za-z]|[${}^]", text)
                return (plain(text.replace("$", "")) or text) if marked else text
        raise _Unreadable

    def _script(self, token: str) -> str:
        self._skip_space()
        if self._tokens[self._at : self._at + 1] in (["^"], ["_"]):
            raise _Unreadable  # an index of nothing
        inner = self._argument().strip()
        table = _UP if token == "^" else _DOWN
        if inner in ("∘", "°") and token == "^":
            return "°"
        if inner in ("′", "″") and token == "^":
            return inner
        if inner and all(ord(char) in table for char in inner):
            return inner.translate(table)
        return f"{token}{inner}" if len(inner) == 1 else f"{token}({inner})"

    def _macro(self, name: str) -> str:
        if name in _SPACES:
            return _SPACES[name]
        if name == "\\":
            return "\n"
        if name in ("frac", "dfrac", "tfrac", "cfrac"):
            return f"{_grouped(self._argument())}/{_grouped(self._argument())}"
        if name in ("binom", "dbinom", "tbinom"):
            return f"C({self._argument()}, {self._argument()})"
        if name == "sqrt":
            return self._root()
        if name in _ACCENTS:
            inner = self._argument()
            if len(inner) != 1:
                raise _Unreadable
            return inner + _ACCENTS[name]
        if name in _FONTS:
            return _styled(self._argument(), name)
        if name in _PLAIN:
            return self._raw()
        if name in _NOTHING:
            self._skip_space()
            if name in ("left", "right") and self._tokens[self._at : self._at + 1] == ["."]:
                self._at += 1
            return ""
        if name in _FUNCTIONS:
            return self._word(name)
        if name in ("pmod",):
            return f" (mod {self._argument()})"
        if name == "begin":
            return self._environment()
        if name in ("overset", "stackrel", "underset", "xrightarrow", "underbrace", "overbrace", "color"):
            raise _Unreadable
        return self._symbol(name)

    def _symbol(self, name: str) -> str:
        text = _OWN.get(name) or _symbols().get(name) or (name if name in "{}%$&#_" else "")
        if not text:
            raise _Unreadable
        return f"{text} " if name.isalpha() and self._skip_space() else text

    def _word(self, name: str) -> str:
        spaced = self._skip_space()
        following = "".join(self._tokens[self._at : self._at + 1])
        return f"{name} " if (spaced or following[:1].isalnum() or following[:1] == "\\") else name

    def _root(self) -> str:
        degree = ""
        if self._tokens[self._at : self._at + 1] == ["["]:
            self._at += 1
            degree = self._closed("]")
        sign = {"": "√", "2": "√", "3": "∛", "4": "∜"}.get(degree)
        if sign is None:
            if not all(ord(char) in _UP for char in degree):
                raise _Unreadable
            sign = degree.translate(_UP) + "√"
        inner = self._argument()
        return sign + (inner if len(inner) == 1 or inner.isdigit() else f"({inner})")

    def _environment(self) -> str:
        name = self._raw()
        if name not in _LINES:
            raise _Unreadable
        if name == "array":
            self._raw()
        inner = self._until("\\end")
        if self._tokens[self._at : self._at + 1] != ["\\end"]:
            raise _Unreadable
        self._at += 1
        if self._raw() != name:
            raise _Unreadable
        lines = [" ".join(line.split()) for line in inner.split("\n") if line.strip()]
        if name == "cases":
            return "{ " + "; ".join(lines)
        if name.endswith("matrix") or name == "array":
            left, right = _ENDS.get(name, "[]")
            return f"{left}{'; '.join(lines)}{right}"
        return "\n".join(lines)


def _grouped(text: str) -> str:
    """A numerator or denominator, in parentheses if it is more than one thing."""
    text = text.strip()
    if text.isalnum() or len(text) <= 1 or re.fullmatch(r"[^\s+\-−=/·⋅×±,|]+", text):
        return text
    return f"({text})"


def _styled(text: str, font: str) -> str:
    return "".join(_letter(char, _FONTS[font]) for char in text)


def _letter(char: str, style: str) -> str:
    if not (char.isascii() and char.isalpha()):
        return char
    case = "CAPITAL" if char.isupper() else "SMALL"
    older = {"FRAKTUR": "BLACK-LETTER"}.get(style, style)
    for name in (f"MATHEMATICAL {style} {case} {char.upper()}", f"{older} {case} {char.upper()}"):
        try:
            return lookup(name)
        except KeyError:
            continue
    return char
