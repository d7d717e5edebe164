"""Parts to bytes and back."""

from __future__ import annotations

import orjson
from hypothesis import given
from hypothesis import strategies as st

from duihua.codec import decode, encode
from duihua.messages import Decision, FileText, Media, Opaque, Options, Part, Quote, Text, Thinking, Unknown

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
PLAIN = st.dictionaries(TEXT, st.none() | st.booleans() | TEXT | st.integers(-(2**53), 2**53), max_size=3)
PARTS: st.SearchStrategy[Part] = st.one_of(
    st.builds(Text, TEXT),
    st.builds(Thinking, TEXT),
    st.builds(Media, st.sampled_from(["image", "audio", "video", "file"]), TEXT, TEXT, TEXT),
    st.builds(Quote, TEXT, TEXT),
    st.builds(FileText, TEXT, TEXT, st.booleans()),
    st.builds(Decision, TEXT, st.booleans()),
    st.builds(Options, PLAIN),
    st.builds(Opaque, TEXT, PLAIN),
)


@given(st.lists(PARTS).map(tuple))
def test_what_is_written_is_read_again(parts: tuple[Part, ...]) -> None:
    assert decode(encode(parts)) == parts


@given(st.lists(st.fixed_dictionaries({"t": st.just("hologram")}, optional={"text": TEXT})))
def test_unknown_parts_are_kept_as_they_are(stored: list[dict[str, str]]) -> None:
    data = orjson.dumps(stored)
    parts = decode(data)
    assert all(isinstance(p, Unknown) for p in parts)
    assert orjson.loads(encode(parts)) == stored


def test_lone_surrogates_are_replaced_and_pairs_joined() -> None:
    assert decode(encode((Text("a\ud800b"), Text("\ud83d\ude00")))) == (Text("a\ufffdb"), Text("😀"))
    assert decode(encode((Options({"extra": {"x": ["\udc00"]}}),))) == (
        Options({"extra": {"x": ["\ufffd"]}}),
    )


def test_erased_content_is_no_parts() -> None:
    assert decode(None) == ()
