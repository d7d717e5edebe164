"""What Qianfan offers beyond chat: embeddings, pictures, completions; where each is reached, its limits.

Names are looked up like those of chat models, without regard to case, also by the last part of the path. Any
other name is taken as the path of a service of one's own, of the kind that is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from duihua.ports import Limits
from duihua.providers.qianfan_models import UNKNOWN

Kind = Literal["complete", "embed", "draw"]
_FOLDERS: Mapping[Kind, str] = {"complete": "completions", "embed": "embeddings", "draw": "text2image"}
_ROWS = 16


@dataclass(frozen=True, slots=True)
class Service:
    """One service. `suffix` follows the first wire's common path; `limits` are those of one text.

    `rows`: texts in one request; `second`: the second wire has it too, under the same name.
    """

    name: str
    kind: Kind
    suffix: str
    limits: Limits = UNKNOWN
    rows: int = 1
    second: bool = False


SERVICES: tuple[Service, ...] = (
    Service("embedding-v1", "embed", "/embeddings/embedding-v1", Limits(1_000, 384), _ROWS, second=True),
    Service("bge-large-zh", "embed", "/embeddings/bge_large_zh", Limits(2_000, 512), _ROWS, second=True),
    Service("bge-large-en", "embed", "/embeddings/bge_large_en", Limits(2_000, 512), _ROWS, second=True),
    Service("tao-8k", "embed", "/embeddings/tao_8k", Limits(28_000, 8_192), 1, second=True),
    Service("stable-diffusion-xl", "draw", "/text2image/sd_xl", Limits(1_024, None)),
    Service("sqlcoder-7b", "complete", "/completions/sqlcoder_7b"),
    Service("codellama-7b-instruct", "complete", "/completions/codellama_7b_instruct"),
    Service("fuyu-8b", "complete", "/image2text/fuyu_8b"),  # the picture is an option: `image`, in base64
)
SECOND_ONLY: tuple[Service, ...] = (
    Service("irag-1.0", "draw", "", Limits(220, None)),
    Service("flux.1-schnell", "draw", "", Limits(512, None)),
)
"""Services that only the second wire has."""


def known(kind: Kind, name: str) -> Service | None:
    """A service by its name or its path, None if there is no such."""
    key = name.strip().lower().strip("/")
    for service in (*SERVICES, *SECOND_ONLY):
        path = service.suffix.lstrip("/")
        if service.kind == kind and key in (service.name, path, path.rpartition("/")[2] or None):
            return service
    return None


def find(kind: Kind, name: str) -> Service:
    """The service of a name; one that is not known is one's own, with the usual number of rows."""
    if service := known(kind, name):
        return service
    key = name.strip().lower().strip("/")
    path = key if "/" in key else f"{_FOLDERS[kind]}/{key}"
    return Service(key, kind, f"/{path}", rows=_ROWS)
