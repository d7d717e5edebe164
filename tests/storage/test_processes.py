import asyncio
import sys
from itertools import pairwise
from pathlib import Path

from tests.leftovers import run

INPUTS, SESSIONS, PROCESSES = 400, 4, 2


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
