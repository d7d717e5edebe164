"""What platforms can do beyond chat: one small Protocol for each ability, and the values they speak in.

A provider has an ability if it has the methods: `isinstance(provider, Embeds)` tells. `usual` names the model
that is taken when none is named. Deadlines are in loop time; every method raises ProviderError only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from duihua.errors import ProviderError
from duihua.messages import FinishReason, Usage
from duihua.ports import Request, TaskKind, TaskState

Ability = Literal[
    "complete",
    "start",
    "start_drawing",
    "moderate",
    "embed",
    "draw",
    "transcribe",
    "count_tokens",
    "list_models",
    "measure",
]

METHODS: Mapping[Ability, tuple[str, ...]] = {
    "complete": ("complete",),
    "start": ("start", "job"),
    "start_drawing": ("start_drawing", "job"),
    "moderate": ("moderate",),
    "embed": ("embed",),
    "draw": ("draw",),
    "transcribe": ("transcribe",),
    "count_tokens": ("count_tokens",),
    "list_models": ("list_models",),
    "measure": ("context_length",),
}
"""The methods that make an ability."""


def can(client: object, ability: Ability) -> bool:
    """Whether a client has an ability; a class of clients is asked alike, before there is a key for one."""
    return all(callable(getattr(client, method, None)) for method in METHODS[ability])


@dataclass(frozen=True, slots=True)
class Completion:
    """A text that was completed, or a whole answer."""

    text: str
    finish: FinishReason = "stop"
    usage: Usage = field(default_factory=Usage)
    model: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawn image: its bytes, or where the platform keeps it for some hours. `prompt`: as it was drawn."""

    data: bytes = b""
    url: str = ""
    mime: str = ""
    prompt: str = ""


@dataclass(frozen=True, slots=True)
class Drawing:
    """What was drawn. `failures` are the platform's words about images that were not made."""

    pictures: tuple[Picture, ...]
    failures: tuple[str, ...] = ()
    usage: Usage = field(default_factory=Usage)
    model: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Vectors in the order of the texts."""

    vectors: tuple[tuple[float, ...], ...]
    usage: Usage = field(default_factory=Usage)
    model: str = ""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a moderation service says about a text; `labels` are the platform's words for the risks."""

    level: Literal["pass", "review", "reject"]
    labels: tuple[str, ...] = ()
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Transcription:
    """What was said in a recording. `seconds` is its length, `None` if the platform does not tell."""

    text: str
    language: str = ""
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """A model as its platform lists it. `context` in tokens, None if not told; `chips` it runs on."""

    name: str
    context: int | None = None
    chips: tuple[str, ...] = ()
    family: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """Work that a platform does in the background: its `completion` or `drawing` when it is done.

    `model` is the one the platform says it uses, which may be another than was asked for.
    """

    id: str
    state: Literal["running", "done", "failed"]
    model: str = ""
    completion: Completion | None = None
    drawing: Drawing | None = None
    error: ProviderError | None = None


@dataclass(frozen=True, slots=True)
class Count:
    """How many tokens a text has for `model` (`provider/model`). Not `exact`: our own estimate, no count."""

    tokens: int
    exact: bool
    model: str


@dataclass(frozen=True, slots=True)
class Task:
    """Work that a platform does in the background, as our database knows it.

    Attributes:
        id: ours; it outlives the program.
        kind: `chat` ends in a `completion`, `drawing` in a `drawing`.
        state: `starting`: this process is handing it in; `unknown`: whether the platform has accepted it
            was never learnt, because the program or the connection ended just then: it may run, and cost.
        model: `provider/model` that was asked for.
        echoed: the model that the platform says it uses, empty if it has not said.
        completion: the answer, when it is done.
        drawing: the images, when they are done.
        error: why it failed, or why it is unknown.
        created: ms UTC.
        ended: ms UTC, 0 while it has not.
    """

    id: int
    kind: TaskKind
    state: TaskState
    model: str
    echoed: str = ""
    completion: Completion | None = None
    drawing: Drawing | None = None
    error: ProviderError | None = None
    created: int = 0
    ended: int = 0


class _Able(Protocol):
    @property
    def usual(self) -> Mapping[Ability, str]:
        """The model that an ability takes when none is named."""
        ...


@runtime_checkable
class Completes(_Able, Protocol):
    """Goes on with a text, without a conversation."""

    async def complete(
        self, model: str, prompt: str, *, options: Mapping[str, Any], deadline: float
    ) -> Completion:
        """The text that follows `prompt`. `options` are the platform's own fields."""
        ...


@runtime_checkable
class Starts(_Able, Protocol):
    """Answers in the background."""

    async def start(self, request: Request) -> Job:
        """Hands a chat request in; the job is asked for with `job`."""
        ...

    async def job(self, id: str, *, deadline: float) -> Job:
        """Where a job stands, of `start` or `start_drawing`."""
        ...


@runtime_checkable
class StartsDrawings(_Able, Protocol):
    """Draws in the background."""

    async def start_drawing(
        self, model: str, prompt: str, *, options: Mapping[str, Any], deadline: float
    ) -> Job:
        """Hands a drawing in; the job is asked for with `job`."""
        ...

    async def job(self, id: str, *, deadline: float) -> Job:
        """Where a job stands, of `start` or `start_drawing`."""
        ...


@runtime_checkable
class Draws(_Able, Protocol):
    """Makes images."""

    async def draw(self, model: str, prompt: str, *, options: Mapping[str, Any], deadline: float) -> Drawing:
        """Images of `prompt`; waits for them where the platform works in the background."""
        ...


@runtime_checkable
class Embeds(_Able, Protocol):
    """Turns texts into vectors."""

    async def embed(
        self, model: str, texts: Sequence[str], *, deadline: float, query: bool = False
    ) -> Embeddings:
        """One vector for each text, however many; `query`: they ask, and do not answer."""
        ...


@runtime_checkable
class Moderates(_Able, Protocol):
    """Judges texts."""

    async def moderate(self, model: str, text: str, *, deadline: float) -> Judgement:
        """Whether the platform would let `text` pass."""
        ...


@runtime_checkable
class Transcribes(_Able, Protocol):
    """Writes down what is said in a recording."""

    async def transcribe(
        self, model: str, audio: bytes, *, name: str, mime: str, language: str = "", deadline: float
    ) -> Transcription:
        """The words of `audio`; `name` is a file name, `language` a code such as `zh`, empty: unknown."""
        ...


@runtime_checkable
class CountsTokens(_Able, Protocol):
    """Counts tokens as the model does."""

    async def count_tokens(self, model: str, text: str, *, deadline: float) -> int:
        """Tokens of `text`."""
        ...


@runtime_checkable
class ListsModels(_Able, Protocol):
    """Tells which models there are."""

    async def list_models(self, *, deadline: float) -> Sequence[Listed]:
        """The models that this key can use now."""
        ...


@runtime_checkable
class Measures(_Able, Protocol):
    """Tells how long a conversation a model takes."""

    async def context_length(self, model: str, *, deadline: float) -> int | None:
        """Tokens of a whole request with its answer, None if the platform does not tell."""
        ...
