"""Hypothesis strategies for conversations as they are stored, the ugly ones included."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from duihua.messages import (
    Call,
    CallState,
    Decision,
    FileText,
    Media,
    Opaque,
    Options,
    Part,
    Quote,
    Speaker,
    Step,
    Text,
    Thinking,
    Turn,
    TurnRef,
    TurnState,
    Unknown,
    call_id,
)
from duihua.ports import ToolSpec

# A busy machine is no failure; a failure says how to get it again.
settings.register_profile("duihua", settings(), deadline=None, print_blob=True)
settings.load_profile("duihua")

WORDS = (
    "你好",
    "北京今天天气怎么样？",
    "hello",
    "ok",
    "{}",
    "😀👍🏽",
    "a\nb",
    "Action: x",
    "\ud800",
    "null",
    "  x ",
)
texts = st.one_of(
    st.sampled_from(("", " ", "\n", *WORDS)),
    st.text(max_size=12),
    st.builds(lambda word, times: word * times, st.sampled_from(WORDS), st.integers(1, 60)),
)
words = texts.filter(lambda text: bool(text.strip()))
huge = st.builds(lambda word, times: word * times, st.sampled_from(WORDS), st.integers(500, 3_000))
results = st.one_of(texts, st.just('{"temperature": 25}'), st.just("[1, 2]"), huge)
arguments = st.sampled_from(("", "{}", '{"city": "北京"}', "[1]", "{broken", "\ud800"))
names = st.sampled_from(("get_weather", "clock", "", "名字", "a b", "x" * 80))
call_states = st.sampled_from(("planned", "held", "running", "done", "failed", "unknown", "refused"))
parts: st.SearchStrategy[Part] = st.one_of(
    st.builds(Text, texts),
    st.builds(Quote, texts, st.sampled_from(("", "小明"))),
    st.builds(Speaker, st.just("小明")),
    st.builds(FileText, texts, st.sampled_from(("", "a.pdf")), st.booleans()),
    st.builds(
        Media, st.sampled_from(("image", "file")), st.just("7"), st.just(""), st.sampled_from(("", "a.png"))
    ),
    st.builds(Opaque, st.just("p"), st.just({"x": 1})),
    st.builds(Options, st.just({"temperature": 1.0})),
    st.builds(Unknown, st.just({"t": "new"})),
)
inputs = st.one_of(
    st.builds(lambda text: (Text(text),), words),
    st.builds(lambda text: (Text(text),), words),
    st.lists(parts, max_size=3).map(tuple),
    st.builds(lambda call: (Decision(call, True),), st.just("1.1.0.0")),
)
step_parts = st.one_of(
    st.builds(lambda text: (Text(text),), texts),
    st.builds(lambda text: (Thinking("hm"), Text(text)), texts),
    st.just(()),
)


@st.composite
def calls(draw: st.DrawFn) -> Call:
    state: CallState = draw(call_states)
    return Call("", draw(names), draw(arguments), state, draw(results), "write")


@st.composite
def steps(draw: st.DrawFn, *, most_calls: int = 3) -> Step:
    return Step(draw(step_parts), tuple(draw(st.lists(calls(), max_size=most_calls))))


def with_ids(turn: Turn) -> Turn:
    numbered = tuple(
        replace(s, calls=tuple(replace(c, id=call_id(turn.ref, n, i)) for i, c in enumerate(s.calls)))
        for n, s in enumerate(turn.steps)
    )
    return replace(turn, steps=numbered, memo={})


@st.composite
def turns(draw: st.DrawFn, *, seq: int, states: tuple[TurnState, ...]) -> Turn:
    made = tuple(draw(st.lists(steps(), max_size=3)))
    turn = Turn(TurnRef(1, seq), seq - 1, None, draw(inputs), made, draw(st.sampled_from(states)))
    return with_ids(turn)


@st.composite
def conversations(draw: st.DrawFn, *, most: int = 10) -> tuple[Turn, ...]:
    """At least one turn; the last one is running."""
    seqs = sorted(draw(st.sets(st.integers(1, 30), min_size=1, max_size=most)))
    past: tuple[TurnState, ...] = ("done", "done", "done", "stopped", "failed", "cleared")
    out = [draw(turns(seq=seq, states=past)) for seq in seqs[:-1]]
    out.append(draw(turns(seq=seqs[-1], states=("running",))))
    return tuple(out)


systems = st.one_of(st.just(""), st.just(" "), words)
tools: st.SearchStrategy[tuple[ToolSpec, ...]] = st.sampled_from(
    (
        (),
        (ToolSpec("clock", "What time it is.", {}),),
        (
            ToolSpec("get_weather", "天气", {"type": "object", "properties": {"city": {"type": "string"}}}),
            ToolSpec("clock", "", {"type": "object"}),
        ),
    )
)

roles = st.sampled_from(
    ("user", "assistant", "system", "developer", "tool", "function", "USER", "critic", None, 3, "")
)
ids = st.sampled_from(("c1", "c2", "", None))
functions: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.just("f"),
    st.fixed_dictionaries(
        {},
        optional={
            "name": st.sampled_from(("f", "", None)),
            "arguments": st.one_of(arguments, st.just({"a": 1})),
        },
    ),
)
contents: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    texts,
    st.integers(),
    st.just({"a": [1]}),
    st.lists(
        st.one_of(
            st.builds(lambda text: {"type": "text", "text": text}, texts),
            st.just({"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}),
            st.just({"image": "http://host/a.png"}),
            st.none(),
            texts,
        ),
        max_size=3,
    ),
)
foreign_messages: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "role": roles,
        "content": contents,
        "name": st.sampled_from(("f", "g", None)),
        "tool_call_id": ids,
        "function_call": functions,
        "reasoning_content": st.sampled_from(("hm", None)),
        "tool_calls": st.one_of(
            st.none(),
            st.lists(
                st.one_of(st.none(), st.fixed_dictionaries({"function": functions}, optional={"id": ids})),
                max_size=3,
            ),
        ),
    },
)
foreign_lists = st.lists(foreign_messages, max_size=10)
