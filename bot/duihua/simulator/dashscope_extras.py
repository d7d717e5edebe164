"""What DashScope does besides chat, on loopback: image tasks, embeddings, tokens, the list of models.

A task is pending when it is made, running when it is first asked for, and ends at the second time. `!flag`
in the prompt lets it fail, `!flag-output` one of its images (all, if it is only one).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from duihua.simulator import drawing, vectors, wire
from duihua.simulator.ask import Ask, Message, estimate
from duihua.simulator.chat_rules import Refused
from duihua.simulator.dashscope import BASE, MULTIMODAL, NOT_ASYNC, NOT_SYNC, DashScope, enabled
from duihua.simulator.dashscope_compatible import embedded
from duihua.simulator.dashscope_models import COUNTED, MODELS, PICTURES, TASK_PICTURES
from duihua.simulator.dashscope_reply import FLAGGED, INPUT_FLAGGED, OUTPUT_FLAGGED
from duihua.simulator.dashscope_rules import NO_INPUT
from duihua.simulator.faults import Fault, without_command
from duihua.simulator.traffic import Seen
from duihua.simulator.wire import Desk, as_list, as_object, is_integer, json_response

Given = Mapping[str, Any] | web.StreamResponse
"""The fields of an answer, or a ready one."""
SERVICES = f"{BASE}/services"
_SIZES = range(512, 2049)


@dataclass(slots=True)
class Task:
    """One drawing under way: how it is told when it ends, and how often it was asked for."""

    id: str
    ends: Mapping[str, Any]
    usage: Mapping[str, Any]
    submitted: str
    asked: int = 0
    cancelled: bool = False

    def output(self) -> dict[str, Any]:
        """Where it stands now."""
        base = {"task_id": self.id, "submit_time": self.submitted}
        if self.cancelled:
            return {**base, "task_status": "CANCELED"}
        if self.asked < 2:
            return {**base, "task_status": "PENDING" if not self.asked else "RUNNING"}
        return {**base, **self.ends, "end_time": self.submitted}


class DashScopeExtras(DashScope):
    """The platform's own wire with all that it does."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.tasks: dict[str, Task] = {}
        self.pictures: dict[str, bytes] = {}

    def routes(self) -> list[web.RouteDef]:
        """Where it answers."""
        return [
            *super().routes(),
            web.post(f"{SERVICES}/aigc/text2image/image-synthesis", self._plain(self.draw_by_prompt)),
            web.post(f"{SERVICES}/aigc/image-generation/generation", self._plain(self.draw_by_message)),
            web.post(f"{SERVICES}/embeddings/text-embedding/text-embedding", self._plain(self.embed)),
            web.post(f"{BASE}/tokenizer", self._plain(self.tokenize)),
            web.get(f"{BASE}/models", self._plain(self.list_models)),
            web.get(f"{BASE}/tasks/{{id}}", self._plain(self.task)),
            web.post(f"{BASE}/tasks/{{id}}/cancel", self._plain(self.cancel)),
            web.get("/dashscope/pictures/{name}", self.picture),
        ]

    def _plain(
        self, answer: Callable[[web.Request, Seen], Awaitable[Given]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """A handler around what gives the body of an answer, with the key and errors seen to."""

        async def handler(request: web.Request) -> web.StreamResponse:
            seen = self.desk.traffic.saw(self.name, request)
            try:
                self.authorize(request)
                body = await answer(request, seen)
            except Refused as e:
                return self.error(seen, e)
            seen.outcome = seen.outcome or "ok"
            if isinstance(body, web.StreamResponse):
                return body
            return json_response({"request_id": self.desk.request_id(), **body})

        return handler

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """Chat, or at the path of models that see, an image that is drawn at once."""
        if request.path == MULTIMODAL and request.method == "POST":
            body = await request.read()
            if any(f'"{name}"'.encode() in body[:200] for name in PICTURES):
                return await self._plain(self.draw_now)(request)
        return await super().chat(request)

    # ------------------------------------------------------------ images

    async def draw_now(self, request: web.Request, seen: Seen) -> Given:
        """Draws within the request."""
        if enabled(request, "X-DashScope-Async"):
            raise Refused(403, "AccessDenied", NOT_ASYNC)
        _, prompt, parameters = await self._asked(request, seen, PICTURES, messages=True)
        fault = await self._fault(prompt)
        if isinstance(fault, web.StreamResponse):
            return fault
        if fault.kind in ("flag", "flag-output"):
            raise Refused(400, FLAGGED, INPUT_FLAGGED if fault.kind == "flag" else OUTPUT_FLAGGED)
        width, height, number = _measures(parameters)
        return {
            "output": self._as_choices(request, prompt, width, height, number),
            "usage": {"image_count": number, "width": width, "height": height},
        }

    async def draw_by_message(self, request: web.Request, seen: Seen) -> Given:
        """Takes a drawing of the models that could answer at once."""
        return await self._start(request, seen, PICTURES, messages=True)

    async def draw_by_prompt(self, request: web.Request, seen: Seen) -> Given:
        """Takes a drawing."""
        return await self._start(request, seen, TASK_PICTURES, messages=False)

    async def _start(
        self, request: web.Request, seen: Seen, models: frozenset[str], *, messages: bool
    ) -> Given:
        if not enabled(request, "X-DashScope-Async"):
            raise Refused(403, "AccessDenied", NOT_SYNC)
        _, prompt, parameters = await self._asked(request, seen, models, messages=messages)
        fault = await self._fault(prompt)
        if isinstance(fault, web.StreamResponse):
            return fault
        width, height, number = _measures(parameters)
        ends: Mapping[str, Any]
        usage: Mapping[str, Any] = {"image_count": number}
        words = without_command(prompt)
        if fault.kind == "flag" or (fault.kind == "flag-output" and number == 1):
            said = INPUT_FLAGGED if fault.kind == "flag" else OUTPUT_FLAGGED
            ends, usage = {"task_status": "FAILED", "code": FLAGGED, "message": said}, {}
        elif messages:
            ends = {"task_status": "SUCCEEDED", **self._as_choices(request, words, width, height, number)}
        else:
            results: list[dict[str, str]] = [
                {
                    "url": self._keep(request, words, width, height, i),
                    "orig_prompt": prompt,
                    "actual_prompt": words,
                }
                for i in range(number)
            ]
            lost = 0
            if fault.kind == "flag-output":
                results[-1], lost = {"code": FLAGGED, "message": OUTPUT_FLAGGED}, 1
            counts = {"TOTAL": number, "SUCCEEDED": number - lost, "FAILED": lost}
            ends = {"task_status": "SUCCEEDED", "results": results, "task_metrics": counts}
            usage = {"image_count": number - lost}
        id_ = f"{self.desk.number():08x}-0000-4000-8000-000000000000"
        submitted = datetime.fromtimestamp(self.desk.now(), UTC).strftime("%Y-%m-%d %H:%M:%S.000")
        self.tasks[id_] = Task(id_, ends, usage, submitted)
        return {"output": {"task_id": id_, "task_status": "PENDING"}}

    async def _asked(
        self, request: web.Request, seen: Seen, models: frozenset[str], *, messages: bool
    ) -> tuple[str, str, Mapping[str, Any]]:
        """Model, prompt and parameters of a drawing."""
        body = as_object(await self.opened(request, seen)) or {}
        model, given = body.get("model"), as_object(body.get("input")) or {}
        if model not in models:
            raise Refused(404, "ModelNotFound", f"Model {model!s:.64} does not exist.")
        prompt = _message_text(given) if messages else given.get("prompt")
        if not isinstance(prompt, str) or not prompt.strip():
            raise Refused(400, "InvalidParameter", NO_INPUT)
        return str(model), prompt, as_object(body.get("parameters", {})) or {}

    async def _fault(self, prompt: str) -> Fault | web.StreamResponse:
        """What happens to a request for a drawing; an answer if that is all that happens."""
        fault = self.desk.faults.take(Ask((Message("user", prompt),)), f"{self.name}-draw")
        match fault.kind:
            case "ratelimit":
                raise self.limited("requests")
            case "overload":
                raise self.overloaded()
            case "expire":
                raise self.unauthorized()
            case "down":
                return wire.down()
            case "timeout":
                return await wire.never()
            case "slow":
                await asyncio.sleep(fault.number / 1000)
            case _:
                pass
        return fault

    def _as_choices(
        self, request: web.Request, prompt: str, width: int, height: int, number: int
    ) -> dict[str, Any]:
        content = [{"image": self._keep(request, prompt, width, height, i)} for i in range(number)]
        message = {"role": "assistant", "content": content}
        return {"choices": [{"finish_reason": "stop", "message": message}]}

    def _keep(self, request: web.Request, prompt: str, width: int, height: int, number: int) -> str:
        name = f"{self.desk.number():08x}.png"
        self.pictures[name] = drawing.png(prompt, width, height, number=number)
        return f"{request.url.origin()}/dashscope/pictures/{name}"

    async def picture(self, request: web.Request) -> web.StreamResponse:
        """A picture that was drawn; its URL alone opens it."""
        data = self.pictures.get(request.match_info["name"])
        return web.Response(status=404) if data is None else web.Response(body=data, content_type="image/png")

    async def task(self, request: web.Request, seen: Seen) -> Mapping[str, Any]:
        """Where a task stands; one that is not known is that."""
        id_ = request.match_info["id"]
        task = self.tasks.get(id_)
        if task is None:
            return {"output": {"task_id": id_, "task_status": "UNKNOWN"}}
        task.asked += 1
        output = task.output()
        return {"output": output, **({"usage": task.usage} if output["task_status"] == "SUCCEEDED" else {})}

    async def cancel(self, request: web.Request, seen: Seen) -> Mapping[str, Any]:
        """Ends a task that has not begun."""
        task = self.tasks.get(request.match_info["id"])
        if task is None or task.asked:
            raise Refused(400, "UnsupportedOperation", "Failed to cancel the task, the task is not pending.")
        task.cancelled = True
        return {}

    # ------------------------------------------------------------ the rest

    async def embed(self, request: web.Request, seen: Seen) -> Mapping[str, Any]:
        """A vector for each text, those of the even places first."""
        body = as_object(await self.opened(request, seen)) or {}
        given, parameters = as_object(body.get("input")) or {}, as_object(body.get("parameters", {})) or {}
        if parameters.get("text_type", "document") not in ("query", "document"):
            raise Refused(400, "InvalidParameter", "text_type must be query or document")
        texts, size = embedded(body.get("model"), given.get("texts"), parameters.get("dimension"))
        rows = [{"text_index": i, "embedding": vectors.vector(text, size)} for i, text in enumerate(texts)]
        usage = {"total_tokens": sum(estimate(text) for text in texts)}
        return {"output": {"embeddings": rows[::2] + rows[1::2]}, "usage": usage}

    async def tokenize(self, request: web.Request, seen: Seen) -> Mapping[str, Any]:
        """The tokens of a prompt or of messages, as the models that are listed count them."""
        body = as_object(await self.opened(request, seen)) or {}
        model, given = body.get("model"), as_object(body.get("input")) or {}
        if model not in COUNTED:
            raise Refused(400, "InvalidParameter", f"Model {model!s:.64} is not supported by the tokenizer.")
        said = given.get("prompt")
        for message in as_list(given.get("messages")) or []:
            said = f"{said or ''}<|im_start|>{(as_object(message) or {}).get('content')}<|im_end|>\n"
        if not isinstance(said, str) or not said:
            raise Refused(400, "InvalidParameter", NO_INPUT)
        count = estimate(said)
        tokens = [said[len(said) * i // count : len(said) * (i + 1) // count] for i in range(count)]
        ids = [sum(token.encode()) for token in tokens]
        return {"output": {"token_ids": ids, "tokens": tokens}, "usage": {"input_tokens": count}}

    async def list_models(self, request: web.Request, seen: Seen) -> Mapping[str, Any]:
        """A page of the models, or the one that is asked for."""
        try:
            number, size = (int(request.query.get(n, d)) for n, d in (("page_no", "1"), ("page_size", "10")))
        except ValueError:
            number = size = 0
        if number < 1 or not 1 <= size <= 100:
            raise Refused(400, "InvalidParameter", "page_no or page_size is out of range")
        wanted = request.query.get("model")
        names = [name for name in MODELS if wanted in (None, name)]
        page = [
            {
                "model": name,
                "name": name,
                "provider": "qwen",
                "model_info": {"context_window": MODELS[name].tokens},
            }
            for name in names[(number - 1) * size : number * size]
        ]
        output = {"total": len(names), "page_no": number, "page_size": size, "models": page}
        return {"success": True, "output": output}


def _message_text(given: Mapping[str, Any]) -> str | None:
    """The only text of the only message."""
    match given.get("messages"):
        case [{"role": "user", "content": [{"text": str(text)}]}]:
            return text
        case _:
            return None


def _measures(parameters: Mapping[str, Any]) -> tuple[int, int, int]:
    """Width, height and number of the images. Raises Refused."""
    size, number = parameters.get("size", "1024*1024"), parameters.get("n", 1)
    width, star, height = str(size).partition("*")
    if not (star and width.isdigit() and height.isdigit() and {int(width), int(height)} <= set(_SIZES)):
        raise Refused(400, "InvalidParameter", "size must be width*height, each from 512 to 2048")
    if not is_integer(number) or not 1 <= number <= 4:
        raise Refused(400, "InvalidParameter", "n should be in [1, 4]")
    return int(width), int(height), number
