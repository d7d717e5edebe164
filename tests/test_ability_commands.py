"""The program's commands for what is not chat, on platforms of the tests and over the real network stack."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from aiohttp import web

from duihua import cli, drawings, program
from duihua.abilities import Completion, Drawing, Job, Picture
from duihua.config import Settings
from duihua.errors import ConfigError, ProviderError
from duihua_storage import open_store
from tests.able_platforms import PNG, Doer, Talker, use

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """What the next clients say of their jobs."""
    said: list[Job] = []
    original = Doer.__init__

    def init(self: Doer) -> None:
        original(self)
        self.jobs = said

    monkeypatch.setattr(Doer, "__init__", init)
    return said


@pytest.fixture
def doer(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The clients that were made, the newest of each platform."""
    return use(monkeypatch, Doer, Talker)


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], doer: dict[str, Any]
) -> Run:
    """Runs the program in an empty folder with a key for the tests' platforms: (code, out, err)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DUIHUA_LANG", "en")
    monkeypatch.setenv("ZHIPU_API_KEY", "id.secret")

    def program(*arguments: str) -> tuple[int, str, str]:
        try:
            code = cli.main(arguments)
        except SystemExit as e:
            code = int(str(e.code))
        out, err = capsys.readouterr()
        return code, out, err

    return program


def test_a_text_is_completed(run: Run, doer: dict[str, Any]) -> None:
    assert run("complete", "Once") == (0, "Once ...\n", "")
    assert doer["doer"].calls == [("complete", "writer", "Once", {})]
    code, out, _ = run("complete", "Once", "--json", "--model", "doer/poet")
    assert (code, json.loads(out)["model"]) == (0, "poet")


def test_what_a_platform_sends_cannot_steer_the_terminal(run: Run) -> None:
    assert run("complete", "a\x1b[2Jb")[1] == "ab ...\n"


def test_a_text_is_judged(run: Run) -> None:
    assert run("moderate", "good") == (0, "passes\n", "")
    assert run("moderate", "bad") == (0, "is refused: politics\n", "")
    assert json.loads(run("moderate", "bad", "--json")[1])["level"] == "reject"


def test_texts_become_vectors(run: Run) -> None:
    code, out, _ = run("embed", "one", "three")
    assert (code, out.splitlines()[1]) == (0, "2 numbers: 5.0000 0.5000  (three)")
    assert json.loads(run("embed", "one", "--json")[1])["vectors"] == [[3.0, 0.5]]


def test_a_recording_is_written_down(run: Run, doer: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(b"sound")
    assert run("transcribe", "a.mp3", "--language", "zh") == (0, "what was said\n", "")
    assert doer["doer"].calls == [("transcribe", "listener", b"sound", "a.mp3", "audio/mpeg", "zh")]
    code, out, err = run("transcribe", "none.mp3")
    assert (code, out) == (2, "")
    assert "none.mp3" in err


def test_a_count_says_whether_it_is_one(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, _ = run("count", "hello")
    assert (code, out.splitlines()[0]) == (0, "42 tokens, as doer/thinker counts")
    monkeypatch.setattr("sys.stdin", io.StringIO("你好"))
    code, out, _ = run("count", "-", "--model", "talker/any")
    assert (code, out[:6]) == (0, "about ")
    assert "talker/any does not count" in out
    counted = json.loads(run("count", "hello", "--json", "--model", "talker/any")[1])
    assert counted["exact"] is False


PRICES = '"doer/thinker" = { currency = "CNY", input = 10, output = 40.5, about = true }'


@pytest.fixture
def priced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "prices.toml").write_text(PRICES)
    monkeypatch.setenv("DUIHUA_PRICES", "prices.toml")


@pytest.mark.usefixtures("priced")
def test_a_count_says_what_it_would_cost(run: Run) -> None:
    lines = run("count", "hello", "--output", "1000")[1].splitlines()
    assert "0.00042 CNY" in lines[1]
    assert "0.04092 CNY" in lines[2]
    assert len(run("count", "hello")[1].splitlines()) == 2
    told = json.loads(run("count", "hello", "--output", "1000", "--json")[1])
    assert (told["cost"]["micros"], told["cost_with_output"]["micros"], told["output"]) == (420, 40920, 1000)
    assert "price of talker/any is not known" in run("count", "hello", "--model", "talker/any")[1]
    assert json.loads(run("count", "hello", "--json", "--model", "talker/any")[1])["cost"] is None
    assert run("count", "hello", "--output", "-1")[0] == 2


def test_nobody_who_can_is_one_line_with_who_could(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ZHIPU_API_KEY")
    monkeypatch.setenv("QIANFAN_API_KEY", "a")
    monkeypatch.setenv("QIANFAN_SECRET_KEY", "b")
    code, out, err = run("transcribe", __file__)
    assert (code, out) == (2, "")
    assert "doer (set ZHIPU_API_KEY)" in err
    assert err.count("\n") == 1


def test_a_platforms_refusal_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Doer, *call: Any) -> None:
        raise ProviderError("no", provider="doer", category="auth")

    monkeypatch.setattr(Doer, "_note", refuse)
    code, out, err = run("complete", "a")
    assert (code, out, err.count("\n")) == (1, "", 1)


def test_without_any_key_the_simulator_answers_and_says_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ZHIPU_API_KEY")
    code, out, err = run("count", "你好")
    assert code == 0
    assert "qianfan/ernie-3.5-8k" in out
    assert "simulator" in err
    assert err.count("\n") == 1


def test_the_platform_of_the_chat_model_comes_first_if_it_has_a_key(doer: dict[str, Any]) -> None:
    with_key = Settings.load(None, qianfan_api_key="a", qianfan_secret_key="b", zhipu_api_key="x")
    assert program._model_with_key(with_key) is None
    assert program._model_with_key(Settings.load(None, zhipu_api_key="x")) == "doer/thinker"
    assert program._model_with_key(Settings.load(None)) is None


# ---------------------------------------------------------------- images


def test_images_become_new_files(run: Run, tmp_path: Path, doer: dict[str, Any]) -> None:
    assert run("draw", "a cat", "--n", "2", "--size", "64x64") == (0, "drawing-1.png\n", "")
    assert run("draw", "a cat")[1] == "drawing-2.png\n"
    assert doer["doer"].calls == [("draw", "painter", "a cat", {})]
    assert (tmp_path / "drawing-2.png").read_bytes() == PNG
    assert run("draw", "a cat", "--n", "0")[0] == 2


def test_a_named_file_is_replaced(run: Run, tmp_path: Path) -> None:
    (tmp_path / "cat.png").write_bytes(b"old")
    code, out, _ = run("draw", "a cat", "--out", "cat.png", "--json")
    assert (code, json.loads(out)["files"]) == (0, ["cat.png"])
    assert (tmp_path / "cat.png").read_bytes() == PNG
    code, _, err = run("draw", "a cat", "--out", "nowhere/cat.png")
    assert code == 2
    assert "nowhere/cat.png" in err


@pytest.fixture
def shelf() -> Iterator[str]:
    """A server of images in a thread of its own: its URL."""
    loop, ready = asyncio.new_event_loop(), asyncio.Event()
    found: list[str] = []

    async def serve() -> web.AppRunner:
        async def large(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse()
            await response.prepare(request)
            for _ in range(40):
                await response.write(PNG + b"x" * 1000)
            return response

        async def image(request: web.Request) -> web.Response:
            return web.Response(body=PNG)

        async def moved(request: web.Request) -> web.Response:
            raise web.HTTPFound("/image")

        async def page(request: web.Request) -> web.Response:
            return web.Response(text="<html>")

        app = web.Application()
        for handler in (large, image, moved, page):
            app.router.add_get(f"/{handler.__name__}", handler)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        found.append(f"http://127.0.0.1:{runner.addresses[0][1]}")
        ready.set()
        return runner

    runner = loop.run_until_complete(serve())
    thread = Thread(target=loop.run_forever)
    thread.start()
    yield found[0]
    asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_an_image_is_fetched_if_it_is_one(
    run: Run, shelf: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawings, "LARGEST", 20_000)
    urls = [f"{shelf}/{name}" for name in ("large", "image", "moved", "page", "none")]
    urls += ["file:///etc/passwd", "http://127.0.0.1:1/x.png"]

    async def draw(self: Doer, model: str, prompt: str, **more: Any) -> Drawing:
        return Drawing(tuple(Picture(url=url) for url in urls), ("one was not drawn\x1b[2J",), model=model)

    monkeypatch.setattr(Doer, "draw", draw)
    code, out, err = run("draw", "a cat", "--out", "cat.png")
    assert code == 0
    assert out.splitlines() == ["cat.png", *(url for url in urls if not url.endswith("/image"))]
    assert (tmp_path / "cat.png").read_bytes() == PNG
    assert err == "An image was not drawn: one was not drawn\n"


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://h/x.png", "http://", "http://[", "x.png", ""])
async def test_nothing_but_the_web_is_asked(url: str) -> None:
    assert await drawings.fetch(url, None) == b""  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (PNG, ".png"),
        (b"\xff\xd8\xff\xe0", ".jpg"),
        (b"GIF89a", ".gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", ".webp"),
        (b"RIFF\0\0\0\0WAVEfmt ", ""),
        (b"<html>", ""),
        (b"", ""),
    ],
)
def test_an_image_is_told_by_its_first_bytes(data: bytes, kind: str) -> None:
    assert drawings.suffix(data) == kind


async def test_several_images_get_numbers(tmp_path: Path) -> None:
    drawn = [Picture(PNG), Picture(b"no image"), Picture(PNG), Picture(PNG)]
    files, urls = await drawings.save(drawn, str(tmp_path / "x.png"), None)  # type: ignore[arg-type]
    assert [f.name for f in files] == ["x.png", "x-2.png", "x-3.png"]
    assert urls == []
    with pytest.raises(ConfigError):
        await drawings.save(drawn, str(tmp_path), None)  # type: ignore[arg-type]


# ---------------------------------------------------------------- tasks


def test_a_task_goes_on_in_the_next_run(run: Run, jobs: list[Job]) -> None:
    code, out, err = run("task", "start", "think")
    assert (code, out, err) == (0, "Task 1 is running. See later: duihua task show 1\n", "")
    heading, line = run("task", "list")[1].splitlines()
    assert heading.split() == ["task", "kind", "state", "model", "created"]
    assert line.split()[:4] == ["1", "answer", "running", "doer/thinker"]
    jobs.append(Job("v-1", "done", "thinker-max", Completion("the answer")))
    assert run("task", "show", "1", "--wait") == (0, "the answer\n", "")
    shown = json.loads(run("task", "show", "1", "--json")[1])
    assert (shown["state"], shown["text"], shown["echoed"]) == ("done", "the answer", "thinker-max")
    assert json.loads(run("task", "list", "--json")[1])["id"] == 1


def test_an_ended_task_is_shown_without_any_key(
    run: Run, jobs: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs.append(Job("v-1", "done", completion=Completion("the answer")))
    assert run("task", "start", "think", "--wait")[1] == "the answer\n"
    monkeypatch.delenv("ZHIPU_API_KEY")
    assert run("task", "show", "1") == (0, "the answer\n", "")


def test_a_running_task_needs_its_platforms_key(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run("task", "start", "think")
    monkeypatch.delenv("ZHIPU_API_KEY")
    code, out, err = run("task", "show", "1")
    assert (code, out) == (2, "")
    assert "ZHIPU_API_KEY" in err


def test_a_drawing_is_started_and_its_images_are_written(
    run: Run, doer: dict[str, Any], jobs: list[Job], tmp_path: Path
) -> None:
    jobs.append(Job("v-2", "done", drawing=Drawing((Picture(PNG),), model="painter")))
    code, out, _ = run("task", "start", "a cat", "--draw", "--n", "1", "--wait", "--out", "cat.png")
    assert (code, out) == (0, "cat.png\n")
    assert doer["doer"].calls[0] == ("start_drawing", "painter", "a cat", {"n": 1})
    assert json.loads(run("task", "show", "1", "--json")[1])["files"] == ["drawing-1.png"]


def test_a_failed_task_says_why(run: Run, jobs: list[Job]) -> None:
    jobs.append(Job("v-1", "failed", error=ProviderError("no", provider="doer", category="quota_exhausted")))
    code, out, err = run("task", "start", "think", "--wait")
    assert (code, out) == (1, "Task 1 has failed.\n")
    assert "quota" in err
    assert err.count("\n") == 1


def test_a_cut_start_is_told_honestly(run: Run, tmp_path: Path) -> None:
    async def crash() -> None:
        store = open_store("sqlite+aiosqlite:///duihua.db")
        await store.open()
        await store.new_task("main", 0, "chat", "doer", "thinker")
        await store.aclose()

    asyncio.run(crash())
    assert "unknown" in run("task", "list")[1]
    assert "not known whether the platform has accepted task 1" in run("task", "show", "1")[1]


def test_tasks_are_forgotten(run: Run) -> None:
    assert run("task", "list")[1] == "There are no tasks.\n"
    run("task", "start", "think")
    assert "erased" in run("task", "forget", "1")[1]
    for verb in ("forget", "show"):
        code, _, err = run("task", verb, "1")
        assert (code, err) == (2, "There is no such task: 1.\n")
    assert run("task", "show", "one")[0] == 2


def test_task_alone_shows_its_help(run: Run) -> None:
    assert "forget" in run("task")[1]


# ---------------------------------------------------------------- models


def test_models_are_filtered(run: Run) -> None:
    rows = run("models", "--provider", "doer")[1].splitlines()
    assert rows[0].split() == ["model", "context", "characters", "functions", "abilities", "family"]
    assert [row.split()[0] for row in rows[1:]] == ["doer/thinker", "doer/painter"]
    assert rows[1].split()[1:] == ["6,000", "-", "native", "chat", "thinking", "deep"]
    rows = run("models", "--family", "Deep", "--json")[1].splitlines()
    assert [json.loads(row)["model"] for row in rows] == ["doer/thinker", "talker/thinker"]
    assert run("models", "nowhere")[0] == 2


def test_filters_of_models_narrow_each_other(run: Run) -> None:
    def named(*arguments: str) -> list[str]:
        return [json.loads(row)["model"] for row in run("models", *arguments, "--json")[1].splitlines()]

    assert named("Doer", "--family", "paint") == ["doer/painter"]
    assert named("doer", "--provider", "talker") == []
    chips = named("genstudio", "--chip", "nvidia", "--family", "qwen")
    assert chips
    assert set(chips) < set(named("genstudio", "--chip", "nvidia"))
    assert all(name.startswith("genstudio/qwen") and name.endswith("@nvidia") for name in chips)


@pytest.mark.usefixtures("priced")
def test_models_show_their_prices(run: Run) -> None:
    rows = [row.split() for row in run("models", "doer")[1].splitlines()]
    assert rows[1][4:6] == ["≈10/40.5", "CNY"]
    assert rows[2][4] == "-"
    thinker, painter = (json.loads(row) for row in run("models", "doer", "--json")[1].splitlines())
    assert (thinker["price"]["output"], thinker["price"]["about"], painter["price"]) == (40.5, True, None)


def test_live_models_are_asked_for(run: Run) -> None:
    rows = run("models", "doer", "--live", "--chip", "NVIDIA")[1].splitlines()
    assert [row.split()[0] for row in rows[1:]] == ["doer/newcomer@nvidia"]
    assert rows[1].split()[1] == "9,000"
    assert run("models", "talker", "--live")[0] == 2


def test_a_platform_that_does_not_list_keeps_its_known_models(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def down(self: Doer, **more: Any) -> Any:
        raise ProviderError("down", provider="doer", category="server")

    monkeypatch.setattr(Doer, "list_models", down)
    code, out, err = run("models", "--live")
    assert code == 0
    assert "doer/thinker" in out
    assert "doer" in err


@pytest.mark.parametrize("arguments", [["--chip", "zzz"], ["--family", "nonsense"]])
def test_models_of_what_there_is_not_name_what_there_is(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["models", *arguments]) == 2
    line = capsys.readouterr().err
    assert arguments[1] in line
    assert ("nvidia" if arguments[0] == "--chip" else "llama") in line
