"""What Qianfan can do beyond chat, both wires, against the simulator."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from duihua.abilities import Completes, CountsTokens, Draws, Embeds, ListsModels
from duihua.config import Settings
from duihua.errors import ProviderError, UnsupportedInput
from duihua.messages import Attachment, Text, Turn, TurnRef
from duihua.providers import registry
from duihua.providers.http import Transport
from duihua.providers.qianfan_services import SECOND_ONLY, SERVICES, find
from duihua.providers.retry import Retry
from duihua.simulator import Simulator
from duihua.simulator import qianfan_services as served
from duihua.simulator import qianfan_v2_services as served_v2
from duihua.simulator.drawing import SIGNATURE
from duihua.simulator.vectors import nearness
from tests.providers.conftest import ask, collect, text

EMBED = "qianfan /rpc/2.0/ai_custom/v1/wenxinworkshop/embeddings"
Both = dict[str, Any]
LIST = "qianfan /wenxinworkshop/service/list"


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator() as simulator:
        yield simulator


@pytest.fixture
def v1(simulator: Simulator, transport: Transport, retry: Retry) -> Any:
    return made("qianfan", simulator.settings(), transport, retry)


@pytest.fixture
def signed(simulator: Simulator, transport: Transport, retry: Retry) -> Any:
    return made("qianfan", simulator.signing_settings(), transport, retry)


@pytest.fixture
def v2(simulator: Simulator, transport: Transport, retry: Retry) -> Any:
    return made("qianfan-v2", simulator.settings(), transport, retry)


@pytest.fixture
def both(v1: Any, v2: Any) -> Both:
    return {"v1": v1, "v2": v2}


def made(name: str, values: dict[str, str], transport: Transport, retry: Retry) -> Any:
    settings = Settings.load(None).replaced(values)
    return registry.create(name, settings, transport=transport, retry=retry)


def soon(seconds: float = 20) -> float:
    return asyncio.get_running_loop().time() + seconds


async def test_both_wires_have_what_their_methods_say(v1: Any, v2: Any) -> None:
    def able(provider: Any) -> list[bool]:
        return [isinstance(provider, a) for a in (Completes, Embeds, Draws, CountsTokens, ListsModels)]

    assert able(v1) == [True] * 5
    assert able(v2) == [False, True, True, False, True]


def test_both_tables_of_services_agree() -> None:
    """Two tables, written apart from each other."""
    assert {s.suffix for s in SERVICES} == {f"/{s.kind}/{s.suffix}" for s in served.SERVICES.values()}
    for service in SERVICES:
        real = served.SERVICES[tuple(service.suffix.lstrip("/").split("/"))]  # type: ignore[index]
        assert service.name == real.name.lower()
        assert service.rows == real.rows
        for mine, theirs in zip(
            (service.limits.characters, service.limits.tokens), (real.characters, real.tokens), strict=True
        ):
            assert mine in (None, theirs)
        if service.second and service.kind == "embed":
            second = served_v2.EMBEDDERS[service.name]
            assert (second.rows, second.characters, second.tokens) == (
                service.rows,
                service.limits.characters,
                service.limits.tokens,
            )
    assert {s.name: s.limits.characters for s in SECOND_ONLY} == served_v2.PAINTERS


@pytest.mark.parametrize("name", ["BGE-Large-ZH", "bge_large_zh", "embeddings/bge_large_zh"])
def test_services_have_the_names_of_their_paths_too(name: str) -> None:
    assert find("embed", name).name == "bge-large-zh"


def test_an_unknown_service_is_ones_own() -> None:
    assert find("embed", "My-Vectors").suffix == "/embeddings/my-vectors"
    assert find("draw", "text2image/mine").suffix == "/text2image/mine"


# ---------------------------------------------------------------- embeddings


@pytest.mark.parametrize(
    ("model", "requests", "size"), [("", 2, 384), ("bge-large-zh", 2, 1024), ("tao-8k", 20, 1024)]
)
async def test_many_texts_are_embedded_in_order(
    v1: Any, simulator: Simulator, model: str, requests: int, size: int
) -> None:
    texts = [f"第{i}句话" for i in range(20)]
    found = await v1.embed(model or v1.usual["embed"], texts, deadline=soon())
    assert [len(v) for v in found.vectors] == [size] * 20
    assert sum(n for path, n in simulator.counts.items() if path.startswith(EMBED)) == requests
    alone = await v1.embed(found.model, [texts[7]], deadline=soon())
    assert found.vectors[7] == alone.vectors[0]
    assert found.usage.input > alone.usage.input > 0


@pytest.mark.parametrize("wire", ["v1", "v2"])
async def test_near_texts_have_near_vectors(wire: str, both: Both) -> None:
    provider = both[wire]
    texts = ["北京今天的天气", "北京明天的天气", "怎么做红烧肉"]
    one, near, far = (await provider.embed("embedding-v1", texts, deadline=soon())).vectors
    assert nearness(list(one), list(near)) > nearness(list(one), list(far))


@pytest.mark.parametrize("wire", ["v1", "v2"])
async def test_no_texts_need_no_request(wire: str, both: Both, simulator: Simulator) -> None:
    assert (await both[wire].embed("tao-8k", [], deadline=soon())).vectors == ()
    assert simulator.counts == {}


@pytest.mark.parametrize(
    ("wire", "texts", "category", "code"),
    [
        ("v1", ["x" * 1001], "bad_request", "336003"),
        ("v1", ["好" * 999], "bad_request", "336003"),
        ("v1", ["a", ""], "bad_request", "336003"),
        ("v2", ["x" * 1001], "context_too_long", "characters_too_long"),
        ("v2", ["好" * 999], "context_too_long", "tokens_too_long"),
        ("v2", [""], "bad_request", "invalid_argument"),
    ],
)
async def test_what_the_platform_refuses_is_told(
    both: Both, wire: str, texts: list[str], category: str, code: str
) -> None:
    with pytest.raises(ProviderError) as caught:
        await both[wire].embed("embedding-v1", texts, deadline=soon())
    assert (caught.value.category, caught.value.vendor_code) == (category, code)


# ---------------------------------------------------------------- pictures


async def test_pictures_come_with_the_answer(v1: Any, simulator: Simulator) -> None:
    options = {"n": 2, "size": "768x1024", "steps": 20}
    drawing = await v1.draw(v1.usual["draw"], "一只猫", options=options, deadline=soon())
    assert [p.mime for p in drawing.pictures] == ["image/png"] * 2
    assert all(p.data.startswith(SIGNATURE) for p in drawing.pictures)
    assert drawing.pictures[0] != drawing.pictures[1]
    assert drawing.request_id.startswith("as-")
    assert simulator.requests[-1].body == {"prompt": "一只猫", **options}


async def test_pictures_of_the_second_wire_are_kept_there(v2: Any) -> None:
    drawing = await v2.draw(v2.usual["draw"], "一只猫", options={"n": 2}, deadline=soon())
    one, two = (p.url for p in drawing.pictures)
    async with httpx.AsyncClient() as client:
        assert (await client.get(one)).content.startswith(SIGNATURE)
        assert (await client.get(one)).content != (await client.get(two)).content


@pytest.mark.parametrize("wire", ["v1", "v2"])
@pytest.mark.parametrize(("fault", "requests"), [("cut", 1), ("ratelimit", 2)])
async def test_what_may_have_been_drawn_is_not_drawn_again(
    both: Both, simulator: Simulator, wire: str, fault: str, requests: int
) -> None:
    provider = both[wire]
    drawn = provider.draw(provider.usual["draw"], f"一只猫 !{fault}", options={}, deadline=soon())
    if fault == "cut":
        with pytest.raises(ProviderError):
            await drawn
    else:
        assert (await drawn).pictures
    assert len([r for r in simulator.requests if r.model]) == requests


@pytest.mark.parametrize(
    ("wire", "options", "code"),
    [
        ("v1", {"n": 5}, "336003"),
        ("v1", {"size": "1x1"}, "336003"),
        ("v2", {"size": "1x1"}, "invalid_argument"),
        ("v2", {"steps": 5}, "invalid_argument"),
    ],
)
async def test_wrong_options_of_pictures_are_told(
    both: Both, wire: str, options: dict[str, Any], code: str
) -> None:
    provider = both[wire]
    with pytest.raises(ProviderError) as caught:
        await provider.draw(provider.usual["draw"], "x", options=options, deadline=soon())
    assert (caught.value.category, caught.value.vendor_code) == ("bad_request", code)


async def test_options_that_are_no_json_are_told(v1: Any, simulator: Simulator) -> None:
    with pytest.raises(ProviderError, match="no JSON value"):
        await v1.draw("stable-diffusion-xl", "x", options={"size": object()}, deadline=soon())
    assert simulator.counts == {}


# ---------------------------------------------------------------- completions and counts


@pytest.mark.parametrize(
    ("model", "path", "field"),
    [
        ("sqlcoder-7b", "/completions/sqlcoder_7b", "prompt"),
        ("CodeLlama-7b-Instruct", "/completions/codellama_7b_instruct", "prompt"),
        ("ernie_speed", "/chat/ernie_speed", "messages"),
        ("ernie-3.5-8k", "/chat/completions", "messages"),
    ],
)
async def test_texts_are_completed(v1: Any, simulator: Simulator, model: str, path: str, field: str) -> None:
    done = await v1.complete(model, "select 1 from", options={"temperature": 0.5}, deadline=soon())
    assert "select 1 from" in done.text
    assert (done.finish, done.usage.input > 0, done.usage.output > 0) == ("stop", True, True)
    seen = simulator.requests[-1]
    assert seen.path.endswith(path)
    assert seen.body.keys() == {field, "temperature"}


async def test_an_image_in_a_message_is_seen(v2: Any) -> None:
    dialect = v2.dialect("ernie-4.5-turbo-vl-32k")
    cat = Attachment("c", "image", "image/png", SIGNATURE, "cat.png")
    turn = Turn(TurnRef(1, 1), 0, input=(cat.part, Text("这是什么?")), state="running")
    packed = dialect.pack("", (turn,), images={"c": cat})
    assert "[image png 8]" in text(await collect(v2.stream(ask("ernie-4.5-turbo-vl-32k", *packed.messages))))
    with pytest.raises(UnsupportedInput):
        v2.dialect("ernie-4.5-turbo-128k").admit("", turn.input)


async def test_a_picture_is_described(v1: Any) -> None:
    drawing = await v1.draw("stable-diffusion-xl", "一只猫", options={}, deadline=soon())
    image = base64.b64encode(drawing.pictures[0].data).decode()
    done = await v1.complete("fuyu-8b", "这是什么", options={"image": image}, deadline=soon())
    assert f"[image png {len(drawing.pictures[0].data)}]" in done.text


@pytest.mark.parametrize("model", ["sqlcoder-7b", "ernie-3.5-8k"])
async def test_a_flagged_prompt_is_told(v1: Any, model: str) -> None:
    done = await v1.complete(model, "x !flag", options={}, deadline=soon())
    assert done.finish == "flagged"


async def test_a_completion_that_was_cut_short_is_told(v1: Any) -> None:
    done = await v1.complete("ernie-3.5-8k", "!long 500", options={"max_output_tokens": 5}, deadline=soon())
    assert done.finish == "length"


async def test_tokens_are_counted_by_the_platform(v1: Any, simulator: Simulator) -> None:
    assert await v1.count_tokens("ERNIE-Bot", "北京天气 today", deadline=soon()) == 3
    assert simulator.requests[-1].body == {"prompt": "北京天气 today", "model": "ernie-3.5-8k"}
    assert await v1.count_tokens("ernie-3.5-8k", "", deadline=soon()) == 0


@pytest.mark.parametrize("fault", ["expire", "ratelimit", "overload", "cut"])
async def test_calls_get_over_what_passes(v1: Any, simulator: Simulator, fault: str) -> None:
    done = await v1.complete("sqlcoder-7b", f"x !{fault}", options={}, deadline=soon())
    assert done.finish == "stop"
    tokens = simulator.counts["qianfan /oauth/2.0/token"]
    assert tokens == (2 if fault == "expire" else 1)


async def test_a_service_that_does_not_exist_is_told(v1: Any, signed: Any, simulator: Simulator) -> None:
    for provider, looked in ((v1, 0), (signed, 1)):
        with pytest.raises(ProviderError) as caught:
            await provider.embed("nothing-v9", ["x"], deadline=soon())
        assert (caught.value.category, caught.value.vendor_code) == ("not_found", "3")
        assert simulator.counts.get(LIST, 0) == looked


# ---------------------------------------------------------------- lists


async def test_the_first_wire_lists_its_services(signed: Any) -> None:
    listed = {m.name: m.family for m in await signed.list_models(deadline=soon())}
    assert listed["ernie-3.5-8k"] == "ernie"
    assert listed["stable-diffusion-xl"] == "stable-diffusion"
    assert {"embedding-v1", "sqlcoder-7b", "my-service"} <= listed.keys()


async def test_a_list_says_where_services_are_from_now_on(signed: Any, simulator: Simulator) -> None:
    await signed.list_models(deadline=soon())
    custom = await collect(signed.stream(ask("my-service")))
    assert text(custom)
    assert simulator.requests[-1].path.endswith("/chat/duihua_custom")


async def test_without_an_access_key_pair_no_list_is_asked_for(v1: Any, simulator: Simulator) -> None:
    with pytest.raises(ProviderError) as caught:
        await v1.list_models(deadline=soon())
    assert caught.value.category == "auth"
    assert "QIANFAN_ACCESS_KEY_ID and QIANFAN_ACCESS_KEY_SECRET" in caught.value.message
    assert simulator.counts == {}


async def test_the_second_wire_lists_its_models(v2: Any) -> None:
    listed = [m.name for m in await v2.list_models(deadline=soon())]
    assert {"ernie-4.0-turbo-8k", "embedding-v1", "irag-1.0"} <= set(listed)


def test_the_table_of_models_tells_what_each_can_do() -> None:
    rows = {row.name: row for row in registry.models(Settings.load(None))}
    assert rows["qianfan/stable-diffusion-xl"].abilities == {"draw"}
    assert rows["qianfan/stable-diffusion-xl"].functions == "none"
    assert rows["qianfan-v2/irag-1.0"].abilities == {"draw"}
    assert rows["qianfan/ernie-3.5-8k"].abilities == {"chat", "complete", "count_tokens"}
    assert "thinking" in rows["qianfan-v2/deepseek-r1"].abilities
    assert rows["qianfan/llama-2-7b-chat"].family == "llama"
