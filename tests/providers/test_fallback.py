from __future__ import annotations

import pytest

from duihua.errors import ProviderError
from duihua.providers.fallback import FAILURES, LONGEST_PAUSE, PAUSE, Circuits, Health, dump, load, names
from tests.providers.conftest import Clock


def down(category: str = "overloaded", status: int = 503) -> ProviderError:
    return ProviderError(
        "their own words",
        category=category,
        http_status=status,
        vendor_code="17",  # type: ignore[arg-type]
    )


@pytest.fixture
def changes() -> list[str]:
    return []


@pytest.fixture
def circuits(clock: Clock, changes: list[str]) -> Circuits:
    return Circuits(clock=clock, changed=changes.append)


def fail(circuits: Circuits, times: int = FAILURES) -> None:
    for _ in range(times):
        circuits.failed("p", down())


@pytest.mark.parametrize(
    ("text", "parts"),
    [("a/x", ("a/x",)), (" a/x , b/y,,a/x ", ("a/x", "b/y")), ("", ("",)), (" , ", ("",))],
)
def test_a_list_of_models_is_read(text: str, parts: tuple[str, ...]) -> None:
    assert names(text) == parts


def test_failures_in_a_row_open_it_and_others_stay_closed(circuits: Circuits, changes: list[str]) -> None:
    fail(circuits, FAILURES - 1)
    assert circuits.admits("p")
    assert changes == []
    fail(circuits, 1)
    assert not circuits.admits("p")
    assert circuits.admits("q")
    assert changes == ["p"]
    assert circuits.health("q") == Health("q")


def test_an_answer_between_them_begins_the_count_anew(circuits: Circuits) -> None:
    fail(circuits, FAILURES - 1)
    circuits.answered("p")
    fail(circuits, FAILURES - 1)
    assert circuits.admits("p")


@pytest.mark.parametrize("category", ["bad_request", "auth", "moderation_input", "quota_exhausted"])
def test_a_refusal_is_an_answer(circuits: Circuits, category: str) -> None:
    fail(circuits, FAILURES - 1)
    circuits.failed("p", down(category, 400))
    assert circuits.health("p") == Health("p")


def test_our_own_limit_says_nothing_about_the_platform(circuits: Circuits) -> None:
    for _ in range(9):
        circuits.failed("p", down("rate_limited", 0))
    assert circuits.admits("p")


def test_after_the_pause_one_request_probes(circuits: Circuits, clock: Clock, changes: list[str]) -> None:
    fail(circuits)
    clock.now += PAUSE
    assert [circuits.admits("p") for _ in range(3)] == [True, False, False]
    assert circuits.health("p").state == "half_open"
    circuits.answered("p")
    assert circuits.admits("p")
    assert changes == ["p", "p"]


def test_each_failed_probe_doubles_the_pause_up_to_ten_minutes(circuits: Circuits, clock: Clock) -> None:
    fail(circuits)
    pauses: list[float] = []
    for _ in range(7):
        pauses.append(circuits.health("p").retry_at / 1000 - clock.now)
        clock.now += pauses[-1]
        assert circuits.admits("p")
        fail(circuits, 1)
        assert not circuits.admits("p")
    assert pauses == [30, 60, 120, 240, 480, 600, 600]
    assert max(pauses) == LONGEST_PAUSE


def test_failures_of_requests_that_were_on_their_way_do_not_lengthen_it(
    circuits: Circuits, clock: Clock, changes: list[str]
) -> None:
    fail(circuits, 20)
    assert circuits.health("p").retry_at == (clock.now + PAUSE) * 1000
    assert changes == ["p"]


def test_a_probe_that_is_never_heard_of_is_followed_by_another(circuits: Circuits, clock: Clock) -> None:
    fail(circuits)
    clock.now += PAUSE
    assert circuits.admits("p")
    clock.now += PAUSE
    assert circuits.admits("p")


def test_its_health_names_the_failure_without_the_platforms_words(circuits: Circuits, clock: Clock) -> None:
    fail(circuits)
    health = circuits.health("p")
    assert health == Health("p", "open", 3, int((clock.now + 30) * 1000), "overloaded, HTTP 503, 17")
    assert load(dump([health, Health("q")])) == [health, Health("q")]


@pytest.mark.parametrize("data", [None, b"", b"no", b"{}", b'[1, null, {}, {"x": 1}]'])
def test_a_state_of_another_form_is_no_state(data: bytes | None) -> None:
    assert load(data) == []
