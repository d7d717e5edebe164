"""Small real documents, and hostile ones."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pypdf import PdfWriter
from pypdf.generic import ArrayObject, DecodedStreamObject, DictionaryObject, NameObject


def pdf(*pages: str, password: str = "", drawing: bytes = b"") -> bytes:
    """A page for each text, Chinese or not; `drawing` stands behind the last."""
    writer = PdfWriter()
    add: Any = writer._add_object
    inner = _named(Type="/Font", Subtype="/CIDFontType0", BaseFont="/STSong-Light")
    font = _named(Type="/Font", Subtype="/Type0", BaseFont="/STSong-Light", Encoding="/GBK-EUC-H")
    font[NameObject("/DescendantFonts")] = ArrayObject([add(inner)])
    fonts = DictionaryObject({NameObject("/F1"): add(font)})
    for text in pages:
        page = writer.add_blank_page(595, 842)
        page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
        content = DecodedStreamObject()
        words = f"BT /F1 12 Tf 50 700 Td <{text.encode('gbk').hex()}> Tj ".encode()
        content.set_data(words + (drawing if text is pages[-1] else b"") + b"ET")
        page[NameObject("/Contents")] = add(content.flate_encode())
    if password:
        writer.encrypt(password, algorithm="AES-256")
    return _saved(writer.write)


def _named(**names: str) -> DictionaryObject:
    return DictionaryObject({NameObject(f"/{key}"): NameObject(name) for key, name in names.items()})


def docx() -> bytes:
    import docx

    document = docx.Document()
    document.add_heading("Plan")
    document.add_paragraph("我们周五见。")
    table = document.add_table(2, 2)
    for cell, text in zip((c for row in table.rows for c in row.cells), "abcd", strict=True):
        cell.text = text
    return _saved(document.save)


def xlsx() -> bytes:
    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "销售"
    sheet.append(["城市", "数量", None])
    sheet.append(["北京", 3])
    book.create_sheet("empty")
    return _saved(book.save)


def pptx() -> bytes:
    from pptx import Presentation
    from pptx.util import Inches

    deck = Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[5])
    slide.shapes.title.text = "Roadmap"
    box = slide.shapes.add_group_shape().shapes.add_textbox(*(Inches(1),) * 4)
    box.text_frame.text = "二〇二六"
    slide.notes_slide.notes_text_frame.text = "say hello"
    return _saved(deck.save)


def bomb() -> bytes:
    """A docx that unpacks to more than any bound, by its own account."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("word/document.xml", "<a/>")
        file.infolist()[0].file_size = 201 << 20
    return out.getvalue()


def endless_pdf() -> bytes:
    """A page of two million commands."""
    return pdf("a", drawing=b"1 0 0 1 0 0 Tm <61> Tj " * 2_000_000)


def thief(path: Path) -> bytes:
    """A docx that asks its reader for a file of this machine."""
    with zipfile.ZipFile(io.BytesIO(docx())) as file:
        members = {name: file.read(name) for name in file.namelist()}
    text = members["word/document.xml"].decode()
    head, _, rest = text.partition("?>")
    entity = f'?><!DOCTYPE d [<!ENTITY x SYSTEM "{path.as_uri()}">]>'
    members["word/document.xml"] = (head + entity + rest.replace("我们周五见。", "[&x;]")).encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name, data in members.items():
            file.writestr(name, data)
    return out.getvalue()


def _saved(save: Callable[[Any], Any]) -> bytes:
    out = io.BytesIO()
    save(out)
    return out.getvalue()
