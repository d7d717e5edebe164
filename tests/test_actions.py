"""Calls written as lines of text."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from duihua.actions import ActionParser, described, is_chinese
from duihua.ports import CallDelta, TextDelta, ToolSpec

CALL = 'Action: get_weather\nAction Input: {"city": "北京"}'
Outcome = tuple[str, list[tuple[str, str]]]


def parsed(pieces: list[str], names: tuple[str, ...] = ("get_weather", "clock")) -> Outcome:
    """The visible text, and the calls with their arguments."""
    parser = ActionParser(names)
    out = [delta for piece in pieces for delta in parser.feed(piece)] + parser.close()
    text = "".join(delta.text for delta in out if isinstance(delta, TextDelta))
    found = [delta for delta in out if isinstance(delta, CallDelta)]
    assert [delta.index for delta in found] == list(range(parser.calls))
    assert all(delta.text for delta in out if isinstance(delta, TextDelta))
    return text, [(delta.name, delta.arguments) for delta in found]


WEATHER = ("get_weather", '{"city": "北京"}')


@pytest.mark.parametrize(
    ("text", "shown", "calls"),
    [
        (CALL, "", [WEATHER]),
        (f"好的，我来查。\n\n{CALL}", "好的，我来查。", [WEATHER]),
        (f"好的。{CALL}", "好的。", [WEATHER]),
        (f"Thought: the user wants\nthe weather\n{CALL}", "", [WEATHER]),
        (f"好的。\nThought：查天气\n{CALL}\n", "好的。\n", [WEATHER]),
        (f"{CALL}\nObservation: 25 度\n\n今天 25 度。", "", [WEATHER]),
        (f"{CALL}\nObservation: 25\nAction: clock\nAction Input: {{}}", "", [WEATHER]),
        (f"{CALL}\n{CALL}", "", [WEATHER, WEATHER]),
        ('Action：get_weather\nAction Input：{"city": "北京"}', "", [WEATHER]),
        ('**Action:** `get_weather`\n**Action Input:** {"city": "北京"}', "", [WEATHER]),
        ('### Action: get_weather()\n> Action Input: {"city": "北京"}', "", [WEATHER]),
        ('Action: get_weather\n\nAction Input:\n```json\n{"city": "北京"}\n```\n', "", [WEATHER]),
        ('Action: get_weather\r\nAction Input: ```{"city": "北京"}```', "", [WEATHER]),
        ('Action: get_weather Action Input: {"city": "北京"}', "", [WEATHER]),
        (
            'Action: clock\nAction Input: {\n  "a": {"b": "}\\""}\n}\nAction: clock',
            "",
            [("clock", '{\n  "a": {"b": "}\\""}\n}'), ("clock", "{}")],
        ),
        ("Action: other\nAction Input: {}", "", [("other", "{}")]),
        ("Action: clock", "", [("clock", "{}")]),
        ("Action: clock\n", "", [("clock", "{}")]),
        ("Action: clock\nAction Input:", "", [("clock", "{}")]),
        ("Action: clock\nAction Input: None", "", [("clock", "{}")]),
        ("Action: clock\nAction Inp", "", [("clock", "{}")]),
        ("Action: get_weather\nAction Input: 北京\n", "", [("get_weather", "北京")]),
        ('Action: get_weather\nAction Input: {"city": "北', "", [("get_weather", '{"city": "北')]),
        (
            "Action: clock\nAction: get_weather\nAction Input: {}",
            "",
            [("clock", "{}"), ("get_weather", "{}")],
        ),
        ("好的。\nAction: get_wea", "好的。", []),
        ("Act", "Act", []),
        ("Action", "Action", []),
        ("A call to Action: ", "A call to Action: ", []),
        ("Call to Action: buy it now!", "Call to Action: buy it now!", []),
        ("Action: sleep\nand so on", "Action: sleep\nand so on", []),
        ("ReAction: clock\nno", "ReAction: clock\nno", []),
        (f"{CALL}\nAction: sleep\nand so on", "", [WEATHER]),
        ("Thought: I think\n\nso I am.", "Thought: I think\n\nso I am.", []),
        ("# 标题\n\n- **粗** > x\n---\n", "# 标题\n\n- **粗** > x\n---\n", []),
    ],
)
def test_lines_are_told_from_text(text: str, shown: str, calls: list[tuple[str, str]]) -> None:
    assert parsed([text]) == (shown, calls)
    assert parsed(list(text)) == (shown, calls)


def test_text_is_shown_as_soon_as_it_is_certain() -> None:
    parser = ActionParser()
    assert parser.feed("Hello Act") == [TextDelta("Hello")]
    assert parser.feed("ually, ") == [TextDelta(" Actually,")]
    assert parser.close() == [TextDelta(" ")]


def test_a_long_thought_without_an_action_is_let_go() -> None:
    parser = ActionParser()
    shown = "".join(d.text for d in parser.feed("Thought: " + "x" * 5_000) if isinstance(d, TextDelta))
    assert len(shown) > 4_000


FRAGMENTS = st.sampled_from(
    (
        *(
            "Action",
            "Action:",
            "Action Input:",
            "Action Input",
            "Thought:",
            "Observation:",
            "Act",
            "ion",
            "ActionInput",
        ),
        *(
            " ",
            "\r",
            "\n",
            "\r\n",
            "*",
            "**",
            "`",
            "```json",
            "```",
            "{",
            "}",
            '"',
            "\\",
            ":",
            "：",
            "#",
            ">",
            "-",
            "()",
        ),
        *(
            "clock",
            "get_weather",
            "other",
            "json",
            "好的",
            "。",
            "x",
            "T",
            "A",
            "\n\n\n",
            " " * 20,
            "None",
            "{}",
        ),
        *(CALL, "\nAction: clock\n", '\nAction Input: {"a": 1}'),
    )
)
stories = st.lists(st.one_of(FRAGMENTS, st.text(max_size=5)), max_size=14).map("".join)


@given(stories, st.data())
@example("Action: xActionInputs\n", None)
def test_the_cut_does_not_matter(text: str, data: st.DataObject | None) -> None:
    whole = parsed([text])
    assert parsed(list(text)) == whole
    if data is not None:
        cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=6)))
        pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        assert parsed(pieces) == whole


@given(st.lists(st.one_of(FRAGMENTS, st.text(max_size=5)), max_size=14).map("".join))
def test_text_without_an_action_comes_out_whole(text: str) -> None:
    text = text.replace("Action:", "Action").replace("Action：", "Action").replace("Action", "Action ;")
    assert parsed([text]) == (text, [])


@given(
    before=st.text(alphabet="ab中。\n*", max_size=12),
    name=st.sampled_from(("clock", "other")),
    arguments=st.dictionaries(st.text(max_size=4), st.text(max_size=8), max_size=3),
    after=st.text(max_size=12),
    size=st.integers(1, 9),
)
def test_an_action_is_never_shown(
    before: str, name: str, arguments: dict[str, str], after: str, size: int
) -> None:
    written = orjson.dumps(arguments).decode()
    text = f"{before}\nAction: {name}\nAction Input: {written}\n{after}"
    shown, calls = parsed([text[i : i + size] for i in range(0, len(text), size)])
    assert calls[0] == (name, written)
    assert before.startswith(shown)
    assert not before[len(shown) :].strip("\n*")


@pytest.mark.parametrize(
    ("system", "chinese"), [("", True), ("你是助手。Be kind.", True), ("You are kind.", False), ("123", True)]
)
def test_the_description_speaks_the_language_of_the_system_text(system: str, chinese: bool) -> None:
    assert is_chinese(system) is chinese
    text = described((ToolSpec("clock", "The time.", {"type": "object"}),), chinese=chinese)
    assert '- clock: The time. {"type":"object"}' in text
    assert ("你可以" in text) is chinese


def test_an_example_in_the_description_is_an_action() -> None:
    lines = described((), chinese=False).splitlines()
    text = "\n".join(line for line in lines if line.startswith("Action"))
    text = text.replace("name of the function", "clock").replace("its arguments as JSON", "{}")
    assert parsed([text]) == ("", [("clock", "{}")])
