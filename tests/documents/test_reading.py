"""Documents as text: what they say, how much of it, and what is refused without harm."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from duihua.documents import Extract, Limits, child, decoding, read_document, read_file
from duihua.errors import UnsupportedInput
from tests.documents import files

WORDS = "第一行,价格\r\n第二行,三元"


async def refused(data: bytes, name: str = "a.bin", limits: Limits | None = None) -> str:
    with pytest.raises(UnsupportedInput) as caught:
        await read_document(data, name, limits=limits)
    assert name in str(caught.value)
    return caught.value.code


# ---------------------------------------------------------------- plain text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "gb18030"])
async def test_plain_text_is_read_in_its_encoding(encoding: str) -> None:
    found = await read_document(WORDS.encode(encoding), "C:\\tmp\\prices.csv", "text/csv")
    assert found == Extract(WORDS.replace("\r", ""), name="prices.csv")


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("price, name\n".encode("utf-16-le"), "price, name\n"),
        ("price, name\n".encode("utf-16-be"), "price, name\n"),
        ("déjà vu à Paris, le café était là".encode("cp1252"), "déjà vu à Paris, le café était là"),
        (b'{"a": 1}', '{"a": 1}'),
    ],
)
def test_other_encodings_are_known_by_their_bytes(data: bytes, text: str) -> None:
    assert decoding.decoded(data, 1_000) == (text, False)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "gb18030"])
def test_a_long_text_is_cut_between_characters(encoding: str) -> None:
    data = ("汉字𠮷" * 100_000).encode(encoding)
    for most in range(100, 104):
        assert decoding.decoded(data, most) == (("汉字𠮷" * 40)[:most], True)


async def test_what_is_no_text_is_refused() -> None:
    assert await refused(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR") == "not_text"
    assert await refused(bytes(range(256)) * 4) == "not_text"
    assert await refused(b" \n\t ") == "no_text"
    assert await refused(b"a" * 2_000_000, limits=Limits(size=1 << 20)) == "too_large"


# ---------------------------------------------------------------- PDF and Office


async def test_a_pdf_is_read_page_by_page() -> None:
    found = await read_document(files.pdf("Hello", "你好，世界", "more"), "a.pdf", limits=Limits(pages=2))
    assert found == Extract("[page 1]\nHello\n\n[page 2]\n你好，世界", 2, True, "a.pdf")


async def test_office_files_are_told_by_what_they_hold() -> None:
    docx, xlsx, pptx = await asyncio.gather(
        read_document(files.docx(), "a"),
        read_document(files.xlsx(), "b"),
        read_document(files.pptx(), "c", limits=Limits(characters=20)),
    )
    assert docx == Extract("Plan\n我们周五见。\na | b\nc | d", 0, False, "a")
    assert xlsx == Extract("[sheet 销售]\n城市 | 数量\n北京 | 3", 2, False, "b")
    assert pptx == Extract("[slide 1]\nRoadmap\n二〇", 1, True, "c")


async def test_hostile_and_broken_files_end_in_a_code() -> None:
    short = Limits(seconds=1.5)
    codes = await asyncio.gather(
        refused(files.bomb()),
        refused(files.endless_pdf(), limits=short),
        refused(files.pdf("secret", password="p")),
        refused(files.pdf("x")[:200]),
        refused(files.pdf("")),
    )
    assert codes == ["too_complex", "too_complex", "encrypted", "broken", "no_text"]


async def test_a_file_cannot_make_its_reader_open_another(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("unmistakable key")
    found = await read_document(files.thief(tmp_path / "key"), "a.docx")
    assert "unmistakable" not in found.text
    assert "a | b" in found.text


@pytest.mark.parametrize(
    ("act", "code"),
    [
        ("open(__file__)", "broken"),
        ("__import__('socket').socket()", "broken"),
        ("bytearray(1 << 30)", "too_complex"),
    ],
)
async def test_whoever_takes_the_reader_over_gets_nowhere(
    act: str, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "parsing.py"
    source = child._PROGRAM.read_text("utf-8")
    program.write_text(source.replace("        count = read(", f"        {act}; count = read("), "utf-8")
    monkeypatch.setattr(child, "_PROGRAM", program)
    assert await refused(files.pdf("x"), "a.pdf") == code


async def test_old_and_protected_office_files_are_told_apart() -> None:
    ole = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600)
    assert await refused(ole) == "old_office"
    assert await refused(ole + "EncryptedPackage".encode("utf-16-le")) == "encrypted"


async def test_without_its_library_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "parsing.py"
    source = child._PROGRAM.read_text("utf-8")
    program.write_text(
        source.replace("import sys\n", "import sys; sys.modules['pypdf'] = None\n", 1), "utf-8"
    )
    monkeypatch.setattr(child, "_PROGRAM", program)
    with pytest.raises(UnsupportedInput, match=r'pip install "duihua\[files\]"'):
        await read_document(files.pdf("x"), "a.pdf")


async def test_a_reader_dies_with_who_waits_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "stuck.py"
    program.write_text(
        "import os, pathlib, time\n"
        f"pathlib.Path({str(tmp_path / 'pid.new')!r}).write_text(str(os.getpid()))\n"
        f"os.rename({str(tmp_path / 'pid.new')!r}, {str(tmp_path / 'pid')!r})\n"
        "time.sleep(600)\n"
    )
    monkeypatch.setattr(child, "_PROGRAM", program)
    waiting = asyncio.create_task(read_document(files.pdf("x"), "a.pdf"))
    async with asyncio.timeout(30):
        while not (tmp_path / "pid").exists():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


async def test_a_file_of_this_machine_is_read(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("# 笔记", "utf-8")
    assert (await read_file(tmp_path / "notes.md")).text == "# 笔记"
    with pytest.raises(UnsupportedInput) as caught:
        await read_file(tmp_path / "none.md")
    assert caught.value.code == "unreadable"
