"""Files for the user, saved below the current folder, beside those that are there."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

FOLDER = "duihua-files"
"""Below the current folder: where images and files of skills are saved."""


def save(wanted: Path, data: bytes) -> Path:
    """Writes a file that nobody else may read; where it is: with a number in its name if that was taken.

    Raises:
        OSError: it cannot be written.
    """
    wanted.parent.mkdir(parents=True, exist_ok=True)
    path = wanted
    for number in itertools.count(2):
        try:
            with open(path, "xb", opener=_own) as file:
                file.write(data)
            break
        except FileExistsError:
            path = wanted.with_stem(f"{wanted.stem}-{number}")
    return path


def _own(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
