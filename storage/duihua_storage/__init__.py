"""Keeps conversations: tables, transactions, migrations. No policy."""

from __future__ import annotations

from duihua_storage.inspection import Inspection, inspect, stored
from duihua_storage.revision import upgrade
from duihua_storage.store import SqlStore, open_store

__all__ = ["Inspection", "SqlStore", "inspect", "open_store", "stored", "upgrade"]
