"""Keeps conversations: tables, transactions, migrations. No policy."""

from __future__ import annotations

from duihua_storage.revision import upgrade
from duihua_storage.store import SqlStore, open_store

__all__ = ["SqlStore", "open_store", "upgrade"]
