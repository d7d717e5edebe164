from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from duihua.config import Settings
from duihua.errors import ConfigError, InputTooLong, InvalidOptions, MissingKey
from duihua.messages import Text
from duihua.options import ModelOptions
from duihua.ports import Limits, Provider
from duihua.providers import qianfan_models, qianfan_v2_models, registry
from duihua.providers.auth import BearerKey
from duihua.providers.qianfan import Qianfan
from duihua.providers.qianfan_auth import AccessToken, KeyPair, MintedBearer
from duihua.providers.qianfan_v2 import QianfanV2
from duihua.simulator import qianfan_models as served_v1
from duihua.simulator import qianfan_v2_models as served_v2

OAUTH = {"qianfan_api_key": "a", "qianfan_secret_key": "b"}
PAIR = {"qianfan_access_key_id": "c", "qianfan_access_key_secret": "d"}


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for way in (OAUTH, PAIR, {"qianfan_bearer_token": ""}):
        for name in way:
            monkeypatch.delenv(name.upper(), raising=False)


def settings(**values: Any) -> Settings:
    return Settings.load(None, **values)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("qianfan/ernie-3.5-8k", ("qianfan", "ernie-3.5-8k")),
        ("qianfan-v2/deepseek-v3", ("qianfan-v2", "deepseek-v3")),
        ("qianfan/chat/my_service", ("qianfan", "chat/my_service")),
        ("Qianfan/ERNIE-Bot ", ("qianfan", "ERNIE-Bot")),
    ],
)
def test_names_are_split(name: str, parts: tuple[str, str]) -> None:
    assert registry.split(name) == parts


@pytest.mark.parametrize("name", ["qianfan", "qianfan/", "qianfan/ "])
def test_a_platform_alone_is_no_model(name: str) -> None:
    with pytest.raises(ConfigError, match="provider/model"):
        registry.split(name)


@pytest.mark.parametrize("name", ["ernie-3.5-8k", "nowhere/x", "", "/x"])
def test_an_unknown_platform_lists_the_known(name: str) -> None:
    for use in (registry.split, lambda n: registry.create(n, settings())):
        with pytest.raises(ConfigError, match="qianfan, qianfan-v2"):
            use(name)


@pytest.mark.parametrize(
    ("name", "keys", "kind", "auth"),
    [
        ("qianfan", OAUTH, Qianfan, AccessToken),
        ("qianfan/ernie_speed", PAIR, Qianfan, KeyPair),
        ("qianfan", {**OAUTH, **PAIR}, Qianfan, AccessToken),
        ("qianfan-v2", {"qianfan_bearer_token": "t"}, QianfanV2, BearerKey),
        ("qianfan-v2/x", PAIR, QianfanV2, MintedBearer),
        ("qianfan-v2", {**PAIR, "qianfan_bearer_token": "t"}, QianfanV2, BearerKey),
    ],
)
async def test_the_settings_decide_how_to_prove_who_asks(
    name: str, keys: dict[str, str], kind: type[Any], auth: type[Any]
) -> None:
    provider: Provider = registry.create(name, settings(**keys))
    assert type(provider) is kind
    assert auth in {type(v) for v in vars(provider).values()}
    await provider.aclose()


@pytest.mark.parametrize(
    ("name", "keys", "wanted"),
    [
        ("qianfan", {}, "QIANFAN_API_KEY and QIANFAN_SECRET_KEY or QIANFAN_ACCESS_KEY_ID and"),
        ("qianfan", {"qianfan_api_key": "a"}, "set QIANFAN_SECRET_KEY in"),
        ("qianfan-v2", {}, "QIANFAN_BEARER_TOKEN or QIANFAN_ACCESS_KEY_ID and QIANFAN_ACCESS_KEY_SECRET"),
        ("qianfan-v2", {"qianfan_access_key_id": "c"}, "set QIANFAN_ACCESS_KEY_SECRET in"),
    ],
)
def test_a_missing_key_names_what_to_set(name: str, keys: dict[str, str], wanted: str) -> None:
    with pytest.raises(MissingKey) as caught:
        registry.create(name, settings(**keys))
    assert wanted in str(caught.value)


@pytest.mark.parametrize(
    "url", ["aip.baidubce.com", "ftp://h", "http://", "https://h/?a=b", "http://[", "x y"]
)
def test_a_wrong_base_url_names_its_setting(url: str) -> None:
    with pytest.raises(ConfigError, match="QIANFAN_BASE_URL"):
        registry.create("qianfan", settings(**OAUTH, qianfan_base_url=url))


async def test_a_gateway_serves_the_platforms_other_services_too() -> None:
    near = registry.create("qianfan", settings(**PAIR, qianfan_base_url="http://127.0.0.1:8000/"))
    far = registry.create("qianfan", settings(**PAIR))
    assert vars(near)["_list_url"] == "http://127.0.0.1:8000/wenxinworkshop/service/list"
    assert vars(far)["_list_url"] == "https://qianfan.baidubce.com/wenxinworkshop/service/list"


def test_models_are_listed_those_with_a_key_first() -> None:
    listed = registry.models(settings(qianfan_bearer_token="t"))
    assert listed[0].name.startswith("qianfan-v2/")
    by_name = {info.name: info for info in listed}
    assert by_name["qianfan/ernie-3.5-8k"].functions == "native"
    assert by_name["qianfan/ernie-3.5-8k"].path == "/chat/completions"
    assert len(by_name) == len(listed)
    for info in listed:
        assert registry.split(info.name)


# ---------------------------------------------------------------- the tables


def provider(name: str) -> Provider:
    return registry.create(name, settings(**OAUTH, **PAIR))


def test_the_smaller_limit_trims_and_the_larger_refuses() -> None:
    speed = provider("qianfan").dialect("ernie_speed")
    assert (speed.soft, speed.hard) == (Limits(11_200, 6_144), Limits(24_000, 6_144))
    speed.admit("", [Text("字" * 11_500)])
    with pytest.raises(InputTooLong):
        speed.admit("", [Text("字" * 24_001)])


@pytest.mark.parametrize(
    ("model", "functions"),
    [
        ("ernie-3.5-8k", "native"),
        ("ernie-4.0-8k", "native"),
        ("ernie_speed", "text"),
        ("ernie-lite-8k", "text"),
        ("llama_2_7b", "text"),
        ("anything", "text"),
    ],
)
def test_how_models_call_functions(model: str, functions: str) -> None:
    assert provider("qianfan").dialect(model).functions == functions


def test_unknown_models_have_the_smallest_limits_and_refuse_nothing_here() -> None:
    for name in ("qianfan", "qianfan-v2"):
        unknown = provider(name).dialect("my-service")
        assert (unknown.soft, unknown.hard) == (Limits(4_800, 2_048), Limits(None, None))
    smallest = [m.soft for m in qianfan_models.MODELS]
    assert min(s.characters or 10**9 for s in smallest) == 4_800
    assert min(s.tokens or 10**9 for s in smallest) == 2_048


def test_every_row_is_sound() -> None:
    names = [m.name for m in qianfan_models.MODELS]
    assert len(names) == len(set(names)) == 54
    assert len({m.suffix for m in qianfan_models.MODELS}) == 54
    for m in qianfan_models.MODELS:
        assert qianfan_models.find(m.name) is m
        assert qianfan_models.find(m.suffix) is m
        assert qianfan_models.is_path(m.suffix.lstrip("/"))
        assert (m.soft.characters or 0) <= (m.hard.characters or 0)
        assert provider("qianfan").dialect(m.name).name == f"qianfan/{m.name}"


def test_what_the_simulator_serves_lies_within_the_limits_of_the_tables() -> None:
    """Two tables, written apart from each other."""
    served = {m.suffix: m for m in served_v1.MODELS.values()}
    for m in qianfan_models.MODELS:
        if m.suffix == "/chat/ernie_bot_8k":  # retired
            continue
        real = served[m.suffix.rpartition("/")[2]]
        assert (m.family.functions == "native") == real.functions, m.name
        assert (m.soft.characters or 0) <= real.characters <= (m.hard.characters or 0), m.name
        assert (m.soft.tokens or 0) <= (real.tokens or 0) <= (m.hard.tokens or 0), m.name
        assert m.family.options | (m.family.extra or set()) <= real.fields, m.name
        assert m.family.takes_system == ("system" in real.fields), m.name


def test_what_the_simulator_serves_on_the_second_wire_is_known() -> None:
    known = {m.name: m for m in qianfan_v2_models.MODELS}
    for real in served_v2.MODELS.values():
        if real.name.startswith("ernie-lite-appbuilder"):  # no limits are documented
            continue
        m = known[real.name]
        assert (m.functions == "native") == real.tools, m.name
        assert (m.soft.tokens or 0) <= real.tokens <= (m.hard.tokens or 10**9), m.name
        assert (m.lacks, m.sees) == (real.refused, real.sees), m.name


@pytest.mark.parametrize("name", ["ernie-lite-8k", "ernie-char-8k", "ERNIE-Speed-8K"])
def test_names_of_the_second_wire_are_those_of_its_paths_too(name: str) -> None:
    assert provider("qianfan-v2").dialect(name).hard.characters


def test_tools_of_the_second_wire_are_those_documented() -> None:
    native = {m.name for m in qianfan_v2_models.MODELS if m.functions == "native"}
    assert native == qianfan_v2_models.TOOLS


@pytest.mark.parametrize(
    ("model", "good", "bad"),
    [
        ("ernie-3.5-8k", {"temperature": 1.0}, {"temperature": 0}),
        ("ernie-3.5-8k", {"response_format": "json_object"}, {"response_format": "yaml"}),
        ("ernie-3.5-8k", {"stop": ["a"]}, {"stop": ["a", "b", "c", "d", "e"]}),
        ("ernie_speed", {"frequency_penalty": -2}, {"frequency_penalty": 2.1}),
        ("ernie_speed", {"penalty_score": 1.5}, {"penalty_score": 0.5}),
        ("ernie_speed", {"extra": {"min_output_tokens": 5}}, {"extra": {"disable_search": True}}),
        ("ernie-speed-128k", {"max_output_tokens": 4096}, {"max_output_tokens": 4097}),
        ("ernie-3.5-8k", {"max_output_tokens": 2}, {"max_output_tokens": 2049}),
        ("ernie-3.5-8k", {"top_p": 0}, {"seed": 1}),
        ("llama_2_7b", {"top_p": 0.5}, {"max_output_tokens": 10}),
    ],
)
def test_options_are_checked_by_the_model(model: str, good: dict[str, Any], bad: dict[str, Any]) -> None:
    dialect = provider("qianfan").dialect(model)
    assert dialect.check(ModelOptions.parse(good))
    with pytest.raises(InvalidOptions):
        dialect.check(ModelOptions.parse(bad))


def test_options_of_the_second_wire_have_its_names() -> None:
    dialect = provider("qianfan-v2").dialect("ernie-3.5-8k")
    options = ModelOptions(max_output_tokens=5, thinking=True, response_format="json_object", seed=1)
    assert dialect.check(options) == {
        "max_tokens": 5,
        "enable_thinking": True,
        "response_format": {"type": "json_object"},
        "seed": 1,
    }
    with pytest.raises(InvalidOptions):
        provider("qianfan-v2").dialect("deepseek-v3").check(ModelOptions(penalty_score=1.5))


def test_listing_models_does_not_import_aiohttp() -> None:
    code = (
        "import sys\nfrom duihua.config import Settings\nfrom duihua.providers import registry\n"
        "registry.models(Settings.load(None))\nsys.exit('aiohttp' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
