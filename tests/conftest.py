"""Fixtures for all tests. Two databases, both real; nothing reaches beyond loopback."""

from __future__ import annotations
