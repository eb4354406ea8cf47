"""The documents say what the code does: dependencies, settings, codes, commands and links."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

from worker.cli import app
from worker.core.runbook import CODES
from worker.settings import load

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
CODED = {"NotAnEvent", "Parked", "PartUnreadable", "OverLimit", "Degradation"}


def text(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def codes_in_the_code() -> set[str]:
    """First arguments, where they are plain strings, of everything that ends in a dead letter or `degraded`."""
    found = set()
    for path in (ROOT / "worker").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CODED and node.args:
                first = node.args[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    found.add(first.value)
    return found


def test_every_direct_dependency_is_explained() -> None:
    """Each has a reason and a licence, and nothing is explained that is not used."""
    project = tomllib.loads(text("pyproject.toml"))["project"]
    wanted = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    names = {re.split(r"[\[<>=~!; ]", one)[0] for one in wanted}
    rows = re.findall(r"^\| ([^|]+) \|", text("docs/dependencies.md"), re.MULTILINE)
    listed = {name.strip() for row in rows for name in re.sub(r"\([^)]*\)", "", row).split(",")}
    assert listed - {"package", "---"} == names


def test_every_code_a_reader_may_meet_is_documented() -> None:
    """`tombstone` ends nowhere: it is counted and passed over."""
    page = text("docs/events.md")
    assert [code for code in sorted(codes_in_the_code() - {"tombstone"}) if f"`{code}`" not in page] == []


def test_the_settings_in_the_readme_load(tmp_path: Path) -> None:
    """What a newcomer copies works."""
    blocks = re.findall(r"```toml\n(.*?)```", text("README.md"), re.DOTALL)
    assert blocks
    for number, block in enumerate(blocks):
        path = tmp_path / f"{number}.toml"
        path.write_text(re.sub(r"(?m)^ +", "", block), "utf-8")
        assert load(path).topics.events == "chat.messages"


def test_every_command_is_in_the_readme() -> None:
    """And no other one is."""
    commands = {command.name for command in app.registered_commands}
    commands |= {str(group.name) for group in app.registered_groups}
    shown = set(re.findall(r"tidegate (\w+)", text("README.md")))
    assert shown <= commands
    assert commands - {"schemas", "demo"} <= shown


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Relative links name a file or folder of the repository."""
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text("utf-8"))
    broken = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert broken == []


def test_every_code_has_its_line_in_the_runbook() -> None:
    """What it means and what to do, also of those whose names are put together; `tombstone` ends nowhere."""
    missing = codes_in_the_code() - {"tombstone"} - CODES.keys()
    assert sorted(missing) == []
    assert {"no_id", "no_tenant", "image_too_large", "audio_too_large", "image_damaged", "audio_format"} <= CODES.keys()
