"""Qianfan's two wires as platforms: which keys they take, where they are, which models they have."""

from __future__ import annotations

import httpx

from duihua.config import Settings
from duihua.ports import Provider
from duihua.providers import qianfan_faults, qianfan_models, qianfan_v2_models
from duihua.providers.auth import Auth, BearerKey
from duihua.providers.exchange import Line
from duihua.providers.platform import ModelInfo, Platform, checked_url
from duihua.providers.qianfan import Qianfan
from duihua.providers.qianfan_auth import AccessToken, KeyPair, MintedBearer
from duihua.providers.qianfan_v2 import QianfanV2

IAM = "https://iam.bj.baidubce.com"
CONSOLE = "https://qianfan.baidubce.com"
PAIR = ("QIANFAN_ACCESS_KEY_ID", "QIANFAN_ACCESS_KEY_SECRET")


def _v1(settings: Settings, transport: httpx.AsyncBaseTransport, line: Line) -> Provider:
    base = checked_url("QIANFAN_BASE_URL", settings.qianfan_base_url)
    keys = _keys(settings)
    auth: Auth | None = keys
    if settings.qianfan_api_key and settings.qianfan_secret_key:
        pair = settings.qianfan_api_key, settings.qianfan_secret_key
        auth = AccessToken(transport, base, *pair, qianfan_faults.V1)
    if auth is None:
        raise V1.missing(settings)
    return Qianfan(transport, auth, base_url=base, keys=keys, list_url=_beside(base, CONSOLE), line=line)


def _v2(settings: Settings, transport: httpx.AsyncBaseTransport, line: Line) -> Provider:
    base = checked_url("QIANFAN_V2_BASE_URL", settings.qianfan_v2_base_url)
    auth: Auth
    if settings.qianfan_bearer_token:
        auth = BearerKey(settings.qianfan_bearer_token)
    elif keys := _keys(settings):
        auth = MintedBearer(transport, _beside(base, IAM), keys, qianfan_faults.V2)
    else:
        raise V2.missing(settings)
    return QianfanV2(transport, auth, base_url=base, line=line)


def _v1_models(settings: Settings) -> list[ModelInfo]:
    return [
        ModelInfo(f"qianfan/{m.name}", m.family.functions, m.soft, m.hard, m.suffix)
        for m in qianfan_models.MODELS
    ]


def _v2_models(settings: Settings) -> list[ModelInfo]:
    return [ModelInfo(f"qianfan-v2/{m.name}", m.functions, m.soft, m.hard) for m in qianfan_v2_models.MODELS]


V1 = Platform(
    "qianfan",
    "QIANFAN",
    (("QIANFAN_API_KEY", "QIANFAN_SECRET_KEY"), PAIR),
    _v1,
    _v1_models,
    client=Qianfan,
)
V2 = Platform("qianfan-v2", "QIANFAN", (("QIANFAN_BEARER_TOKEN",), PAIR), _v2, _v2_models, client=QianfanV2)


def _keys(settings: Settings) -> KeyPair | None:
    access, secret = settings.qianfan_access_key_id, settings.qianfan_access_key_secret
    return KeyPair(access, secret) if access and secret else None


def _beside(base: str, usual: str) -> str:
    """Scheme and host of a platform's other services: at a gateway or simulator, the gateway's own."""
    url = httpx.URL(base)
    if url.host.endswith(".baidubce.com"):
        return usual
    return f"{url.scheme}://{url.netloc.decode()}"
