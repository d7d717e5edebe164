"""What servers of OpenAI's wire differ in: one value for each kind of server.

What is not known here is found out: a parameter that a server refuses is left out from then on (see
`openai_compatible`), and `OPENAI_CONTEXT_LENGTH` says how much a model takes. Source: the documentation of
the servers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx

from duihua.abilities import Ability
from duihua.errors import ConfigError
from duihua.fragments import Functions, Images
from duihua.ports import Limits
from duihua.ranges import Range

MODERATE = 8_000
"""Tokens that history is trimmed to where nobody knows how much a model takes."""
MOST_ROOM = 16_384
"""Tokens that are left for an answer at most."""


@dataclass(frozen=True, slots=True)
class Profile:
    """One kind of server.

    Attributes:
        name: for OPENAI_PROFILE.
        hosts: the hosts, or ends of hosts, that are such a server.
        port: the port that nothing else uses, 0 for none.
        root: the path of the API where a base URL has none.
        length: what the limit of an answer's tokens is called.
        lacks: options of ours that the server refuses or ignores.
        counted: a stream may be asked for its count of tokens.
        warmest: the highest temperature.
        thinking: how reasoning is switched, None if it cannot be.
        forgetful: a model that reasons wants its reasoning back with the calls it made, which is not kept:
            with functions it must not reason.
        functions: how models call skills, until they refuse.
        images: how an image is sent to models that see.
        tokens: what history is trimmed to for models that are not in `context`.
        context: beginning of a model's name to the tokens it takes, answer included; the longest counts.
        usual: ability to model.
    """

    name: str
    hosts: tuple[str, ...] = ()
    port: int = 0
    root: str = "/v1"
    length: str = "max_tokens"
    lacks: frozenset[str] = frozenset({"penalty_score", "thinking"})
    counted: bool = True
    warmest: float = 2.0
    thinking: Range | None = None
    forgetful: bool = False
    functions: Functions = "native"
    images: Images = "data_url"
    tokens: int = MODERATE
    context: Mapping[str, int] = field(default_factory=dict[str, int], hash=False)
    usual: Mapping[Ability, str] = field(default_factory=dict[Ability, str], hash=False)

    def ranges(self) -> Mapping[str, Range]:
        """The options that the server takes, by our names."""
        found = {
            "temperature": Range("temperature", 0, self.warmest, clamp=True),
            "top_p": Range("top_p", 0, 1),
            "stop": Range("stop", 0, 4),
            "max_output_tokens": Range(self.length, 1),
            "frequency_penalty": Range("frequency_penalty", -2, 2),
            "presence_penalty": Range("presence_penalty", -2, 2),
            "seed": Range("seed"),
            "response_format": Range(
                "response_format", choices=("text", "json_object"), encode=lambda value: {"type": value}
            ),
            "n": Range("n", 1, 128),
        }
        if self.thinking:
            found["thinking"] = self.thinking
        return {name: value for name, value in found.items() if name not in self.lacks}

    def images_for(self, model: str) -> Images:
        """How a model takes images, by its name."""
        return self.images if _SEES.search(model.rpartition("/")[2].lower()) else "none"

    def limits(self, model: str, context: int | None) -> tuple[Limits, Limits]:
        """What a model's history is trimmed to, and what it takes at all; `context` is what settings say."""
        name = model.rpartition("/")[2].lower()
        known = max((begin for begin in self.context if name.startswith(begin)), key=len, default="")
        length = context or self.context.get(known)
        if length is None:
            return Limits(None, self.tokens), Limits(None, None)
        return Limits(None, length - min(length // 4, MOST_ROOM)), Limits(None, length)


_SEES = re.compile(
    r"vision|(?<![a-z])vl|vl(?![a-z])|[0-9]v(?![0-9])|4o|gpt-4\.1|gpt-[5-9]|^o[1-9]|llava|pixtral|gemma-?[34]"
    r"|qvq|omni|claude|gemini|kimi-k2\.[5-9]|llama-4"
)
"""Names of models that are known to see. An image that a model does not take would stay in its history."""


def _effort(name: str = "reasoning_effort") -> Range:
    return Range(name, 0, 1, encode=lambda on: "medium" if on else "none")


def _switch() -> Range:
    return Range("thinking", 0, 1, encode=lambda on: {"type": "enabled" if on else "disabled"})


def _template() -> Range:
    """Templates of models call it by either name."""
    return Range(
        "chat_template_kwargs", 0, 1, encode=lambda on: {"enable_thinking": bool(on), "thinking": bool(on)}
    )


_NO_PENALTY = frozenset({"penalty_score"})
_CUSTOMARY: Mapping[Ability, str] = {
    "embed": "text-embedding-3-small",
    "draw": "gpt-image-2",
    "transcribe": "whisper-1",
    "moderate": "omni-moderation-latest",
    "complete": "gpt-3.5-turbo-instruct",
}

OPENAI = Profile(
    "openai",
    hosts=("api.openai.com",),
    length="max_completion_tokens",
    lacks=_NO_PENALTY,
    thinking=_effort(),
    context={
        "gpt-3.5": 16_385,
        "gpt-4": 8_192,
        "gpt-4-32k": 32_768,
        "gpt-4-turbo": 128_000,
        "gpt-4-1106": 128_000,
        "gpt-4-0125": 128_000,
        "gpt-4o": 128_000,
        "gpt-4.1": 1_047_576,
        "chatgpt-4o": 128_000,
        "gpt-5": 272_000,  # of the input: the answer has room of its own
        "o1": 200_000,
        "o1-mini": 128_000,
        "o1-preview": 128_000,
        "o3": 200_000,
        "o4": 200_000,
    },
    usual={**_CUSTOMARY, "transcribe": "gpt-transcribe"},
)
DEEPSEEK = Profile(
    "deepseek",
    hosts=("api.deepseek.com",),
    root="",
    lacks=frozenset({"penalty_score", "seed", "n"}),
    thinking=_switch(),
    forgetful=True,
    images="none",
    context={"deepseek": 128_000, "deepseek-v4": 1_000_000},
)
MOONSHOT = Profile(
    "moonshot",
    hosts=("api.moonshot.cn", "api.moonshot.ai"),
    lacks=frozenset({"penalty_score", "seed"}),
    warmest=1.0,
    thinking=_switch(),
    forgetful=True,
    context={
        "moonshot-v1-8k": 8_192,
        "moonshot-v1-32k": 32_768,
        "moonshot-v1-128k": 131_072,
        "kimi-": 262_144,
    },
)
OLLAMA = Profile(
    "ollama",
    hosts=("ollama", "ollama.com"),
    port=11_434,
    lacks=frozenset({"penalty_score", "n"}),
    thinking=_effort(),
    tokens=3_072,  # it cuts the beginning of what is longer than 4,096 without a word, unless set otherwise
    usual={"embed": "nomic-embed-text"},
)
VLLM = Profile(
    "vllm",
    hosts=("vllm",),
    lacks=_NO_PENALTY,
    thinking=_template(),
)
ONE_API = Profile("one-api", hosts=("one-api", "new-api"), usual=_CUSTOMARY)
GENERIC = Profile("generic", root="", usual=_CUSTOMARY)

PROFILES: Mapping[str, Profile] = {
    profile.name: profile for profile in (OPENAI, DEEPSEEK, MOONSHOT, OLLAMA, VLLM, ONE_API, GENERIC)
}


def choose(name: str, base_url: str) -> Profile:
    """The profile of that name, or (`auto`) the one that the base URL's host tells.

    Raises:
        ConfigError: there is no such profile.
    """
    wanted = name.strip().lower()
    if wanted in PROFILES:
        return PROFILES[wanted]
    if wanted != "auto":
        raise ConfigError(f"OPENAI_PROFILE must be auto or one of {', '.join(PROFILES)}, not {name[:40]!r}")
    url = httpx.URL(base_url)
    for profile in PROFILES.values():
        if (profile.port and url.port == profile.port) or any(
            url.host == host or url.host.endswith(f".{host}") for host in profile.hosts
        ):
            return profile
    return GENERIC
