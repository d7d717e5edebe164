"""What servers of OpenAI's wire are known to send, each oddity by itself."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from duihua.errors import ProviderError
from duihua.messages import Usage
from duihua.ports import CallDelta, Delta, Finish, Flagged, TextDelta, ThinkingDelta
from duihua.providers.openai_compatible import FAULTS, Tagged
from tests.providers.conftest import event

DONE = b"data: [DONE]\n\n"


def chunk(*, finish: str | None = None, **delta: Any) -> bytes:
    return event(id="c-1", model="served", choices=[{"index": 0, "delta": delta, "finish_reason": finish}])


END = chunk(finish="stop") + DONE
USAGE = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}


def read(*pieces: bytes) -> tuple[list[Delta], ProviderError | None]:
    answer = Tagged(FAULTS, "m")
    out = [d for piece in pieces for d in answer.feed(piece)]
    return out + answer.close(), answer.error


def good(*pieces: bytes) -> list[Delta]:
    deltas, error = read(*pieces)
    assert error is None
    return deltas


def text(deltas: list[Delta]) -> str:
    return "".join(d.text for d in deltas if isinstance(d, TextDelta))


def thoughts(deltas: list[Delta]) -> str:
    return "".join(d.text for d in deltas if isinstance(d, ThinkingDelta))


def finish(deltas: list[Delta]) -> Finish:
    assert isinstance(deltas[-1], Finish)
    return deltas[-1]


def calls(*deltas: Any, end: bytes = END) -> list[tuple[str, str, str]]:
    """Id, name and arguments of the calls in chunks with these `tool_calls`."""
    found: dict[int, list[str]] = {}
    for d in good(*(chunk(tool_calls=pieces) for pieces in deltas), end):
        if isinstance(d, CallDelta):
            call = found.setdefault(d.index, ["", "", ""])
            call[0], call[1], call[2] = call[0] + d.id, call[1] + d.name, call[2] + d.arguments
    return [(id_, name, arguments) for id_, name, arguments in found.values()]


def piece(index: int | None = None, id: str | None = None, **function: Any) -> dict[str, Any]:
    fields = {"index": index, "id": id, "function": function}
    return {name: value for name, value in fields.items() if value is not None}


# ---------------------------------------------------------------- 1, 4, 12: chunks


@pytest.mark.parametrize(
    "odd",
    [
        {"choices": []},
        {"choices": None},
        {"model": "", "prompt_filter_results": [{"prompt_index": 0}]},
        {"choices": [], "model": "", "prompt_filter_results": []},
        {"choices": [{"index": 0, "delta": None}]},
        {"choices": [{"index": 0, "finish_reason": None}]},
        {"choices": [{"delta": {}}], "created": None, "object": 0, "news": {"a": 1}},
        {"error": None, "choices": []},
    ],
)
def test_chunks_without_anything_to_say(odd: dict[str, Any]) -> None:
    assert text(good(event(**odd), chunk(content="a"), event(**odd), chunk(content="b"), END)) == "ab"


def test_a_filtered_end_without_a_delta() -> None:
    deltas = good(chunk(content="a"), event(choices=[{"index": 0, "finish_reason": "content_filter"}]), DONE)
    assert deltas == [TextDelta("a"), Flagged("output", retract=True), Finish("flagged", model="m")]


# ---------------------------------------------------------------- 2: counts


@pytest.mark.parametrize(
    "tail",
    [
        [event(choices=[], usage=USAGE)],
        [event(choices=None, usage=USAGE)],
        [event(choices=[{"index": 0, "delta": {}}], usage=USAGE)],
        [event(choices=[{"delta": {}, "finish_reason": "stop"}], usage=USAGE)],
        [event(choices=[{"delta": {}, "finish_reason": "stop", "usage": USAGE}])],
        [event(choices=[{"delta": {}, "finish_reason": "stop"}], x_groq={"id": "r", "usage": USAGE})],
        [
            event(choices=[{"delta": {}, "finish_reason": "stop"}], usage=USAGE),
            event(choices=[], usage=USAGE),
        ],
        [event(choices=[], usage=USAGE), event(choices=[], usage=None)],
        [event(choices=[], usage=USAGE), event(choices=[], usage={})],
        [event(choices=[], usage=USAGE), event(choices=[], usage=[1])],
    ],
)
def test_counts_stand_anywhere_and_count_once(tail: list[bytes]) -> None:
    assert finish(good(chunk(content="a"), chunk(finish="stop"), *tail, DONE)).usage == Usage(9, 5)


def test_counts_that_grow_with_every_chunk_are_not_summed() -> None:
    grown = [
        event(
            choices=[{"delta": {"content": c}}],
            usage={"prompt_tokens": 9, "completion_tokens": n, "total_tokens": 9 + n},
        )
        for n, c in enumerate("abcde", 1)
    ]
    assert finish(good(*grown, END)).usage == Usage(9, 5)


@pytest.mark.parametrize(
    ("more", "usage"),
    [
        ({"total_tokens": 14}, Usage(9, 5, 0, 3)),
        ({"total_tokens": 17}, Usage(9, 8, 0, 3)),  # reasoning was counted apart
        ({"prompt_cache_hit_tokens": 4}, Usage(9, 5, 4, 3)),
        ({"cached_tokens": 4}, Usage(9, 5, 4, 3)),
        ({"completion_tokens": -1, "prompt_tokens": True}, Usage(0, 0, 0, 3)),
    ],
)
def test_counts_have_many_names(more: dict[str, Any], usage: Usage) -> None:
    counts = {**USAGE, "completion_tokens_details": {"reasoning_tokens": 3}, **more}
    assert finish(good(chunk(content="a"), event(choices=[], usage=counts), END)).usage == usage


# ---------------------------------------------------------------- 3, 7, 8: the end


def test_the_last_reason_counts_whatever_the_ids() -> None:
    ends = [
        event(id=id_, choices=[{"delta": {}, "finish_reason": reason}])
        for id_, reason in (("x", "stop"), ("y", "length"), ("z", ""), ("w", None))
    ]
    assert finish(good(chunk(content="a"), *ends, DONE)).reason == "length"


def test_an_answer_ends_with_a_reason_or_the_mark_and_is_cut_without() -> None:
    assert finish(good(chunk(content="a"), chunk(finish="stop"))).reason == "stop"
    assert finish(good(chunk(content="a"), DONE)).reason == "stop"
    deltas, error = read(chunk(content="a"))
    assert deltas == [TextDelta("a")]
    assert error is not None
    assert error.category == "truncated"


def test_bare_lines_are_a_stream_too() -> None:
    lines = [orjson.dumps({"choices": [{"delta": {"content": c}}]}) + b"\n" for c in "ab"]
    last = {"choices": [{"delta": {}, "finish_reason": "stop"}], "object": "x", "usage": USAGE}
    deltas = good(*lines, orjson.dumps(last))
    assert (text(deltas), finish(deltas).usage) == ("ab", Usage(9, 5))


def test_an_answer_that_failed_on_its_way_says_so() -> None:
    deltas, error = read(chunk(content="a"), chunk(finish="error"), DONE)
    assert deltas == [TextDelta("a")]
    assert error is not None
    assert error.category == "server"


# ---------------------------------------------------------------- 5, 6, 7: calls

A, B = '{"a": 1}', '{"b":{"c":[]}}'
F = [("x", "f", A)]
TWO = [("x", "f", A), ("y", "g", B)]


@pytest.mark.parametrize(
    ("deltas", "wanted"),
    [
        ([[piece(0, "x", name="f", arguments=A)]], F),
        ([[piece(0, "x", name="f", arguments={"a": 1})]], [("x", "f", '{"a":1}')]),
        ([[piece(0, "x", name="f", arguments=None)], [piece(0, arguments=A)]], F),
        ([[piece(0, name="f")], [piece(0, "x", arguments=A)]], F),
        ([[piece(0, "", name="f")], [piece(0, "", name="", arguments=A)]], [("", "f", A)]),
        ([[piece(0, "x", name="f", arguments=A), piece(1, "y", name="g", arguments=B)]], TWO),
        ([[piece(0, "x", name="f", arguments=A)], [piece(0, "y", name="g")], [piece(0, arguments=B)]], TWO),
        ([[piece(None, "x", name="f", arguments=A)], [piece(None, "y", name="g", arguments=B)]], TWO),
        # told again as a whole
        ([[piece(0, "x", name="f")], [piece(0, arguments=A)], [piece(0, "x", name="f", arguments=A)]], F),
        (
            [[piece(0, "x", name="f", arguments="{")], [piece(0, arguments=A[1:])], [piece(0, arguments=A)]],
            F,
        ),
        # the same twice is no repetition while it is not complete
        ([[piece(0, "x", name="f", arguments='{"')], [piece(0, arguments='{"')]], [("x", "f", '{"{"')]),
        # ids that are shared
        (
            [[piece(0, "x", name="f", arguments=A), piece(1, "x", name="g", arguments=B)]],
            [("x", "f", A), ("x-1", "g", B)],
        ),
        (
            [[piece(None, "x", name="f", arguments=A), piece(None, "x", name="g", arguments=B)]],
            [("x", "f", A), ("x-1", "g", B)],
        ),
        # neither id nor index tells them apart
        (
            [[piece(0, "", name="f", arguments=A), piece(0, "", name="g", arguments=B)]],
            [("", "f", A), ("", "g", B)],
        ),
        ([[piece(0, "functions.weather:0", name="f", arguments=A)]], [("functions.weather:0", "f", A)]),
        ([[piece(0, "call_-7807", name="f", arguments="")]], [("call_-7807", "f", "")]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("reason", ["tool_calls", "stop", None])
def test_calls_however_they_are_told(deltas: Any, wanted: Any, reason: str | None) -> None:
    assert calls(*deltas, end=chunk(finish=reason) + DONE) == wanted
    pieces = [chunk(tool_calls=d) for d in deltas]
    assert finish(good(*pieces, chunk(finish=reason), DONE)).reason == "calls"


def test_a_whole_answer_with_calls_and_no_content() -> None:
    message = {"role": "assistant", "content": None, "tool_calls": [piece(0, "x", name="f", arguments=A)]}
    body = {"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
    assert good(orjson.dumps(body)) == [CallDelta(0, "x", "f", A), Finish("calls", model="m")]


# ---------------------------------------------------------------- 9: errors

CREDIT = "insufficient_quota"
NO = "no. Check the account's plan and credit"


@pytest.mark.parametrize(
    ("body", "code", "category", "words"),
    [
        ({"error": {"message": "no", "type": "t", "param": None, "code": 400}}, "400", "bad_request", "no"),
        ({"error": {"message": "slow", "code": 429}}, "429", "rate_limited", "slow"),
        ({"error": {"message": "no", "code": CREDIT}}, CREDIT, "quota_exhausted", NO),
        ({"error": "Incorrect key", "code": "some words"}, "some words", "server", "Incorrect key"),
        ({"error": "gemma does not support tools"}, "", "server", "gemma does not support tools"),
        ({"error_code": "ModelArts.4910", "error_msg": "no"}, "ModelArts.4910", "server", "no"),
        ({"object": "error", "message": "no", "code": 404}, "404", "not_found", "no"),
        ({"detail": [{"loc": ["body"]}]}, "", "server", '[{"loc": ["body"]}]'),
    ],
)  # fmt: skip
@pytest.mark.parametrize("frame", [b"data: %s\n\n", b"%s", b"[%s]"])
def test_errors_in_an_answer_that_began_well(
    body: Any, code: str, category: str, words: str, frame: bytes
) -> None:
    deltas, error = read(chunk(content="a") if frame.startswith(b"data") else b"", frame % orjson.dumps(body))
    assert error is not None
    assert (error.vendor_code, error.category, error.message) == (code, category, words)
    assert text(deltas) in ("a", "")


@pytest.mark.parametrize(
    "page", [b"<html>\n<body>502</body></html>", b"<!DOCTYPE html>", b"upstream failed\n"]
)
def test_a_page_of_a_gateway_is_an_error(page: bytes) -> None:
    _, error = read(page)
    assert error is not None
    assert error.category in ("server", "truncated")
    assert error.retryable


# ---------------------------------------------------------------- 10: reasoning


@pytest.mark.parametrize(
    "delta",
    [
        {"reasoning_content": "想"},
        {"reasoning": "想"},
        {"reasoning_content": "想", "reasoning": "想"},
        {"reasoning_content": None, "reasoning": "想"},
        {"reasoning_content": {"a": 1}, "reasoning": "想"},
        {"reasoning": "想", "reasoning_details": [{"type": "reasoning.text", "text": "想"}]},
        {"reasoning_details": [{"type": "reasoning.text", "text": "想"}, 5, {"data": "x"}]},
        {"reasoning_details": [{"type": "reasoning.summary", "summary": "想"}]},
        {"content": "<think>想</think>"},
    ],
)
def test_reasoning_has_many_places_and_counts_once(delta: dict[str, Any]) -> None:
    deltas = good(chunk(**delta), chunk(content="好"), END)
    assert (thoughts(deltas), text(deltas)) == ("想", "好")


@given(st.lists(st.integers(1, 40), max_size=6))
def test_tags_in_the_text_are_found_however_it_is_cut(cuts: list[int]) -> None:
    said = "\n<think>\n想一想 </thin\n</think>\n\n好 <think>的"
    places = [0, *sorted(min(cut, len(said)) for cut in cuts), len(said)]
    pieces = [chunk(content=said[a:b]) for a, b in pairwise(places)]
    deltas = good(*pieces, END)
    assert (thoughts(deltas), text(deltas)) == ("想一想 </thin\n", "好 <think>的")


def test_reasoning_that_never_ends_is_reasoning() -> None:
    deltas = good(chunk(content="<think>想</th"), chunk(finish="length"), DONE)
    assert (thoughts(deltas), text(deltas), finish(deltas).reason) == ("想</th", "", "length")


def test_a_beginning_that_was_no_tag_is_told() -> None:
    assert text(good(chunk(content=" <thi"), END)) == " <thi"


def test_other_answers_are_bare_too() -> None:
    other = event(choices=[{"index": 1, "delta": {"content": "<think>x</think>\nb"}}])
    assert finish(good(chunk(content="a"), other, END)).alternatives == ("b",)


# ---------------------------------------------------------------- 11: content


def test_content_comes_as_parts_or_begins_with_empty_lines() -> None:
    parts = chunk(
        content=[{"type": "text", "text": "\n"}, {"type": "text", "text": "a\n"}, {"type": "image"}]
    )
    assert text(good(chunk(content="\n\n"), parts, chunk(content="\nb"), END)) == "a\n\nb"


def test_empty_lines_before_a_call_are_no_text() -> None:
    deltas = good(chunk(content="\n"), chunk(tool_calls=[piece(0, "x", name="f", arguments=A)]), END)
    assert text(deltas) == ""


def test_a_refusal_is_a_flag() -> None:
    deltas = good(chunk(content="a", refusal=None), chunk(refusal="I can"), chunk(refusal="not"), END)
    assert deltas == [TextDelta("a"), Flagged("output"), Finish("flagged", Usage(), "served", "c-1")]
    whole = {"choices": [{"message": {"content": None, "refusal": "no"}, "finish_reason": "stop"}]}
    assert good(orjson.dumps(whole)) == [Flagged("output"), Finish("flagged", model="m")]


# ---------------------------------------------------------------- 13: bytes

SAID = "x\u2028y\u0085z\x0bw \u2029😀"
PLAIN = chunk(content=SAID) + chunk(content="b") + END
SPREAD = b'data: {"choices":[{"delta":\ndata: {"content":"b"}}]}\n\n'
FRAMED = {
    "plain": PLAIN,
    "mark": b"\xef\xbb\xbf" + PLAIN,
    "carriage returns": PLAIN.replace(b"\n", b"\r\n"),
    "only carriage returns": PLAIN.replace(b"\n", b"\r"),
    "no space": PLAIN.replace(b"data: ", b"data:"),
    "keep-alive": b": ping\n\n" + PLAIN.replace(b"\n\ndata", b"\n\n: OPENROUTER PROCESSING\n\ndata"),
    "several lines": chunk(content=SAID) + SPREAD + END,
    "named": b"id: 1\nretry: 5\n" + PLAIN.replace(b"data: {", b"event: message\ndata: {"),
}


@pytest.mark.parametrize("name", FRAMED)
def test_frames_of_any_kind_cut_anywhere(name: str) -> None:
    data = FRAMED[name]
    for at in range(len(data)):
        assert text(good(data[:at], data[at:])) == SAID + "b"
