"""Which platforms there are, what they need, which models they have."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Literal

import httpx
from pydantic import SecretStr

from duihua.config import Settings
from duihua.errors import ConfigError, MissingKey
from duihua.ports import Delta, Dialect, Limiter, Limits, Provider, Request
from duihua.providers import http, qianfan_faults, qianfan_models, qianfan_v2_models
from duihua.providers.qianfan import Qianfan
from duihua.providers.qianfan_auth import AccessToken, Auth, BearerKey, KeyPair, MintedBearer
from duihua.providers.qianfan_v2 import QianfanV2
from duihua.providers.retry import Retry

IAM = "https://iam.bj.baidubce.com"


@dataclass(frozen=True, slots=True)
class Wiring:
    """What a platform's client is made with."""

    settings: Settings
    client: httpx.AsyncClient
    limiter: Limiter | None
    retry: Retry


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """One line of `duihua models`."""

    name: str
    functions: Literal["native", "text", "none"]
    soft: Limits
    hard: Limits
    path: str = ""


class Connected:
    """A provider together with the client that was made for it: closing one closes both."""

    def __init__(self, provider: Provider, client: httpx.AsyncClient) -> None:
        self._provider, self._client = provider, client
        self.name = provider.name

    def dialect(self, model: str) -> Dialect:
        """The dialect of a model."""
        return self._provider.dialect(model)

    def stream(self, request: Request) -> AsyncIterator[Delta]:
        """One answer."""
        return self._provider.stream(request)

    async def aclose(self) -> None:
        """Closes provider and client."""
        await self._provider.aclose()
        await self._client.aclose()
