"""How many tokens a text costs, estimated without a tokenizer: ten weights over classes of characters.

The text becomes one class byte per character, then classes are counted; all of it runs in C and keeps nothing
but a few byte strings of about the text's own length.
"""

from __future__ import annotations

HAN = 0.50
HAN_PUNCTUATION = 1.31
WORD = 1.05  # a run of ASCII letters
LONG_LETTER = 0.05  # each letter of a word after the sixth
DIGIT = 1.01
PUNCTUATION = 0.80
SPACES = 0.26  # a run of white space
EMOJI = 1.46
OTHER = 0.49


def _classes() -> bytes:
    """From the first UTF-8 byte of a character to its class."""
    table = bytearray(b"o" * 256)  # other
    for byte in range(0x80):
        char = chr(byte)
        kind = "a" if char.isalpha() else "0" if char.isdigit() else "_" if char.isspace() else "!"
        table[byte] = ord(kind)
    table[0xE4:0xEA] = b"h" * 6  # U+4000..U+9FFF: han
    table[0xF0:0xF5] = b"e" * 5  # beyond the basic plane: emoji, rare han
    table[0xE2], table[0xE3], table[0xEF] = b"23f"  # mixed: the second byte tells
    return bytes(table)


def _only(kind: bytes) -> bytes:
    return bytes(byte if byte == kind[0] else 0x20 for byte in range(256))


_CLASSES = _classes()
_FOLLOWING = bytes(range(0x80, 0xC0))  # the bytes of a UTF-8 character after its first
_LETTERS, _SPACES = _only(b"a"), _only(b"_")
_NTH_LETTER = tuple(b" " + b"a" * n for n in range(1, 7))
_LONG = b"a" * 7
_HAN_PUNCTUATION = (b"\xe2\x80", b"\xe3\x80", b"\xef\xbc", b"\xef\xbd")  # U+2000, U+3000, U+FF00, U+FF40
_SYMBOLS = tuple(bytes((0xE2, second)) for second in range(0x98, 0x9F))  # U+2600..U+27BF


def estimate(text: str | bytes) -> float:
    """Estimated tokens of `text` (bytes are UTF-8, for example ready JSON); 0.0 for an empty one.

    Never negative; appending never lowers it; a text costs what its pieces cost, less at most about one token
    for each word or run of spaces that was cut. A lone surrogate counts as a question mark.
    """
    data = text.encode("utf-8", "replace") if isinstance(text, str) else text
    kinds = data.translate(_CLASSES, _FOLLOWING)
    count = kinds.count
    letters, digits, han = count(b"a"), count(b"0"), count(b"h")
    total = HAN * han + DIGIT * digits
    if letters:
        total += _words(kinds, letters)
    rest = len(kinds) - letters - digits - han
    if rest and (spaces := count(b"_")):
        total += SPACES * (b" " + kinds.translate(_SPACES)).count(b" _")
        rest -= spaces
    if rest and (marks := count(b"!")):
        total += PUNCTUATION * marks
        rest -= marks
    return total + _beyond_ascii(data, kinds, rest) if rest else total


def _words(kinds: bytes, letters: int) -> float:
    words = b" " + kinds.translate(_LETTERS)
    total = WORD * words.count(b" a")
    if _LONG in words:
        total += LONG_LETTER * (letters - sum(words.count(nth) for nth in _NTH_LETTER))
    return total


def _beyond_ascii(data: bytes, kinds: bytes, rest: int) -> float:
    """The cost of the `rest` characters that are neither ASCII nor plain han."""
    emoji, marks = kinds.count(b"e"), 0
    if b"2" in kinds or b"3" in kinds or b"f" in kinds:
        marks = sum(map(data.count, _HAN_PUNCTUATION))
    if b"2" in kinds:
        emoji += sum(map(data.count, _SYMBOLS))
    return EMOJI * emoji + HAN_PUNCTUATION * marks + OTHER * (rest - emoji - marks)
