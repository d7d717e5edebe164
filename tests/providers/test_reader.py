from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duihua.providers.reader import Reader
from tests.providers.damage import damage, held

V1 = (
    'data: {"id":"as-1","sentence_id":0,"is_end":false,"result":"你好","need_clear_history":false}\n\n'
    'data: {"id":"as-1","sentence_id":1,"is_end":false,"result":"，\\n\\"世界\\" 😀","usage":{"total":3}}\n\n'
    'data: {"id":"as-1","sentence_id":2,"is_end":true,"result":""}\n\n'
).encode()
V2 = (
    ": keep-alive\r\n\r\n"
    'data:{"id":"as-2","choices":[{"index":0,"delta":{"role":"assistant","content":"很"}}]}\r\n\r\n'
    'data:   {"choices":[{"delta":{"content":"好"},"finish_reason":"stop"}]}\r\n\r\n'
    'data: {"choices":[],"usage":{"prompt_tokens":1}}\r\n\r\n'
    "data: [DONE]\r\n\r\n"
).encode()
BARE = (
    '{"id":"c","choices":[{"index":0,"delta":{"content":"我是"},"finish_reason":null}]}\n'
    '{"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}'
).encode()
PRETTY = b'{\n  "error_code": 336003,\n  "error_msg": "the \\"messages\\" }{ are\\nwrong"\n}'
JOINED = b'{"a":1}{"b":[{"c":"}"}]} {"d":null}\n'
NAMED = (
    b'id: 7\nretry: 10\nevent: pluginMeta\ndata: {"a":1}\n\nevent:chat\ndata: {"b":2}\n\ndata: {"c":3}\n\n'
)
TOLD = (
    b'id:1\nevent:result\n:HTTP_STATUS/200\ndata:{"a":1}\n\n'
    b'id:2\nevent:error\n:HTTP_STATUS/429\ndata:{"b":2}\n\ndata:{"c":3}\n\n'
)
SPREAD = b'data: {\ndata:   "a": 1\ndata: }\n\ndata: {"b":2}\n\n'
CRLF = (NAMED + SPREAD + PRETTY).replace(b"\n", b"\r\n")
CR = (NAMED + SPREAD).replace(b"\n", b"\r")
BOM = b'\xef\xbb\xbfdata: {"a":1}\n\n'
RECORDED = {
    "v1": V1, "v2": V2, "bare": BARE, "pretty": PRETTY, "joined": JOINED, "told": TOLD,
    "named": NAMED, "spread": SPREAD, "bom": BOM,
    "crlf": CRLF, "cr": CR,
}  # fmt: skip


def read(*pieces: bytes, limit: int = 1 << 20) -> tuple[list[tuple[str, object]], Reader]:
    reader = Reader(limit)
    out = [item for piece in pieces for item in reader.feed(piece)]
    return out + reader.close(), reader


@pytest.mark.parametrize("name", RECORDED)
def test_a_stream_cut_at_any_byte_reads_the_same(name: str) -> None:
    data = RECORDED[name]
    whole, _ = read(data)
    assert whole
    for at in range(1, len(data)):
        assert read(data[:at], data[at:])[0] == whole
    assert read(*(data[i : i + 1] for i in range(len(data))))[0] == whole


@given(st.sampled_from(sorted(RECORDED)), st.lists(st.integers(0, 500), max_size=12))
def test_a_stream_cut_at_many_places_reads_the_same(name: str, cuts: list[int]) -> None:
    data = RECORDED[name]
    places = [0, *sorted(min(c, len(data)) for c in cuts), len(data)]
    assert read(*(data[a:b] for a, b in pairwise(places)))[0] == read(data)[0]


def test_text_comes_out_as_it_went_in() -> None:
    items, _ = read(V1)
    assert "".join(str(body["result"]) for _, body in items) == '你好，\n"世界" 😀'  # type: ignore[index]


def test_events_carry_their_names() -> None:
    assert read(NAMED)[0] == [("pluginMeta", {"a": 1}), ("chat", {"b": 2}), ("", {"c": 3})]


def test_line_ends_of_any_kind_say_the_same() -> None:
    assert read(CRLF)[0] == read(NAMED + SPREAD + PRETTY)[0]
    assert read(CR)[0] == read(NAMED + SPREAD)[0]


def test_a_status_that_a_comment_tells_belongs_to_its_event_alone() -> None:
    assert read(TOLD)[0] == [("result", {"a": 1}), ("error 429", {"b": 2}), ("", {"c": 3})]


def test_half_of_a_lines_end_is_no_line() -> None:
    errors: list[str] = []
    for pieces in ((b"data: {\r\n",), (b"data: {\r", b"\n"), (b"data: {\r\n", b"")):
        reader = Reader()
        for piece in pieces:
            assert reader.feed(piece) == []
        assert reader.close() == []
        errors.append(str(reader.error))
    assert len(set(errors)) == 1


def test_names_survive_carriage_returns() -> None:
    assert read(b'event: x\r\ndata: {"a":1}\r\n\r\n')[0] == [("x", {"a": 1})]


def test_nothing_is_read_behind_the_end_mark() -> None:
    items, reader = read(b'data: {"a":1}\n\ndata: [DONE]\n\ndata: {"b":2}\n\n')
    assert (items, reader.done) == ([("", {"a": 1})], True)


def test_pretty_printed_bodies_are_one_object() -> None:
    assert read(PRETTY)[0] == [("", {"error_code": 336003, "error_msg": 'the "messages" }{ are\nwrong'})]


def test_joined_objects_are_told_apart() -> None:
    assert [body for _, body in read(JOINED)[0]] == [{"a": 1}, {"b": [{"c": "}"}]}, {"d": None}]


def test_an_array_gives_its_objects() -> None:
    assert [body for _, body in read(b'[{"a":1},\n{"b":2}]')[0]] == [{"a": 1}, {"b": 2}]


@pytest.mark.parametrize("page", [b"<html><body>Sign in</body></html>", b"<!DOCTYPE html>\n<html>"])
def test_a_page_is_no_stream(page: bytes) -> None:
    items, reader = read(page)
    assert not items
    assert reader.error is not None
    assert reader.error.category == "server"


def test_what_came_before_broken_json_stands() -> None:
    items, reader = read(b'data: {"a":1}\n\ndata: {"a":2,}\n\ndata: {"a":3}\n\n')
    assert items == [("", {"a": 1})]
    assert reader.error is not None


def test_an_object_that_is_cut_off_is_left_out_without_an_error() -> None:
    items, reader = read(b'data: {"a":1}\n\ndata: {"a":"\xe4\xbd')
    assert (items, reader.error) == ([("", {"a": 1})], None)


def test_half_a_surrogate_pair_does_not_spoil_the_rest() -> None:
    items, reader = read(b'data: {"result":"a\\ud83d b"}\n\n')
    assert (items, reader.error) == ([("", {"result": "a b"})], None)


def test_a_raw_control_character_in_a_string_is_let_through() -> None:
    assert read(b'data: {"result":"a\tb"}\n\n')[0] == [("", {"result": "a\tb"})]


@pytest.mark.parametrize(
    "piece", [b"x" * 100, b'data: {"a":"' + b"y" * 100, b'{"a":\n"' + b"z" * 90 + b'",\n"b":\n', b"{\n"]
)
def test_nothing_grows_beyond_its_limit(piece: bytes) -> None:
    reader = Reader(limit=1000)
    for _ in range(2000):
        assert reader.feed(piece) == []
        if reader.error:
            break
    assert reader.error is not None
    assert reader.feed(b'{"a":1}\n') == []


def test_deep_nesting_is_an_error_not_a_crash() -> None:
    _, reader = read(b'data: {"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n\n")
    assert reader.error is not None


def test_many_lines_of_one_object_take_linear_time() -> None:
    lines = b'{"a":[\n' + b"1,\n" * 100_000 + b"1]}\n"
    assert len(read(lines, limit=1 << 24)[0]) == 1


def strings(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [s for k, v in value.items() for s in (str(k), *strings(v))]
    if isinstance(value, list):
        return [s for v in value for s in strings(v)]
    return []


def test_random_damage_never_hangs_raises_or_invents_text() -> None:
    seed = 20261120
    print(f"seed {seed}")
    rng = random.Random(seed)
    recorded = list(RECORDED.values())
    for _ in range(10_000):
        data = damage(rng, recorded)
        cut = rng.randrange(len(data) + 1)
        items, _ = read(data[:cut], data[cut:])
        known = held(data) if items else set[str]()
        assert known.issuperset(text for _, body in items for text in strings(body)), data
