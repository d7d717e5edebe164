from __future__ import annotations

import pytest

from duihua.errors import ProviderError
from duihua.providers.credentials import TokenSource
from tests.providers.conftest import Clock


class Issuer:
    """Gives T1, T2, ... for 1000 seconds each."""

    def __init__(self) -> None:
        self.given = 0
        self.down = False

    async def __call__(self) -> tuple[str, float]:
        if self.down:
            raise ProviderError("down", category="network")
        self.given += 1
        return f"T{self.given}", 1000.0


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def source(issuer: Issuer, clock: Clock) -> TokenSource:
    return TokenSource(issuer, clock)


async def test_a_refusal_of_a_token_that_was_replaced_since_fetches_nothing(
    source: TokenSource, issuer: Issuer
) -> None:
    assert await source.get() == "T1"
    await source.renew("T1")
    await source.renew("T1")
    assert await source.get() == "T2"
    assert issuer.given == 2


async def test_an_early_replacement_that_fails_leaves_the_old_token_in_use(
    source: TokenSource, issuer: Issuer, clock: Clock
) -> None:
    await source.get()
    issuer.down = True
    clock.now += 950
    assert await source.get() == "T1"
    issuer.down = False
    assert await source.get() == "T1"
    assert issuer.given == 1
    await source.aclose()
    clock.now += 50
    assert await source.get() == "T2"


async def test_a_failed_first_fetch_is_told_and_tried_again(source: TokenSource, issuer: Issuer) -> None:
    issuer.down = True
    with pytest.raises(ProviderError):
        await source.get()
    issuer.down = False
    assert await source.get() == "T1"
