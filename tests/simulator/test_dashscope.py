from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import aiohttp
import pytest

from duihua.simulator import Simulator

from .conftest import CLOCK, WEATHER, users

TOOLS = [{"type": "function", "function": f} for f in (WEATHER, CLOCK)]
TEXT = "/services/aigc/text-generation/generation"
MULTIMODAL = "/services/aigc/multimodal-generation/generation"
PNG = "data:image/png;base64,iVBORw0KGgo="


class Native:
    """Raw requests to the platform's own wire."""

    def __init__(self, simulator: Simulator, http: aiohttp.ClientSession) -> None:
        self.simulator, self.http = simulator, http
        self.key = simulator.keys.dashscope

    async def send(self, body: Any, path: str = TEXT, **headers: str) -> tuple[int, str, str]:
        """Status, content type and body."""
        sent = {"Authorization": f"Bearer {self.key}"} | {f"X-DashScope-{k}": v for k, v in headers.items()}
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        url = f"{self.simulator.url}/dashscope/api/v1{path}"
        async with self.http.post(url, headers=sent, data=data) as r:
            return r.status, r.headers["Content-Type"], await r.text()

    async def say(self, *texts: str, model: str = "qwen-plus", path: str = TEXT, **parameters: Any) -> Any:
        """The body of a whole answer."""
        body = {"model": model, "input": {"messages": users(*texts)}, "parameters": parameters}
        return json.loads((await self.send(body, path))[2])

    async def stream(
        self, *texts: str, model: str = "qwen-plus", path: str = TEXT, **parameters: Any
    ) -> list[list[str]]:
        """The lines of each event."""
        body = {"model": model, "input": {"messages": users(*texts)}, "parameters": parameters}
        status, kind, text = await self.send(body, path, SSE="enable")
        assert (status, kind.partition(";")[0]) == (200, "text/event-stream")
        return [event.split("\n") for event in text.split("\n\n") if event]


def data(event: list[str]) -> Any:
    return json.loads(event[3].removeprefix("data:"))


def choice(event: list[str]) -> Any:
    return data(event)["output"]["choices"][0]


@pytest.fixture
def native(simulator: Simulator, http: aiohttp.ClientSession) -> Native:
    return Native(simulator, http)


async def test_frames_are_as_the_platform_sends_them(native: Native) -> None:
    events = await native.stream("你好", result_format="message", incremental_output=True)
    for number, event in enumerate(events, 1):
        assert event[:3] == [f"id:{number}", "event:result", ":HTTP_STATUS/200"]
        assert event[3].startswith('data:{"output":')
    assert [choice(e)["finish_reason"] for e in events] == ["null"] * (len(events) - 1) + ["stop"]
    usages = [data(e)["usage"]["output_tokens"] for e in events]
    assert usages == sorted(usages)
    assert usages[0] < usages[-1]
    assert len({data(e)["request_id"] for e in events}) == 1


async def test_without_being_told_a_stream_repeats_all(native: Native) -> None:
    texts = [data(e)["output"]["text"] for e in await native.stream("你好")]
    assert all(later.startswith(earlier) for earlier, later in pairwise(texts))
    pieces = [data(e)["output"]["text"] for e in await native.stream("你好", incremental_output=True)]
    assert "".join(pieces) == texts[-1]


async def test_two_calls_in_pieces(native: Native) -> None:
    events = await native.stream(
        "北京今天天气怎么样? 现在几点? !twocalls", model="qwen3-vl-plus", path=MULTIMODAL, tools=TOOLS,
        parallel_tool_calls=True, incremental_output=True,
    )  # fmt: skip
    pieces = [choice(e)["message"]["tool_calls"][0] for e in events]
    assert all(choice(e)["message"]["content"] == [] for e in events)
    assert [p["id"] != "" for p in pieces] == [("name" in p["function"]) for p in pieces]
    assert sum(p["id"] != "" for p in pieces) == 2
    assert pieces[-1] == {"index": 1, "id": "", "type": "function", "function": {"arguments": ""}}
    assert choice(events[-1])["finish_reason"] == "tool_calls"
    for index in (0, 1):
        arguments = "".join(p["function"]["arguments"] for p in pieces if p["index"] == index)
        assert json.loads(arguments) is not None


async def test_calls_come_one_at_a_time_unless_several_are_allowed(native: Native) -> None:
    answer = await native.say("北京今天天气怎么样? 现在几点? !twocalls", tools=TOOLS, result_format="message")
    assert len(answer["output"]["choices"][0]["message"]["tool_calls"]) == 1


async def test_a_search_tells_its_sources_when_asked_to(native: Native) -> None:
    options = {"enable_search": True, "search_options": {"enable_source": True}}
    events = await native.stream("你好", result_format="message", **options)
    assert data(events[0])["output"]["search_info"]["search_results"][0]["index"] == 1
    assert "search_info" not in data(events[1])["output"]
    assert "search_info" not in (await native.say("你好", enable_search=True))["output"]


async def test_an_image_is_seen(native: Native) -> None:
    content = [{"image": PNG}, {"text": "这是什么"}]
    body = {"model": "qwen-vl-max", "input": {"messages": [{"role": "user", "content": content}]}}
    status, _, text = await native.send(body, MULTIMODAL)
    assert status == 200
    assert "[image png 8]" in json.loads(text)["output"]["choices"][0]["message"]["content"][0]["text"]


async def test_a_prompt_with_pairs_is_a_conversation(native: Native) -> None:
    given = {"prompt": "我叫什么名字?", "history": [{"user": "我叫小明", "bot": "好的"}]}
    body = json.loads((await native.send({"model": "dolly-12b-v2", "input": given}))[2])
    assert "小明" in body["output"]["text"]
    assert "choices" not in body["output"]


@pytest.mark.parametrize(
    ("text", "status", "code"),
    [
        ("你好 !flag", 400, "DataInspectionFailed"),
        ("你好 !ratelimit", 429, "Throttling.RateQuota"),
        ("你好 !overload", 503, "ModelUnavailable"),
    ],
)
async def test_errors_are_objects_or_events(native: Native, text: str, status: int, code: str) -> None:
    body = {"model": "qwen-plus", "input": {"messages": users(text)}}
    got, kind, answer = await native.send(body)
    assert (got, kind.partition(";")[0], json.loads(answer)["code"]) == (status, "application/json", code)
    native.simulator.reset()
    got, kind, answer = await native.send(body, SSE="enable")
    event = answer.strip().split("\n")
    assert (got, kind.partition(";")[0]) == (200 if status == 429 else status, "text/event-stream")
    assert event[:3] == ["id:1", "event:error", f":HTTP_STATUS/{status}"]
    assert data(event)["code"] == code


async def test_flagged_output_ends_its_stream(native: Native) -> None:
    events = await native.stream("讲一个故事 !flag-output", result_format="message", incremental_output=True)
    assert events[-1][1:3] == ["event:error", ":HTTP_STATUS/400"]
    assert data(events[-1])["message"].startswith("Output")
    assert choice(events[-2])["finish_reason"] == "null"


def asked(model: str = "qwen-plus", **parameters: Any) -> dict[str, Any]:
    return {"model": model, "input": {"messages": users("你好")}, "parameters": parameters}


REFUSED = {
    "no body": (b"{", TEXT, {}, 400),
    "no input": ({"model": "qwen-plus"}, TEXT, {}, 400),
    "messages at the top": ({"model": "qwen-plus", "messages": users("x"), "input": {}}, TEXT, {}, 400),
    "stream at the top": ({**asked(), "stream": True}, TEXT, {}, 400),
    "unknown model": (asked("qwen-none"), TEXT, {}, 404),
    "unknown parameter": (asked(max_output_tokens=3), TEXT, {}, 400),
    "temperature": (asked(temperature=2), TEXT, {}, 400),
    "top_p": (asked(top_p=0), TEXT, {}, 400),
    "n": (asked(n=5), TEXT, {}, 400),
    "tools with a text result": (asked(tools=TOOLS, result_format="text"), TEXT, {}, 400),
    "tools on an old model": (asked("qwen-72b-chat", tools=TOOLS, result_format="message"), TEXT, {}, 400),
    "users beside each other on an old model": (
        {"model": "qwen1.5-72b-chat", "input": {"messages": users("x") + users("y")}}, TEXT, {}, 400,
    ),
    "thinking of one that does not": (asked("qwen-max", enable_thinking=True), TEXT, {}, 400),
    "thinking without a stream": (asked("qwen3-32b"), TEXT, {}, 400),
    "thinking in a stream that repeats": (
        asked(enable_thinking=True, incremental_output=False), TEXT, {"SSE": "enable"}, 400,
    ),
    "tools in pieces": (
        asked("qwen2-72b-instruct", tools=TOOLS, result_format="message", incremental_output=True),
        TEXT, {"SSE": "enable"}, 400,
    ),
    "the other path": (asked("qwen-vl-max"), TEXT, {}, 400),
    "text at the path of images": (asked(), MULTIMODAL, {}, 400),
    "messages for a prompt": (asked("dolly-12b-v2"), TEXT, {}, 400),
    "a task": (asked(), TEXT, {"Async": "enable"}, 403),
    "an image without a task": (
        {"model": "wanx-v1", "input": {"prompt": "猫"}}, "/services/aigc/text2image/image-synthesis", {}, 403,
    ),
    "a wrong size": (
        {"model": "wanx-v1", "input": {"prompt": "猫"}, "parameters": {"size": "1024x1024"}},
        "/services/aigc/text2image/image-synthesis", {"Async": "enable"}, 400,
    ),
    "too many texts": (
        {"model": "text-embedding-v4", "input": {"texts": ["x"] * 11}},
        "/services/embeddings/text-embedding/text-embedding", {}, 400,
    ),
    "no tokenizer": ({"model": "qwen3-max", "input": {"prompt": "x"}}, "/tokenizer", {}, 400),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
async def test_what_is_refused(native: Native, name: str) -> None:
    body, path, headers, status = REFUSED[name]
    got, _, answer = await native.send(body, path, **headers)
    assert got == status
    assert '"code":"' in answer


@pytest.mark.parametrize("content", [None, 7, [{"type": "text", "text": "x"}], [{"image": PNG}]])
async def test_contents_that_the_text_path_refuses(native: Native, content: Any) -> None:
    body = {"model": "qwen-plus", "input": {"messages": [{"role": "user", "content": content}]}}
    assert (await native.send(body))[0] == 400


async def test_a_wrong_key_is_refused(native: Native) -> None:
    native.key = "sk-other"
    status, _, body = await native.send(asked())
    assert (status, json.loads(body)["code"]) == (401, "InvalidApiKey")


async def test_a_task_that_waits_can_be_cancelled(native: Native) -> None:
    path = "/services/aigc/text2image/image-synthesis"
    _, _, body = await native.send({"model": "wanx-v1", "input": {"prompt": "猫"}}, path, Async="enable")
    id_ = json.loads(body)["output"]["task_id"]
    assert (await native.send(b"", f"/tasks/{id_}/cancel"))[0] == 200
    url = f"{native.simulator.url}/dashscope/api/v1/tasks/{id_}"
    async with native.http.get(url, headers={"Authorization": f"Bearer {native.key}"}) as r:
        assert (await r.json())["output"]["task_status"] == "CANCELED"
    assert (await native.send(b"", f"/tasks/{id_}/cancel"))[0] == 400
