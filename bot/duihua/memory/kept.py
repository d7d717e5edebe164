"""Caches of what is worked out of people's words: what they hold goes when something is forgotten."""

from __future__ import annotations

from typing import Protocol, TypeVar


class _Cache(Protocol):
    def cache_clear(self) -> None: ...


C = TypeVar("C", bound=_Cache)
_CACHES: list[_Cache] = []


def kept(cache: C) -> C:
    """Makes `forget` reach a cached function whose arguments or results are words of people."""
    _CACHES.append(cache)
    return cache


def forget() -> None:
    """Drops all that such functions keep; it is worked out anew when it is wanted."""
    for cache in _CACHES:
        cache.cache_clear()
