import asyncio
import sys
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import orjson

from duihua.messages import Address
from duihua.reminders import Armed
from duihua_storage import SqlStore
from tests.leftovers import run

INPUTS, SESSIONS, PROCESSES = 400, 4, 2
REMINDERS = 40


async def test_processes_that_share_sessions_answer_each_input_once_and_in_order(database_url: str) -> None:
    script = str(Path(__file__).with_name("hammer.py"))
    children = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, script, database_url, f"p{n}", str(INPUTS), str(SESSIONS)),
            stdout=asyncio.subprocess.PIPE,
        )
        for n in range(PROCESSES)
    ]
    outputs = [(await child.communicate())[0].decode() for child in children]
    assert [child.returncode for child in children] == [0] * PROCESSES
    answered = [tuple(map(int, line.split())) for output in outputs for line in output.splitlines()]
    assert len(answered) == len(set(answered)) == INPUTS * PROCESSES  # none lost, none twice
    for session in {row[0] for row in answered}:
        turns = sorted((seq, inbox) for at, seq, inbox in answered if at == session)
        assert all(one[1] < two[1] for one, two in pairwise(turns))  # in the order of arrival
        assert [seq for seq, _ in turns] == list(range(1, len(turns) + 1))
    assert run(database_url, "SELECT DISTINCT state, attempt FROM turns") == [("done", 1)]
    assert run(database_url, "SELECT DISTINCT state FROM inbox") == [("done",)]
    assert run(database_url, "SELECT DISTINCT pending, due, lease_owner FROM sessions") == [(0, None, None)]
    assert run(database_url, "SELECT sum(turns), sum(input) FROM usage") == [
        (INPUTS * PROCESSES, INPUTS * PROCESSES * 2)
    ]


async def test_reminders_fire_exactly_once_though_processes_are_killed(database_url: str) -> None:
    store = SqlStore(database_url)
    await store.open()
    session = await store.ensure(Address("post", "a"))
    body = orjson.dumps({"text": "call Ann", "start": "2025-03-07T08:00:00"})
    again = {"": "fired", "FREQ=DAILY": "armed"}
    for number in range(REMINDERS):
        rule = list(again)[number % 2]
        await store.arm(
            Armed(0, session.id, session.owner, 1_741_300_000_000 + number, rule, "", body), most=1_000
        )
    script = str(Path(__file__).with_name("ringer.py"))

    async def ringer(kill_after: int) -> None:
        child = await asyncio.create_subprocess_exec(
            sys.executable, script, database_url, stdout=asyncio.subprocess.PIPE
        )
        assert child.stdout is not None
        for _ in range(kill_after):
            if not await child.stdout.readline():
                break
        if kill_after:
            with suppress(ProcessLookupError):
                child.kill()  # while it fires the next one
        await child.communicate()

    await asyncio.gather(ringer(12), ringer(0))
    fired = run(database_url, "SELECT seq, count(*), min(part), max(part) FROM outbox GROUP BY seq")
    assert len(fired) == REMINDERS
    assert {(count, first, last) for _, count, first, last in fired} == {(1, 0, 0)}  # none lost, none twice
    states = run(database_url, "SELECT DISTINCT rule, state FROM reminders")
    assert sorted(states) == sorted(again.items())
    await store.aclose()
