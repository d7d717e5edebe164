"""How a platform is told who asks."""

from __future__ import annotations

from typing import Protocol

from pydantic import SecretStr

Headers = list[tuple[str, str]]


class Auth(Protocol):
    """Puts a proof of identity on each attempt of a request."""

    async def prove(self, method: str, url: str) -> tuple[str, Headers, str]:
        """URL and headers for one attempt, and the token in them (empty if it is not one)."""
        ...

    async def renew(self, token: str) -> bool:
        """Replaces a token that was refused; False: there is nothing to replace."""
        ...

    async def aclose(self) -> None:
        """Ends what is under way."""
        ...


class BearerKey:
    """A key that is good for long, as bearer; `None`: a server that asks for none."""

    def __init__(self, key: SecretStr | None) -> None:
        self._key = key

    async def prove(self, method: str, url: str) -> tuple[str, Headers, str]:
        """Adds the header."""
        if self._key is None:
            return url, [], ""
        return url, [("Authorization", f"Bearer {self._key.get_secret_value()}")], ""

    async def renew(self, token: str) -> bool:
        """There is nothing to replace."""
        return False

    async def aclose(self) -> None:
        """Nothing is open."""
