"""Text as terms to search by, the same for what was said and for what is asked. No dictionary is needed.

A term is an English word's stem, a number, or two neighbouring characters of a script that writes no spaces
(Chinese, Japanese, Korean, Thai): a single character stands for itself, and so do some nouns of one.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import tzinfo
from functools import cache
from typing import Any

from duihua.memory.dates import mentioned
from duihua.memory.words import FUNCTION_CHARACTERS, FUNCTION_WORDS, IRREGULAR, QUESTION_WORDS, QUESTIONS
from duihua.messages import Text, Turn

READ = 8_000
"""Characters of a text that are read; what is beyond them cannot be found."""
LONGEST = 40
"""Letters of a word that count."""

_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3130-\u318f\u3400-\u4dbf"
    "\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
)
# Particles and pronouns part the words around them and are no words themselves: without them a run of
# characters falls into fewer pairs, and more of these are words.
_PARTICLES = "的了吗呢吧啊呀嘛哦嗎麼么得着过過我你您他她它们們"


def _without(ranges: str, characters: str) -> str:
    """The ranges of a character class with some characters cut out, for classes that are matched fast."""
    bounds = [(ranges[i], ranges[i + 2]) for i in range(0, len(ranges), 3)]
    for cut in characters:
        parted = [
            ((a, chr(ord(cut) - 1)), (chr(ord(cut) + 1), b)) if a <= cut <= b else ((a, b),)
            for a, b in bounds
        ]
        bounds = [bound for bounds in parted for bound in bounds if bound[0] <= bound[1]]
    return "".join(f"{a}-{b}" for a, b in bounds)


_CHARACTER = f"[{_without(_UNSPACED, _PARTICLES)}]"
_PAIRS = re.compile(f"(?=({_CHARACTER}{{2}}))")
# Words of one character that talk is full of ("我妈说"): they are terms besides the pairs they stand in.
_NOUNS = "爸妈爹哥弟姐妹爷奶叔姑姨舅娃猫狗鸡鸟鱼车船药病牙腰钱税饭菜酒糖烟歌琴"
_NOUN = re.compile(rf"([{_NOUNS}])(?!\1)")
_SINGLE = re.compile(f"(?<!{_CHARACTER})(?![{_NOUNS}]){_CHARACTER}(?!{_CHARACTER})")
_WORDS = re.compile(rf"[^\W_{_UNSPACED}]+(?:'[^\W_{_UNSPACED}]+)?")


@cache
def _stemmer() -> Callable[[Sequence[str]], list[str]]:
    import Stemmer  # a compiled module: loaded with the first text

    module: Any = Stemmer
    return module.Stemmer("english").stemWords


def plain(text: str, limit: int = READ) -> str:
    """The beginning of a text in one form: lower case, no full-width letters, no ligatures."""
    return unicodedata.normalize("NFKC", text[:limit]).lower()


def _terms(normal: str, dropped: frozenset[str]) -> list[str]:
    words: list[str] = _WORDS.findall(normal.replace("’", "'"))
    if words:
        kept = [w[:LONGEST].removesuffix("'s") for w in words if w not in dropped]
        words = _stemmer()([IRREGULAR.get(w, w) for w in kept])
    words += _PAIRS.findall(normal)
    words += (one for one in _SINGLE.findall(normal) if one not in FUNCTION_CHARACTERS)
    words += _NOUN.findall(normal)
    return words[:READ]


def terms(text: str) -> list[str]:
    """The terms of something that was said, repeated ones as often as they stand in it."""
    return _terms(plain(text), FUNCTION_WORDS)


def query_terms(text: str) -> list[str]:
    """The terms of a question, each once, in their order: without the words that make it a question.

    Date words should have been taken out before (`dates.when`): what they mean is no matter of words.
    """
    return list(dict.fromkeys(_terms(bare(text), QUESTION_WORDS)))


def bare(text: str) -> str:
    """A question in one form, without what of its Chinese makes it one, and without courtesies."""
    return QUESTIONS.sub(" ", plain(text))


def spoken(turn: Turn) -> tuple[str, str]:
    """What the person and what the assistant said: no thinking, no skill's arguments or results."""
    return "\n".join(part.text for part in turn.input if isinstance(part, Text)), turn.text


def document_terms(turn: Turn, zone: tzinfo | None = None) -> Counter[str]:
    """How often each term stands in what was said in a turn, by the person (with the name) and the assistant.

    Days that are named in it ("yesterday") are terms too: `zone` is the person's, UTC if not known.
    """
    found: list[str] = []
    for text in spoken(turn):
        normal = plain(text)
        found += _terms(normal, FUNCTION_WORDS)
        if turn.at:
            found += mentioned(normal, turn.at, zone)
    if turn.author and turn.author.name:
        found += terms(turn.author.name)
    return Counter(found)
