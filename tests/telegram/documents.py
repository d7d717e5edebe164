"""`python -m tests.telegram.documents [--count N] [--seed N]`: many documents, rendered, split and streamed.

Every word of a document must be seen, in order, and apart from the next one if white space parts them; every
message must be one that Telegram takes; every prefix of a stream must show the words it holds; what is
streamed must equal what is rendered whole. Then single blocks, whole and broken, and words among halves of
marks are compared with what telegramify-markdown makes of them: each difference must be explained by rules.
Prints one table; exits with 1 if something is wrong.
"""

from __future__ import annotations

import argparse
import random
import re
import time
from collections import Counter
from unicodedata import normalize
from unittest.mock import patch

from duihua.telegram.text import Formatted, Stream, render, split
from duihua.telegram.text.sections import LONGEST
from tests.telegram.checking import check
from tests.telegram.differences import difference
from tests.telegram.reasons import RULES
from tests.telegram.writing import Author, Document

COUNT = 10_000
PREFIXES = 20
EVERY = 100
"""One of so many documents is streamed character by character."""
TORN = 64
"""Characters of a section in every other whole document, so that its lines are torn as very long ones are."""


_LANGUAGE = re.compile(r"^[ >*+\-\d.)]*(?:`{3,}|~{3,}) *[\w*:/.+#-]+ *$", re.MULTILINE)

_LETTERS = {"alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "omega": "ω"}
"""Words that are seen as a letter where a stray backslash makes a formula of them."""


def missing(document: Document, messages: tuple[Formatted, ...] | list[Formatted], end: int | None) -> str:
    """The first word that is not seen; what became an address or a language is seen there."""
    text = "".join(it.text for it in messages)
    text += "".join(_LANGUAGE.findall(document.source[:end]))
    text += "".join(f"\n{it.url} {it.language}" for message in messages for it in message.entities)
    text = "".join(text.split())
    if document.table or document.broken:
        bare = str.maketrans("", "", "*_<>$" if document.broken else "")  # stray marks may become emphasis
        counts = Counter(word.translate(bare) for word in document.words(end))
        text = normalize("NFKC", text).translate(bare)  # in a formula a word may stand low or high
        for name, letter in _LETTERS.items():
            text = text.replace(letter, name) if f"\\{name}" in document.source else text
        return next((word for word, count in counts.items() if text.count(word) < count), "")
    at = 0
    for word in document.words(end):
        found = text.find(word, at)
        if found < 0:
            return word
        at = found + len(word)
    return ""


def stuck(document: Document, messages: list[Formatted]) -> str:
    """Two words that lost the white space between them; where a message ends, it may be gone."""
    if document.broken:  # stray marks may make code or emphasis, which lose spaces at their ends
        return ""
    text = "\v".join(it.text for it in messages)
    for first, second in document.apart():
        together = "\v?".join(map(re.escape, first)) + r"[\s\v]+" + "\v?".join(map(re.escape, second))
        if not re.search(together, text):
            return f"{first} {second}"
    return ""


def wrong(document: Document, rng: random.Random, *, every: bool) -> list[str]:
    """What is wrong with one document, in words."""
    source, limit = document.source, rng.choice([4096, 4096, 200, 64])
    whole = render(source)
    found = check(whole, sent=False)
    parts = split(whole, limit)
    found += [it for part in parts for it in check(part, limit=limit)]
    if lost := missing(document, parts, None):
        found.append(f"split lost {lost!r}")
    if lost := stuck(document, parts):
        found.append(f"no space in {lost!r}")
    if [c for part in parts for c in part.text if not c.isspace()] != [
        c for c in whole.text if not c.isspace()
    ]:
        found.append("the parts are not the whole")
    places = set(range(len(source))) if every else {rng.randrange(len(source) + 1) for _ in range(PREFIXES)}
    stream, before = Stream(limit), 0
    for place in sorted(places):
        stream.feed(source[before:place])
        before = place
        frame = stream.frame()
        shown = (*frame.sealed, *frame.open)
        found += [f"prefix {place}: {it}" for part in shown for it in check(part, limit=limit)]
        half = source.rfind("](", 0, place)
        # As far as one can know then, what stands behind `](` is an address.
        held = half >= 0 and not re.search(r"\)|\s\S", source[half + 2 : place])
        if lost := missing(document, shown, half if held else place):
            found.append(f"prefix {place} lost {lost!r}")
    stream.feed(source[before:])
    if list(stream.finish()) != parts:
        found.append("streamed and whole differ")
    return found


def run(count: int, seed: int) -> tuple[Counter[str], list[str]]:
    """How often each rule explained a difference, and what is wrong."""
    differences: Counter[str] = Counter()
    bad: list[str] = []
    for number in range(count):
        rng = random.Random(f"{seed} {number}")
        author = Author(rng)
        document = author.document()
        every = number % EVERY == 0
        tear = TORN if number % 2 and not document.broken else LONGEST
        with patch("duihua.telegram.text.sections.LONGEST", tear):
            bad += [f"{number}: {it}: {document.source!r}" for it in wrong(document, rng, every=every)[:1]]
        block, broken, mess = author.block(), author.broken(), author.mess()
        bad += [f"{number}: {it}: {mess.source!r}" for it in wrong(mess, rng, every=every)[:1]]
        for it in (block, broken, mess):
            if lost := missing(it, [render(it.source)], None):
                bad.append(f"{number}: lost {lost!r}: {it.source!r}")
            rules = difference(it.source)
            if rules is None:
                bad.append(f"{number}: unexplained difference: {it.source!r}")
            else:
                differences.update(rules or ["no difference"])
    return differences, bad


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    began = time.perf_counter()
    differences, bad = run(given.count, given.seed)
    for line in bad[:20]:
        print(line)
    print(f"{given.count} documents in {time.perf_counter() - began:.0f} s, {len(bad)} findings")
    print(f" times  of {3 * given.count} compared with telegramify-markdown")
    print(f"{differences['no difference']:6}  no difference")
    for name, rule in RULES.items():
        print(f"{differences[name]:6}  {name}: {rule.reason}")
    return int(bool(bad))


if __name__ == "__main__":
    raise SystemExit(main())
