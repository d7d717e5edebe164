"""What people type, in Python's notation: full-width signs, `×`, `^`, `15%`, `5!`, `1,000`, `2pi`, `=?`."""

from __future__ import annotations

import re
import unicodedata

from duihua.skills.contract import SkillError
from duihua_skills._functions import CONSTANTS, FUNCTIONS

_LENGTH = 1_000  # characters
_SIGNS = str.maketrans({"×": "*", "✕": "*", "÷": "/", "−": "-", "–": "-", "＾": "^", "π": "pi"})
_SUPERSCRIPT = re.compile(r"[⁰¹²³⁴-⁹]+")
_ROOT = re.compile(r"√\s*(\d+(?:\.\d+)?)|√(?=\s*\()")
_TIMES = re.compile(r"(?<=[\d)])\s*x\s*(?=[\d(])")
_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])")
_PERCENT = re.compile(r"(\d+(?:\.\d+)?|\.\d+)\s*%(?=\s*(?:$|[-+*/),]))")
_FACTORIAL = re.compile(r"(?<![\w.])(\d+)\s*!")
_TOKEN = re.compile(
    r"(?P<number>(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)|(?P<name>[a-z]\w*)|(?P<sign>\*\*|//|[-+*/%(),])|(?P<other>\S)"
)


def plain(expression: str) -> str:
    """The same with the signs and names of `_functions` alone.

    Raises:
        SkillError: it is too long, or holds something that is no arithmetic.
    """
    if len(expression) > _LENGTH:
        raise SkillError(f"the expression is too long: {len(expression)} characters, at most {_LENGTH}")
    text = _SUPERSCRIPT.sub(lambda found: f"**{unicodedata.normalize('NFKC', found[0])}", expression)
    text = unicodedata.normalize("NFKC", text.translate(_SIGNS)).lower().strip()
    text = re.sub(r"\bmod\b", "%", text.rstrip("=? ").replace("^", "**"))
    text = _ROOT.sub(lambda found: f"sqrt({found[1]})" if found[1] else "sqrt", text)
    text = text if re.search(r"\b0x", text) else _TIMES.sub("*", text)  # 0x10 is no product
    if not re.search(r"[a-z]", text):  # in max(1,234) the comma means something else
        text = _THOUSANDS.sub(lambda found: found[0].replace(",", ""), text)
    text = _PERCENT.sub(r"(\1/100)", text)
    return _joined(_FACTORIAL.sub(r"factorial(\1)", text))


def _joined(text: str) -> str:
    """Known tokens only, `*` where people leave it out, no leading zeros: the parser sees nothing else."""
    parts: list[str] = []
    complete = False  # a value ends here
    for token in _TOKEN.finditer(text):
        kind, word = token.lastgroup, token[0]
        if kind == "other" or (kind == "number" and complete):
            raise SkillError(f"{word[:40]!r} is not understood in an expression")
        if kind == "name" and word not in FUNCTIONS and word not in CONSTANTS:
            known = ", ".join([*CONSTANTS, *FUNCTIONS])
            raise SkillError(f"{word[:40]!r} is not known; these are: {known}")
        if complete and (kind == "name" or word == "("):
            parts.append("*")
        if kind == "number" and word.isdecimal():
            word = word.lstrip("0") or "0"
        binary = kind == "sign" and word not in "()," and complete
        parts.append(f" {word} " if binary and word != "**" else word + " " * (word == ","))
        complete = kind == "number" or word in CONSTANTS or word == ")"
    return "".join(parts)
