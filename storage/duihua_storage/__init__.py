"""Keeps conversations: tables, transactions, migrations. No policy."""
