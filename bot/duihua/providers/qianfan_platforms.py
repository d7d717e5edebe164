"""Qianfan's two wires as platforms: which keys they take, where they are, which models they have."""

from __future__ import annotations

import httpx

from duihua.config import Settings
from duihua.ports import Provider
from duihua.providers import qianfan_faults, qianfan_models, qianfan_services, qianfan_v2_models
from duihua.providers.auth import Auth, BearerKey
from duihua.providers.exchange import Line
from duihua.providers.platform import ModelInfo, Platform, checked_url
from duihua.providers.qianfan import Qianfan
from duihua.providers.qianfan_auth import AccessToken, KeyPair, MintedBearer
from duihua.providers.qianfan_services import Service
from duihua.providers.qianfan_v2 import QianfanV2

IAM = "https://iam.bj.baidubce.com"
CONSOLE = "https://qianfan.baidubce.com"
_CHAT = frozenset({"chat", "complete"})
_COUNTED = _CHAT | {"count_tokens"}
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
    chat = [
        ModelInfo(
            f"qianfan/{m.name}",
            m.family.functions,
            m.soft,
            m.hard,
            m.suffix,
            qianfan_models.family_of(m.name),
            abilities=_COUNTED if m.name.startswith("ernie") else _CHAT,
        )
        for m in qianfan_models.MODELS
    ]
    return [*chat, *(_info("qianfan", s) for s in qianfan_services.SERVICES)]


def _v2_models(settings: Settings) -> list[ModelInfo]:
    chat = [
        ModelInfo(
            f"qianfan-v2/{m.name}",
            m.functions,
            m.soft,
            m.hard,
            family=qianfan_models.family_of(m.name),
            abilities=_abilities(m),
        )
        for m in qianfan_v2_models.MODELS
    ]
    served = (*(s for s in qianfan_services.SERVICES if s.second), *qianfan_services.SECOND_ONLY)
    return [*chat, *(_info("qianfan-v2", s, path=False) for s in served)]


def _abilities(model: qianfan_v2_models.Model) -> frozenset[str]:
    has = {"thinking": model.name in qianfan_v2_models.THINKING, "images": model.sees}
    return frozenset({"chat", *(name for name, there in has.items() if there)})


def _info(platform: str, service: Service, *, path: bool = True) -> ModelInfo:
    return ModelInfo(
        f"{platform}/{service.name}",
        "none",
        service.limits,
        service.limits,
        service.suffix if path else "",
        qianfan_models.family_of(service.name),
        abilities=frozenset({service.kind}),
    )


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
