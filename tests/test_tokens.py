"""The token estimate."""

from __future__ import annotations

import re

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from duihua.tokens import estimate
from tests.strategies import texts

ANY = st.one_of(texts, st.text(), st.text(alphabet="ab中，。 \n1,😀é☀ー\u2026\ud800！", max_size=40))


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("你好", 1.0),
        ("，", 1.31),
        ("“”…—「」！：", 8 * 1.31),
        ("cat", 1.05),
        ("internationally", 1.05 + 9 * 0.05),
        ("a cat", 2.10 + 0.26),
        ("a \n\t b", 2.10 + 0.26),
        ("2026", 4.04),
        ("{}:", 2.40),
        ("😀", 1.46),
        ("☀", 1.46),
        ("éжカ", 3 * 0.49),
    ],
)
def test_each_class_has_its_weight(text: str, tokens: float) -> None:
    assert estimate(text) == pytest.approx(tokens)


def by_character(text: str) -> float:
    """The same rule, slow and plain."""
    total = sum(1.05 + 0.05 * max(0, len(word) - 6) for word in re.findall("[A-Za-z]+", text))
    total += 0.26 * len(re.findall(r"[\t-\r\x1c-\x1f ]+", text))
    for char in text:
        code = ord(char)
        if 0xD800 <= code < 0xE000:
            total += 0.80
        elif code < 0x80:
            total += 1.01 if char.isdigit() else 0 if char.isalpha() or char.isspace() else 0.80
        elif 0x4000 <= code < 0xA000:
            total += 0.50
        elif 0x2000 <= code < 0x2040 or 0x3000 <= code < 0x3040 or 0xFF00 <= code < 0xFF80:
            total += 1.31
        elif code > 0xFFFF or 0x2600 <= code < 0x27C0:
            total += 1.46
        else:
            total += 0.49
    return total


@given(ANY)
def test_counting_classes_is_reading_every_character(text: str) -> None:
    assert estimate(text) == pytest.approx(by_character(text))


@given(ANY, ANY)
def test_pieces_cost_about_what_the_whole_costs(left: str, right: str) -> None:
    whole, pieces = estimate(left + right), estimate(left) + estimate(right)
    assert pieces - 1.06 <= whole <= pieces + 1e-9


@given(ANY, ANY)
def test_appending_never_lowers_it(left: str, right: str) -> None:
    assert 0 <= estimate(left) <= estimate(left + right) + 1e-9


@given(st.text())
def test_bytes_are_utf8(text: str) -> None:
    data = text.encode("utf-8", "replace")
    assert estimate(data) == estimate(data.decode())
    assert estimate(orjson.dumps({"a": data.decode()})) > 0
