"""The program's commands about what is stored of a person, over a database and without any platform."""

from __future__ import annotations

import asyncio
import io
import json
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from duihua import cli
from duihua.memories import Document, FactChange, Finding, Kept
from duihua.memory.terms import document_terms
from duihua.messages import Address, Author, TurnRef
from duihua_storage import SqlStore
from tests.leftovers import leftovers
from tests.storage.talk import end, say

Run = Callable[..., tuple[int, str, str]]
HOSTILE = "机密<script>alert(1)</script>\n# not a heading ![x](http://evil)\n```\x1b[2J\u202e"


@pytest.fixture
def url(tmp_path: Path) -> str:
    """The URL of a database in which Alice and two others have talked."""
    url = f"sqlite+aiosqlite:///{tmp_path}/duihua.db"

    async def fill(store: SqlStore) -> None:
        for front, external, name, text in (
            ("embed", "alice", "Alice", HOSTILE),
            ("telegram", "alice", "Other", "somebody else's"),
            ("telegram", "42", "Bob", "bob's words"),
        ):
            address = Address(front, external)
            work = await say(
                store, text, external, address=address, author=Author(0, name), external=external
            )
            await end(store, work, f"re: {text}")

    asyncio.run(on(url, fill))
    return url


async def on(url: str, work: Callable[[SqlStore], Awaitable[None]]) -> None:
    store = SqlStore(url)
    await store.open()
    await work(store)
    await store.aclose()


@pytest.fixture
def run(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the program where no platform has a key: (code, out, err)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DUIHUA_LANG", "en")
    monkeypatch.setenv("DUIHUA_DATABASE_URL", url)

    def program(*arguments: str) -> tuple[int, str, str]:
        try:
            code = cli.main(arguments)
        except SystemExit as e:
            code = int(str(e.code))
        out, err = capsys.readouterr()
        return code, out, err

    return program


def test_a_person_is_exported_as_json(run: Run) -> None:
    code, out, err = run("export", "embed/alice")
    assert (code, err) == (0, "")
    data = json.loads(out)
    [session] = data["sessions"]
    assert session["turns"][0]["input"] == [{"t": "text", "text": HOSTILE}]
    assert "somebody else's" not in out


@pytest.mark.parametrize(
    ("lang", "heading"), [("zh", "# 关于 Alice 保存的全部内容"), ("en", "# What is stored about Alice")]
)
def test_a_person_is_exported_to_be_read(
    run: Run, monkeypatch: pytest.MonkeyPatch, lang: str, heading: str
) -> None:
    monkeypatch.setenv("DUIHUA_LANG", lang)
    code, out, _ = run("export", "embed/alice", "--format", "markdown")
    assert (code, out.split("\n", 1)[0]) == (0, heading)
    assert "> 机密\\<script>alert(1)\\</script>\n> # not a heading !\\[x](http://evil)\n> ```\n" in out
    assert "> re: 机密" in out
    assert not {"\x1b", "\u202e"} & set(out)


def test_a_file_of_an_export_is_its_owner_s_alone(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "out.json"
    file.write_text("older and longer " * 1000)
    file.chmod(0o644)
    code, out, _ = run("export", "embed/alice", "--output", str(file))
    assert (code, out) == (0, f"Everything stored about embed/alice is in {file}.\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_text())["person"]["identities"][0]["external"] == "alice"
    code, _, err = run("export", "embed/alice", "--output", str(tmp_path))
    assert (code, err) == (2, f"The file {tmp_path} cannot be used: Is a directory.\n")


def test_a_person_is_forgotten(run: Run, url: str) -> None:
    code, out, err = run("forget", "embed/alice", "--yes")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "About embed/alice will be erased: conversations 1, turns 1 (and 0 in others' conversations), "
        "facts 0. This cannot be undone.",
        "Everything stored about embed/alice is erased.",
    ]
    assert leftovers(url, "机密", "Alice") == []
    assert leftovers(url, "somebody else's", "bob's words") != []


def test_without_a_terminal_nothing_is_forgotten_unasked(
    run: Run, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    code, _, err = run("forget", "embed/alice")
    assert (code, err) == (2, "Nothing was erased: without a terminal to ask on, forget needs --yes.\n")
    assert leftovers(url, "机密") != []


@pytest.mark.parametrize(("answer", "gone"), [("y\n", True), ("n\n", False), ("", False)])
def test_on_a_terminal_it_asks_first(
    run: Run, url: str, monkeypatch: pytest.MonkeyPatch, answer: str, gone: bool
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Terminal(answer))
    code, out, _ = run("forget", "embed/alice")
    assert code == 0
    assert out.rstrip().endswith("is erased." if gone else "Nothing was erased.")
    assert (leftovers(url, "机密") == []) == gone


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("embed/alicia", "Nobody is known as embed/alicia. Is one of these meant: embed/alice?"),
        ("alice", "Several people are known as alice: embed/alice, telegram/alice. Name one of them."),
        ("bobb", "Nobody is known as bobb. Is one of these meant: telegram/42?"),
        ("zzzzzz", "Nobody is known as zzzzzz."),
        ("embed/a\x1b[2J", "Nobody is known as embed/a."),
        ("embed/", "“embed/” names nobody: write FRONT/ID, for example terminal/default."),
        ("", "“” names nobody: write FRONT/ID, for example terminal/default."),
    ],
)
def test_an_unknown_person_is_told_with_the_nearest_ones(run: Run, name: str, line: str) -> None:
    code, out, err = run("export", name)
    assert (code, out) == (2, "")
    assert err.startswith(line)


def test_at_most_five_names_are_told(run: Run, url: str) -> None:
    async def more(store: SqlStore) -> None:
        for number in range(9):
            await store.ensure(Address("embed", f"carol{number}"))

    asyncio.run(on(url, more))
    assert run("export", "carol")[2].count("embed/carol") == 5


def test_an_id_that_one_person_has_is_enough(run: Run) -> None:
    assert json.loads(run("export", "42")[1])["person"]["identities"] == [
        {"front": "telegram", "external": "42", "name": "Bob"}
    ]


def test_a_format_that_there_is_not_is_told(run: Run) -> None:
    code, _, err = run("export", "42", "--format", "xml")
    assert code == 2
    assert "xml is neither json nor markdown" in err


# ---------------------------------------------------------------- memory


@pytest.fixture
def known(url: str) -> None:
    """Facts about Alice, one of them replaced, and an index of what she said."""

    async def fill(store: SqlStore) -> None:
        user = await store.user("main", "embed", "alice")
        assert user is not None
        [session] = await store.sessions(user)
        ref = TurnRef(session.id, 1)
        day = 86_400_000
        old = FactChange(Finding("profile", "home", "lives in Hangzhou", (ref,), 0.6, at=day))
        assert await store.put_facts(user, (await store.facts(user)).version, [old])
        book = await store.facts(user)
        new = FactChange(
            Finding("profile", "home", "lives in \x1b[2JShanghai", (ref,), 0.9, at=400 * day),
            replaces=(book.facts[0].id,),
        )
        assert await store.put_facts(user, book.version, [new])
        chore = await store.chore(session.id)
        assert chore is not None
        documents = (Document(ref, chore.turns[0].at, document_terms(chore.turns[0])),)
        version = (await store.facts(user)).version
        assert await store.keep(chore, Kept(1, user, version, documents))

    asyncio.run(on(url, fill))


@pytest.mark.usefixtures("known")
def test_facts_are_listed_with_their_dates_and_sources(run: Run) -> None:
    code, out, _ = run("memory", "list", "--user", "embed/alice")
    heading, line = out.splitlines()
    assert code == 0
    assert heading.split() == ["no.", "last", "said", "kind", "sure", "turns", "fact"]
    assert line.split() == [
        "2",
        "1971-02-05",
        "about",
        "the",
        "person",
        "90%",
        "1.1",
        "lives",
        "in",
        "Shanghai",
    ]
    everything = run("memory", "list", "--user", "embed/alice", "--all")[1].splitlines()
    assert everything[1].endswith("lives in Hangzhou (replaced by #2)")
    [fact] = [
        json.loads(row) for row in run("memory", "list", "--user", "embed/alice", "--json")[1].splitlines()
    ]
    assert (fact["id"], fact["sources"]) == (2, [{"session": 1, "seq": 1}])


@pytest.mark.usefixtures("known")
def test_memory_is_searched(run: Run) -> None:
    code, out, _ = run("memory", "search", "--user", "embed/alice", "where does she live")
    assert code == 0
    assert "lives in Shanghai" in out
    assert "\x1b" not in out
    hits = [
        json.loads(r)
        for r in run("memory", "search", "--user", "embed/alice", "机密", "--json")[1].splitlines()
    ]
    assert [hit["ref"] for hit in hits] == [{"session": 1, "seq": 1}]


def test_where_nothing_is_known_it_is_said(run: Run) -> None:
    assert run("memory", "list", "--user", "42") == (0, "Nothing is known about telegram/42.\n", "")
    assert run("memory", "search", "--user", "42", "cats") == (0, "Nothing was found.\n", "")
    assert run("memory", "search", "--user", "42", "cats", "--limit", "0")[0] == 2
