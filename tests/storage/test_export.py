import base64
import json

import pytest

from duihua.errors import NotFound
from duihua.messages import Attachment, Author, Text, Usage, call_id
from duihua_storage import SqlStore
from tests.leftovers import run
from tests.storage.talk import at, calling, end, queue, said, say, sends, talk

BOB = {"author": Author(0, "Bob"), "external": "bob"}
FILE = Attachment("file1", "image", "image/png", b"\x89PNG bytes", "小猫.png")


async def fill(store: SqlStore, url: str) -> int:
    """A person with a word in every place; returns users.id."""
    work = await say(
        store, "第一句", author=Author(0, "Alice"), attachments=(FILE,), parts=(Text("第一句"), FILE.part)
    )
    ref = work.fence.ref
    step = calling(ref, "running", text="让我看看")
    await store.step(work.fence, 0, step, usage=Usage(7, 3))
    await store.call(work.fence, call_id(ref, 0, 0), "done", "晴天")
    await end(store, work, "答案", number=1, sends=sends("要送的"), error="")
    await store.move_head(1, 0)
    await talk(store, "another branch")
    await queue(store, "还在等")
    await store.settings(1, {"persona": "default"})
    run(url, "UPDATE sessions SET title = ? WHERE id = 1", "标题")
    run(
        url,
        "INSERT INTO notes (session_id, upto, level, first, covers, content, by, at) "
        "VALUES (1, 1, 0, 1, ?, ?, 'extract', 1000)",
        *(b"[[1,1]]", "笔记".encode()),
    )
    for owner, text in ((1, "喜欢猫"), (-1, "群里的事")):
        run(
            url,
            "INSERT INTO facts (owner_id, kind, subject, content, first_seen, last_seen) "
            "VALUES (?, 'preference', 'like', ?, 86400000, 86400001)",
            *(owner, text.encode()),
        )
    run(url, "UPDATE facts SET superseded_by = 99 WHERE id = 1")
    run(url, "INSERT INTO fact_sources (fact_id, session_id, seq) VALUES (1, 1, 1)")
    run(
        url,
        "INSERT INTO vectors (session_id, seq, model, owner_id, vector) VALUES (1, 1, 'm', 1, ?)",
        b"1234",
    )
    run(url, "INSERT INTO links (code, user_id, expires) VALUES ('hash', 1, 5000)")
    run(
        url,
        "INSERT INTO reminders (session_id, owner_id, due, tz, body, state) "
        "VALUES (1, 1, 2000, 'UTC', ?, 'armed')",
        "起床".encode(),
    )
    task = await store.new_task("main", 1, "chat", "zhipu", "glm")
    await store.settle_task(task, "done", result=b'{"text":"done"}')
    await store.arrive(
        "terminal/1", [("9", "home", '{"text": "刚到"}'.encode()), ("10", "bob", b"bob's own")]
    )
    await store.ensure(at("group"), "bob", "Bob")
    await talk(store, "bob's own", chat="group", **BOB)
    await talk(store, "in bob's group", chat="group", author=Author(0, "Alice"), external="home")
    user = await store.user("main", "terminal", "home")
    assert user is not None
    return user


async def test_an_export_holds_everything_of_a_person(store: SqlStore, database_url: str) -> None:
    data = await store.export(await fill(store, database_url))
    assert json.loads(json.dumps(data)) == data  # plain data alone
    [session] = data["sessions"]
    first, second = session["turns"]
    [asked, answered] = first["steps"]
    assert first["input"][0] == {"t": "text", "text": "第一句"}
    assert (first["author"], first["own"], second["parent"]) == ("Alice", True, 0)
    assert first["started"].endswith("Z")
    [call] = asked["calls"]
    assert (call["id"], call["arguments"], call["result"], call["state"]) == (
        "1.1.0.0",
        '{"a": 1}',
        "晴天",
        "done",
    )
    assert (asked["usage"]["input"], answered["parts"][0]["text"]) == (7, "答案")
    [file] = first["attachments"]
    assert (file["name"], file["mime"], file["size"]) == ("小猫.png", "image/png", len(FILE.data))
    assert "base64" not in file
    assert (session["title"], session["settings"]) == ("标题", {"persona": "default"})
    assert [(n["text"], n["covers"]) for n in session["notes"]] == [("笔记", [[1, 1]])]
    assert [i["parts"][0]["text"] for i in session["inputs"] if i["state"] == "pending"] == ["还在等"]
    assert [s["body"] for s in session["outbox"]] == ["要送的"]
    assert [f["text"] for f in session["facts"]] == ["群里的事"]
    [fact] = data["facts"]
    assert (fact["text"], fact["first_seen"]) == ("喜欢猫", "1970-01-02T00:00:00.000Z")
    assert (fact["sources"], fact["superseded_by"]) == ([{"session": 1, "turn": 1}], 99)
    assert data["person"]["identities"] == [{"front": "terminal", "external": "home", "name": "Alice"}]
    assert data["derived"]["embeddings"] == {"m": 1}
    assert [r["body"] for r in data["reminders"]] == ["起床"]
    assert [t["result"] for t in data["tasks"]] == [{"text": "done"}]
    assert [(a["key"], a["body"]) for a in data["arrivals"]] == [("9", {"text": "刚到"})]
    assert sum(u["turns"] for u in data["usage"]) == 2  # that in the group is counted for its owner
    assert data["person"]["link_codes"] == [{"expires": "1970-01-01T00:00:05.000Z"}]


async def test_of_others_sessions_an_export_holds_the_person_s_own_turns(
    store: SqlStore, database_url: str
) -> None:
    data = await store.export(await fill(store, database_url))
    [group] = data["elsewhere"]
    [turn] = group["turns"]
    assert turn["input"][0]["text"] == "in bob's group"
    assert turn["steps"][0]["parts"][0]["text"] == "re: in bob's group"
    assert "bob's own" not in json.dumps(data)
    assert "hash" not in json.dumps(data)  # a code that joins identities is nobody's to read


async def test_attachments_come_with_their_bytes_when_asked_for(store: SqlStore, database_url: str) -> None:
    user = await fill(store, database_url)
    waits = said("", "group", attachments=(FILE2,), parts=(FILE2.part,), author=Author(user))
    await store.accept(waits)
    data = await store.export(user, files=True)
    [file] = data["sessions"][0]["turns"][0]["attachments"]
    assert base64.b64decode(file["base64"]) == FILE.data
    [waiting] = [i for i in data["elsewhere"][0]["inputs"] if i["state"] == "pending"]
    assert base64.b64decode(waiting["attachments"][0]["base64"]) == FILE2.data


FILE2 = Attachment("file2", "image", "image/png", b"\x89PNG more", "b.png")


async def test_an_unknown_person_has_no_export(store: SqlStore) -> None:
    with pytest.raises(NotFound):
        await store.export(7)


async def test_a_running_turn_and_odd_times_are_exported(store: SqlStore, database_url: str) -> None:
    work = await say(store, "a\ud800b")
    await store.partial(work.fence, "bis hier")
    run(database_url, "UPDATE turns SET ended = ?", 1 << 60)
    [session] = (await store.export(work.owner))["sessions"]
    [turn] = session["turns"]
    assert (turn["partial"], turn["state"], turn["ended"][:4]) == ("bis hier", "running", "9999")
