from pathlib import Path

from tests.soak.__main__ import soak


async def test_a_bot_that_is_killed_among_faults_answers_everything_once(tmp_path: Path) -> None:
    found = await soak(seconds=30, chats=20, seed=20, hostile=True, folder=tmp_path)
    assert found.kills == 2
    assert found.said > 50
    assert not found.bad(), found
