from __future__ import annotations

from dataclasses import replace

from duihua.providers.exchange import patience
from duihua.providers.retry import loop_time
from tests.providers.conftest import ask


async def test_with_another_model_behind_a_platform_gets_half_of_the_time_that_is_left() -> None:
    request = ask(seconds=20)
    assert patience(request, 60) == 60
    hurried = replace(request, hurried=True)
    assert 9 < patience(hurried, 60) <= 10
    assert patience(hurried, 5) == 5
    assert patience(replace(hurried, deadline=loop_time()), 60) == 1
