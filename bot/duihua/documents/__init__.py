"""The text of documents: plain text here, PDF and Office in a process of their own.

`reading` decides and bounds, `decoding` finds the encoding of plain text, `child` runs `parsing`, which is a
program of its own and imports nothing of duihua.
"""

from __future__ import annotations

from duihua.documents.reading import Extract, Limits, read_document, read_file

__all__ = ["Extract", "Limits", "read_document", "read_file"]
