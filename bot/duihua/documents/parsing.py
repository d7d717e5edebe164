"""A program that takes the text out of a PDF or Office file; `child` runs it, one process for each file.

    python -I parsing.py pdf|office PAGES CHARACTERS SECONDS MEMORY < file > answer

The answer is JSON: `{"text", "pages", "cut"}` or `{"error": code}`. Before it looks at the file it gives up
what a hostile one could use: it can open nothing any more, no file and no connection, start nothing, and has
so many seconds of the processor and so many bytes of memory. It imports nothing of duihua.
"""

from __future__ import annotations

import codecs
import importlib
import io
import json
import os
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

UNPACKED = 200 << 20
"""Bytes that the members of an Office file may have together."""
MEMBERS = 10_000
ROWS = 100_000
"""Rows that are looked at in one sheet."""
DEEP = 20
"""Groups within groups on a slide."""

# What ZIP, XML and fonts are written in; nothing can be loaded later.
_CODECS = (
    "ascii utf-8 utf-8-sig utf-16 utf-16-be utf-16-le utf-32 utf-32-be latin-1 cp437 cp1250 cp1251 cp1252"
    " mac_roman charmap gbk gb2312 gb18030 big5 cp950 cp932 shift_jis euc_jp euc_kr cp949 unicode_escape"
)


class Refused(Exception):
    """The file is not read; the text is the code that says why."""


class Page:
    """The text so far, bounded."""

    def __init__(self, most: int) -> None:
        self._left, self._texts = most, list[str]()
        self.cut = False

    def add(self, text: str) -> bool:
        """Adds a line or more; False: there is no more room."""
        text = text.replace("\0", "")
        if len(text) > self._left:
            text, self.cut = text[: self._left], True
        self._left -= len(text) + 1
        self._texts.append(text)
        if self._left <= 0:
            self.cut = True
        return not self.cut

    def text(self) -> str:
        """All of it."""
        return "\n".join(self._texts).strip()


Read = Callable[[bytes, int, Page], int]


def pdf() -> Read:
    """A reader of PDF, after its library has been loaded."""
    import pypdf
    from pypdf.errors import DependencyError, FileNotDecryptedError, LimitReachedError, WrongPasswordError

    for name in ("pypdf._codecs.core_font_metrics", "pypdf.filters", "pypdf.xmp"):
        importlib.import_module(name)  # else done when first needed, which is too late

    def read(data: bytes, pages: int, page: Page) -> int:
        try:
            reader = pypdf.PdfReader(io.BytesIO(data))
            if reader.is_encrypted and not reader.decrypt(""):
                raise Refused("encrypted")
            total, number, found = len(reader.pages), 0, False
            for number in range(1, min(total, pages) + 1):
                text = reader.pages[number - 1].extract_text().strip()
                found = found or bool(text)
                if text and not page.add(f"[page {number}]\n{text}\n"):
                    break
        except (FileNotDecryptedError, WrongPasswordError, DependencyError):
            raise Refused("encrypted") from None
        except LimitReachedError:
            raise Refused("too_complex") from None
        if not found:
            raise Refused("no_text")
        page.cut = page.cut or number < total
        return number

    return read


def office() -> Read:
    """A reader of docx, xlsx and pptx; which one it is, the file tells."""
    kinds = {"word/document.xml": docx, "xl/workbook.xml": xlsx, "ppt/presentation.xml": pptx}
    missing = list[str]()
    loaded = dict[str, Read]()
    for member, load in kinds.items():
        try:
            loaded[member] = load()
        except ImportError:
            missing.append(member)

    def read(data: bytes, pages: int, page: Page) -> int:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            members = file.infolist()
        if len(members) > MEMBERS or sum(member.file_size for member in members) > UNPACKED:
            raise Refused("too_complex")
        names = {member.filename for member in members}
        for member in kinds:
            if member in names:
                if member in missing:
                    raise Refused("no_reader")
                count = loaded[member](data, pages, page)
                if not page.text():
                    raise Refused("no_text")
                return count
        raise Refused("not_text")

    return read


def docx() -> Read:
    """A reader of Word's files; their pages are not known."""
    from docx import Document
    from docx.table import Table

    def read(data: bytes, pages: int, page: Page) -> int:
        for block in Document(io.BytesIO(data)).iter_inner_content():
            if isinstance(block, Table):
                rows = ([cell.text for cell in row.cells] for row in block.rows)
                if not all(page.add(_row(cells)) for cells in rows):
                    break
            elif block.text.strip() and not page.add(block.text):
                break
        return 0

    return read


def xlsx() -> Read:
    """A reader of Excel's files; a page is a sheet."""
    from openpyxl import load_workbook

    def read(data: bytes, pages: int, page: Page) -> int:
        book: Any = load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        sheets: list[Any] = list(book.worksheets)
        for sheet in sheets[:pages]:
            sheet.reset_dimensions()  # what a file says of its size may be a lie
            if not _sheet(sheet, page):
                break
        page.cut = page.cut or len(sheets) > pages
        return min(len(sheets), pages)

    return read


def _sheet(sheet: Any, page: Page) -> bool:
    named = False
    for number, values in enumerate(sheet.iter_rows(values_only=True)):
        if number >= ROWS:
            page.cut = True
            return True
        line = _row("" if value is None else str(value) for value in values)
        if not line:
            continue
        if not named and not page.add(f"[sheet {sheet.title}]"):
            return False
        named = True
        if not page.add(line):
            return False
    return True


def pptx() -> Read:
    """A reader of PowerPoint's files; a page is a slide."""
    from pptx import Presentation

    def read(data: bytes, pages: int, page: Page) -> int:
        slides = list(Presentation(io.BytesIO(data)).slides)
        number = 0
        for number, slide in enumerate(slides[:pages], 1):
            lines = [line for line in _shapes(slide.shapes, DEEP) if line.strip()]
            if slide.has_notes_slide and (frame := slide.notes_slide.notes_text_frame) is not None:
                lines += [f"[notes] {frame.text}"] if frame.text.strip() else []
            if lines and not page.add(f"[slide {number}]\n" + "\n".join(lines) + "\n"):
                break
        page.cut = page.cut or number < len(slides)
        return number

    return read


def _shapes(shapes: Iterable[Any], deep: int) -> Iterator[str]:
    for shape in shapes:
        if shape.has_text_frame:
            yield shape.text_frame.text
        elif shape.has_table:
            yield from (_row(cell.text for cell in row.cells) for row in shape.table.rows)
        elif deep and hasattr(shape, "shapes"):
            yield from _shapes(shape.shapes, deep - 1)


def _row(cells: Iterable[str]) -> str:
    """The cells of a row as one line, without the empty ones at its end."""
    return " | ".join(" ".join(cell.split()) for cell in cells).rstrip(" |")


def give_up(seconds: int, memory: int) -> None:
    """Leaves what a file could be after; all that is needed must have been loaded."""
    if sys.platform == "win32":
        return
    import resource

    wanted = {
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_AS: memory,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NPROC: 0,
        resource.RLIMIT_NOFILE: 3,  # standard streams, nothing beyond
    }
    for limit, value in wanted.items():
        with suppress(ValueError, OSError):  # a stricter one is set already, or this system has none such
            resource.setrlimit(limit, (value, value))


def main(kind: str, pages: int, characters: int, seconds: int, memory: int) -> dict[str, Any]:
    """Reads standard input."""
    page = Page(characters)
    try:
        with suppress(OSError):
            os.nice(5)
        for name in _CODECS.split():
            codecs.lookup(name)
        try:
            read = {"pdf": pdf, "office": office}[kind]()
        except ImportError:
            raise Refused("no_reader") from None
        give_up(seconds, memory)
        count = read(sys.stdin.buffer.read(), pages, page)
    except Refused as e:
        return {"error": str(e)}
    except (MemoryError, RecursionError):
        return {"error": "too_complex"}
    except Exception as e:  # whatever a broken file makes of a library
        return {"error": "broken", "reason": type(e).__name__}
    return {"text": page.text(), "pages": count, "cut": page.cut}


if __name__ == "__main__":
    out, sys.stdout = sys.stdout, sys.stderr  # libraries may write to it
    answer = main(sys.argv[1], *(int(value) for value in sys.argv[2:6]))
    out.buffer.write(json.dumps(answer, ensure_ascii=False).encode("utf-8", "replace"))
    out.buffer.flush()
    os._exit(0)  # what is left is of no use, and taking it apart may take long
