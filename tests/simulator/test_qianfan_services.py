"""The services of Qianfan beside the chat, on the wire: what they refuse, and in which form they answer."""

from __future__ import annotations

import base64
from typing import Any

import aiohttp
import pytest

from duihua.simulator import Simulator
from duihua.simulator.drawing import png

from .conftest import V1, V2

IMAGE = base64.b64encode(png("x")).decode()
U = {"role": "user", "content": "你好"}


async def post(v1: V1, path: str, body: Any) -> dict[str, Any]:
    url = v1.url().removesuffix("/chat/completions") + path
    async with v1.http.post(url, params={"access_token": v1.token}, json=body) as r:
        assert r.status == 200
        return await r.json()


REFUSED: dict[str, tuple[str, Any, int]] = {
    "no prompt": ("/completions/sqlcoder_7b", {}, 336001),
    "messages for a completion": ("/completions/sqlcoder_7b", {"prompt": "x", "messages": [U]}, 336003),
    "temperature 0": ("/completions/sqlcoder_7b", {"prompt": "x", "temperature": 0}, 336003),
    "unknown completion": ("/completions/nothing", {"prompt": "x"}, 3),
    "no list": ("/embeddings/embedding-v1", {"input": "x"}, 336001),
    "an empty list": ("/embeddings/embedding-v1", {"input": []}, 336003),
    "an empty text": ("/embeddings/embedding-v1", {"input": [""]}, 336003),
    "a number": ("/embeddings/embedding-v1", {"input": [1]}, 336003),
    "a model in the body": ("/embeddings/embedding-v1", {"input": ["x"], "model": "m"}, 336003),
    "seventeen texts": ("/embeddings/bge_large_zh", {"input": ["x"] * 17}, 336003),
    "two long texts": ("/embeddings/tao_8k", {"input": ["x", "x"]}, 336003),
    "too many characters": ("/embeddings/bge_large_en", {"input": ["x" * 2001]}, 336003),
    "too many tokens": ("/embeddings/embedding-v1", {"input": ["字" * 800]}, 336003),
    "no picture's prompt": ("/text2image/sd_xl", {"n": 1}, 336001),
    "a long picture's prompt": ("/text2image/sd_xl", {"prompt": "x" * 1025}, 336003),
    "a long negative prompt": ("/text2image/sd_xl", {"prompt": "x", "negative_prompt": "x" * 1025}, 336003),
    "n 5": ("/text2image/sd_xl", {"prompt": "x", "n": 5}, 336003),
    "steps 9": ("/text2image/sd_xl", {"prompt": "x", "steps": 9}, 336003),
    "cfg_scale 31": ("/text2image/sd_xl", {"prompt": "x", "cfg_scale": 31}, 336003),
    "seed -1": ("/text2image/sd_xl", {"prompt": "x", "seed": -1}, 336003),
    "a stream of pictures": ("/text2image/sd_xl", {"prompt": "x", "stream": True}, 336003),
    "no image": ("/image2text/fuyu_8b", {"prompt": "x"}, 336001),
    "an image with a head": (
        "/image2text/fuyu_8b",
        {"prompt": "x", "image": f"data:image/png;base64,{IMAGE}"},
        336003,
    ),
    "an image of nothing": ("/image2text/fuyu_8b", {"prompt": "x", "image": "eHh4"}, 336003),
    "nothing to count": ("/tokenizer/erniebot", {"model": "ernie-3.5-8k"}, 336001),
    "a field of the counter": ("/tokenizer/erniebot", {"prompt": "x", "text": "x"}, 336003),
    "plugins without a list": ("/erniebot/plugin", {"messages": [U]}, 336001),
    "four plugins": ("/erniebot/plugin", {"messages": [U], "plugins": ["eChart"] * 4}, 336003),
    "an even count": ("/erniebot/plugin", {"messages": [U, U], "plugins": ["eChart"]}, 336006),
    "a system text": ("/erniebot/plugin", {"messages": [U], "plugins": ["eChart"], "system": "x"}, 336003),
    "no query": ("/plugin/duihua_plugin/", {"messages": [U]}, 336001),
    "an empty query": ("/plugin/duihua_plugin/", {"query": " "}, 336003),
    "an unknown id": ("/plugin/nothing/", {"query": "x"}, 336005),
    "an llm out of range": ("/plugin/duihua_plugin/", {"query": "x", "llm": {"temperature": 2}}, 336003),
    "a broken history": ("/plugin/duihua_plugin/", {"query": "x", "history": [U]}, 336006),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_refuses(v1: V1, name: str) -> None:
    path, body, code = REFUSED[name]
    answer = await post(v1, path, body)
    assert (answer["error_code"], bool(answer["error_msg"])) == (code, True)
    assert v1.simulator.requests[-1].outcome == str(code)


@pytest.mark.parametrize(
    "path", ["/completions/sqlcoder_7b", "/embeddings/embedding-v1", "/text2image/sd_xl", "/plugin/x/"]
)
async def test_nobody_comes_in_without_a_token(v1: V1, path: str) -> None:
    v1.token = "wrong"
    assert (await post(v1, path, {}))["error_code"] == 110


async def test_the_forms_of_answers(v1: V1) -> None:
    done = await post(v1, "/completions/sqlcoder_7b", {"prompt": "hi"})
    assert (done["object"], done["is_safe"]) == ("completion", 1)
    found = await post(v1, "/embeddings/embedding-v1", {"input": ["a", "b"]})
    assert found["object"] == "embedding_list"
    assert [(d["object"], d["index"], len(d["embedding"])) for d in found["data"]] == [
        ("embedding", 0, 384),
        ("embedding", 1, 384),
    ]
    drawn = await post(v1, "/text2image/sd_xl", {"prompt": "cat", "n": 2})
    assert [d["index"] for d in drawn["data"]] == [1, 2]
    assert base64.b64decode(drawn["data"][0]["b64_image"]) == png("cat")
    own = await post(
        v1, "/erniebot/plugin", {"messages": [{**U, "content": "a chart"}], "plugins": ["eChart"]}
    )
    assert [i["api_id"] for i in own["plugin_info"]] == ["eChart"]
    assert [p["name"] for p in own["usage"]["plugins"]] == ["eChart"]
    other = await post(v1, "/plugin/duihua_plugin/", {"query": "x", "verbose": True})
    assert isinstance(other["log_id"], int)
    assert other["meta_info"]["request"] == {"query": "x"}


async def test_a_plugins_stream_names_its_events(v1: V1) -> None:
    url = v1.url().removesuffix("/chat/completions") + "/erniebot/plugin"
    body = {"messages": [{**U, "content": "a chart"}], "plugins": ["eChart"], "stream": True}
    async with v1.http.post(url, params={"access_token": v1.token}, json=body) as r:
        events = [e.splitlines()[0] for e in (await r.text()).split("\n\n") if e]
    assert events[:2] == ["event: pluginMeta", "event: plugin"]
    assert set(events[2:]) == {"event: chat"}


async def test_old_questions_are_forgotten_by_the_plugins(v1: V1) -> None:
    old = [{**U, "content": "我叫小明" + "x" * 4000}, {"role": "assistant", "content": "好的" * 400}]
    asked = {"messages": [*old, {**U, "content": "我叫什么名字?"}], "plugins": ["eChart"]}
    assert "小明" not in (await post(v1, "/erniebot/plugin", asked))["result"]


@pytest.mark.parametrize("wanted", [None, "chat", "embeddings", "text2image"])
async def test_lists_the_kinds_that_are_wanted(
    simulator: Simulator, http: aiohttp.ClientSession, wanted: str | None
) -> None:
    from duihua.providers.signing import authorization, utc_date

    from .conftest import NOON

    keys, url = simulator.keys, f"{simulator.url}/wenxinworkshop/service/list"
    headers = {"Host": f"127.0.0.1:{simulator.port}", "x-bce-date": utc_date(NOON.timestamp())}
    pair = keys.access_key_id, keys.access_key_secret
    headers["Authorization"] = authorization(*pair, "POST", "/wenxinworkshop/service/list", headers, {})
    body = {"apiTypefilter": [wanted]} if wanted else {}
    async with http.post(url, json=body, headers=headers) as r:
        result = (await r.json())["result"]
    kinds = {s["apiType"] for group in result.values() for s in group}
    assert kinds == (
        {wanted} if wanted else {"chat", "completions", "embeddings", "text2image", "image2text"}
    )


# ---------------------------------------------------------------- the second wire

REFUSED_V2: dict[str, tuple[str, Any, int, str]] = {
    "no model": ("/embeddings", {"input": ["x"]}, 400, "invalid_model"),
    "a chat model": ("/embeddings", {"model": "ernie-3.5-8k", "input": ["x"]}, 401, "invalid_model"),
    "no input": ("/embeddings", {"model": "embedding-v1"}, 400, "invalid_argument"),
    "an empty text": ("/embeddings", {"model": "embedding-v1", "input": [""]}, 400, "invalid_argument"),
    "seventeen": ("/embeddings", {"model": "bge-large-zh", "input": ["x"] * 17}, 400, "invalid_argument"),
    "base64": (
        "/embeddings",
        {"model": "tao-8k", "input": "x", "encoding_format": "base64"},
        400,
        "invalid_argument",
    ),
    "no prompt": ("/images/generations", {"model": "irag-1.0"}, 400, "invalid_image_generation_prompt"),
    "a long prompt": (
        "/images/generations",
        {"model": "irag-1.0", "prompt": "x" * 221},
        400,
        "invalid_image_generation_prompt",
    ),
    "n 0": ("/images/generations", {"model": "irag-1.0", "prompt": "x", "n": 0}, 400, "invalid_argument"),
    "a small size": (
        "/images/generations",
        {"model": "irag-1.0", "prompt": "x", "size": "511x512"},
        400,
        "invalid_argument",
    ),
    "another's field": (
        "/images/generations",
        {"model": "flux.1-schnell", "prompt": "x", "refer_image": "http://x"},
        400,
        "invalid_argument",
    ),
    "no object": ("/images/generations", [], 400, "malformed_json"),
}


@pytest.mark.parametrize("name", REFUSED_V2)
async def test_the_second_wire_refuses(v2: V2, name: str) -> None:
    path, body, status, code = REFUSED_V2[name]
    async with v2.http.post(v2.simulator.qianfan_v2_url + path, json=body, headers=v2.headers) as r:
        assert (r.status, (await r.json())["error"]["code"]) == (status, code)


@pytest.mark.parametrize("path", ["/embeddings", "/images/generations"])
async def test_the_second_wire_asks_for_a_key_and_a_post(v2: V2, path: str) -> None:
    url = v2.simulator.qianfan_v2_url + path
    async with v2.http.post(url, json={}) as r:
        assert (r.status, (await r.json())["error"]["code"]) == (401, "invalid_iam_token")
    async with v2.http.get(url, headers=v2.headers) as r:
        assert (r.status, (await r.json())["error"]["code"]) == (405, "method_not_supported")
