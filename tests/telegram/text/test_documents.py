"""The short form of `python -m tests.telegram.documents`."""

from __future__ import annotations

from tests.telegram.documents import run


def test_generated_documents_are_whole_valid_and_explained() -> None:
    differences, bad = run(50, seed=6)
    assert bad == []
    assert len(differences) >= 6
