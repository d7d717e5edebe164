"""`duihua skills ...`"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from duihua import cli, skill_check, skill_commands

ROOT = Path(__file__).parent.parent
DICE = '''from pydantic import BaseModel, Field, SecretStr

from duihua import AskUser, Context, skill
from duihua.ports import Rate


class Settings(BaseModel):
    sides: int = Field(6, description="of the die")
    token: SecretStr
    password: str = ""


@skill(effect="write", confirm={confirm}, hosts=("dice.example",), rate=Rate(3), settings=Settings)
def dice(n: int, ctx: Context) -> str:
    """Throws a die n times."""
    ctx.progress("rolling")
    if n > 9 and not ctx.approved:
        raise AskUser("So many?")
    return f"{{n}} x {{ctx.settings.sides}}"
'''
PLOT = '''from duihua import Attachment, skill


@skill(effect="read")
def plot() -> list[object]:
    """Draws a curve."""
    return ["drawn", Attachment("", "file", "text/csv", b"x,y", "curve.csv")]
'''
SETTINGS = {
    "DUIHUA_SKILL_DICE_SIDES": "20",
    "DUIHUA_SKILL_DICE_TOKEN": "hidden-one",
    "DUIHUA_SKILL_DICE_PASSWORD": "hidden-two",
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "skills").mkdir()
    values = {"DUIHUA_LANG": "en", "DUIHUA_SKILLS_DIR": "skills", "DUIHUA_SKILLS": "clock,dice", **SETTINGS}
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    write("dice", DICE.format(confirm="False"))
    return tmp_path


def write(name: str, code: str) -> None:
    Path(f"skills/{name}.py").write_text(code)


def shown(*arguments: str, capsys: pytest.CaptureFixture[str], code: int = 0) -> tuple[str, str]:
    assert cli.main(["skills", *arguments]) == code
    return capsys.readouterr()


def program(*arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "duihua", "skills", *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
        **more,
    )


def test_what_there_is_is_listed_and_only_what_is_named_is_imported(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write("other", "raise SystemExit('imported')")
    out, err = shown("list", "--json", capsys=capsys)
    rows = {row["name"]: row for row in map(json.loads, out.splitlines())}
    assert (rows["dice"]["effect"], rows["dice"]["state"]) == ("write", "loaded")
    assert rows["dice"]["origin"] == str(Path("skills/dice.py").absolute())
    assert (rows["other"]["effect"], rows["other"]["state"]) == ("", "idle")
    assert (rows["clock"]["state"], rows["weather"]["state"]) == ("loaded", "idle")
    assert err == ""


@pytest.mark.parametrize(("lang", "words"), [("zh", ("有错", "未写入设置")), ("en", ("broken", "not named"))])
def test_a_broken_skill_is_in_the_list(
    lang: str, words: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUIHUA_LANG", lang)
    write("dice", "import nothing_of_the_kind\n")
    out, err = shown("list", capsys=capsys)
    assert all(word in out for word in words)
    assert "dice" in err
    assert "nothing_of_the_kind" in err
    assert "cli.skills" not in out + err


@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_all_about_a_skill_is_shown_but_its_secrets(
    as_json: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    out, _ = shown("show", "dice", *as_json, capsys=capsys)
    for fact in ("Throws a die", "dice.example", "30", "DUIHUA_SKILL_DICE_SIDES", "20", "of the die", '"n"'):
        assert fact in out
    assert "DUIHUA_SKILL_DICE_TOKEN" in out
    assert "hidden-" not in out
    assert not (as_json and json.loads(out)["confirm"] != "never")


@pytest.mark.parametrize(
    ("confirm", "told"), [("True", "always"), ("False", "never"), ("lambda a: a['n'] > 1", "some")]
)
def test_when_it_asks_is_shown(confirm: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    write("dice", DICE.format(confirm=confirm))
    assert json.loads(shown("show", "dice", "--json", capsys=capsys)[0])["confirm"] == told


def test_an_unknown_skill_is_told_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    _, err = shown("show", "dise", capsys=capsys, code=2)
    assert "dise" in err
    assert "dice" in err.replace("dise", "")


def test_a_call_goes_through_the_real_turn(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    out, err = shown("run", "dice", '{"n": 2}', capsys=capsys)
    assert (out, "rolling" in err) == ("2 x 20\n", True)
    assert not (here / "duihua.db").exists()
    _, err = shown("run", "dice", '{"m": 2}', capsys=capsys, code=1)
    assert "there is no such argument" in err


def test_what_a_skill_brings_is_saved_and_told(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    write("plot", PLOT)
    for _ in range(2):
        out, err = shown("run", "plot", capsys=capsys)
        assert out.startswith("drawn\n")
    assert "curve.csv" in err
    assert "text/csv" in err
    assert "3 B" in err
    assert "duihua-files/curve-2.csv" in err
    assert (here / "duihua-files" / "curve-2.csv").read_bytes() == b"x,y"
    shown("run", "plot", "--out", "a/b", capsys=capsys)
    assert [path.name for path in (here / "a" / "b").iterdir()] == ["curve.csv"]
    (here / "file").write_text("")
    _, err = shown("run", "plot", "--out", "file", capsys=capsys, code=1)
    assert "cannot be written" in err


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 1)])
@pytest.mark.parametrize(("confirm", "n"), [("True", 2), ("False", 12)], ids=["confirm", "AskUser"])
def test_consent_is_asked_on_a_terminal(
    confirm: str,
    n: int,
    answer: str,
    code: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write("dice", DICE.format(confirm=confirm))
    monkeypatch.setattr(skill_commands, "_can_ask", lambda: True)
    monkeypatch.setattr("builtins.input", lambda prompt: answer)
    out, err = shown("run", "dice", json.dumps({"n": n}), capsys=capsys, code=code)
    assert out == (f"{n} x 20\n" if answer == "y" else "")
    assert f"• n: {n}\n" in err
    assert ("So many?" in err) == (n == 12)


def test_without_a_terminal_it_is_refused() -> None:
    write("dice", DICE.format(confirm="True"))
    done = program("run", "dice", '{"n": 2}')
    assert (done.returncode, done.stdout) == (1, "")
    assert "consent" in done.stderr
    assert "rolling" not in done.stderr


def test_a_new_package_passes_its_own_tests(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = shown("new", "flip-it", capsys=capsys)
    root = here / "flip-it-skill"
    assert "duihua skills test flip-it-skill" in out
    project = tomllib.loads((root / "pyproject.toml").read_text())
    assert project["project"]["entry-points"]["duihua.skills"] == {"flip_it": "flip_it_skill:flip_it"}
    assert all("flip_it" in (root / name).read_text() for name in ("README.md", "README.zh-CN.md"))
    assert "$" not in "".join(path.read_text() for path in root.rglob("*.*"))
    done = program("test", "flip-it-skill", env={**os.environ, "PYTHONWARNINGS": "ignore"})
    assert (done.returncode, "flip_it loads." in done.stdout, "3 passed" in done.stdout) == (0, True, True)
    _, err = shown("new", "flip_it", capsys=capsys, code=2)
    assert "exists" in err


@pytest.mark.parametrize("name", ["class", "../x", "1st", "Ab", "a" * 60, ""])
def test_a_name_that_is_none_writes_nothing(
    name: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["skills", "new", name]) == 2
    assert [path.name for path in here.iterdir()] == ["skills"]


def test_a_skill_without_tests_is_loaded_and_judged(capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = shown("test", "skills/dice.py", capsys=capsys)
    assert "dice loads." in out
    assert "told nothing about: n" in out
    assert "no tests" in out
    write("dice", "from duihua import skill\n\n@skill\ndef dice(n):\n    'Throws.'\n")
    _, err = shown("test", "skills/dice.py", capsys=capsys, code=1)
    assert "parameter 'n' has no annotation" in err
    assert "dice.py:3" in err


def test_the_tests_of_a_file_are_those_named_like_it(here: Path) -> None:
    write("test_dice", "")
    write("test_other", "")
    (here / "skills/tests").mkdir()
    write("tests/test_dice", "")
    found = skill_check.at(here / "skills/dice.py")
    assert [str(path.relative_to(here)) for path in found.tests] == [
        "skills/test_dice.py",
        "skills/tests/test_dice.py",
    ]


@pytest.mark.parametrize(("project", "fact"), [("[project]\nname='x'\n", "entry-points"), ("[", "pyproject")])
def test_a_project_without_a_skill_says_what_is_missing(
    project: str, fact: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "pyproject.toml").write_text(project)
    _, err = shown("test", ".", capsys=capsys, code=2)
    assert fact in err


def test_a_skill_whose_settings_lack_is_told_everywhere(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DUIHUA_SKILL_DICE_TOKEN")
    out, err = shown("list", capsys=capsys)
    assert "lacks settings" in next(line for line in out.splitlines() if line.startswith("dice"))
    assert "DUIHUA_SKILL_DICE_TOKEN" in err
    out, err = shown("show", "dice", "--json", capsys=capsys)
    assert (json.loads(out)["loaded"], "DUIHUA_SKILL_DICE_TOKEN" in err) == (False, True)
    assert "DUIHUA_SKILL_DICE_TOKEN" in shown("run", "dice", '{"n": 1}', capsys=capsys, code=2)[1]


def test_what_is_left_out_is_told_line_by_line(monkeypatch: pytest.MonkeyPatch) -> None:
    from duihua import Settings
    from duihua.skill_handlers import left_out
    from duihua.skills import load
    from duihua_prompts import Catalogue

    monkeypatch.delenv("DUIHUA_SKILL_DICE_TOKEN")
    write("broken-one", "raise SystemExit")
    settings = Settings.load(None)
    lines = left_out(load(("broken-one", "dice", "clock"), "skills"), settings, Catalogue("en"))
    assert ["broken-one" in lines[0], "DUIHUA_SKILL_DICE_TOKEN" in lines[1], len(lines)] == [True, True, 2]
