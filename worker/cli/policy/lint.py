"""`tidegate policy lint`: what is wrong in policies, where, and how to mend it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from worker.cli.show import many
from worker.core.errors import ConfigError

if TYPE_CHECKING:
    from worker.policy.tools.findings import Finding

_STYLES = {"error": "bold red", "warning": "bold yellow"}
_GUTTER = 6  # columns for a line's number
Where = tuple[Path, list[str] | None]  # a folder, and the files asked about; None for all


def lint(
    paths: Annotated[list[Path] | None, typer.Argument(help="Folders, or policy files.")] = None,
    fix: Annotated[bool, typer.Option("--fix", help="Mend what can be mended safely, and show the edits.")] = False,
    show_diff: Annotated[bool, typer.Option("--diff", help="Show what --fix would do, and write nothing.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 on warnings too.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """
    Check policies without loading a model: everything a reload would refuse, and what was most likely not meant.

    Exit code 0 without errors, 1 with some (with --strict: or warnings; with
    --diff: or edits to make).

    Examples:
      tidegate policy lint
      tidegate policy lint policies/acme.json --diff
      tidegate policy lint policies --strict --json
    """
    from worker.cli.policy.choice import write
    from worker.policy.tools.fix import diff, mend
    from worker.policy.tools.lint import lint as find

    wanted = _grouped(paths or [Path("policies")])
    console = Console(highlight=False, soft_wrap=True)
    edited = 0
    if fix or show_diff:
        for folder, files in wanted:
            with Console(stderr=True).status("mending"):
                mended = mend(folder, files)
            edited += len(mended)
            for line in diff(folder, mended):
                if not json:
                    console.print(Text(line, style=_diff_style(line)))
            if fix:
                for file, text in mended.items():
                    write(folder / file, text.encode())
    with Console(stderr=True).status("looking"):
        found = [(folder, one) for folder, files in wanted for one in find(folder, files)]
    errors = sum(1 for _, one in found if one.severity == "error")
    if json:
        rows = [one.as_json() | {"file": str(folder / one.file)} for folder, one in found]
        report = {"version": 1, "errors": errors, "warnings": len(found) - errors, "findings": rows}
        typer.echo(orjson.dumps(report, option=orjson.OPT_INDENT_2).decode())
    else:
        for folder, one in found:
            _print(console, folder, one)
        _summary(console, wanted, [one for _, one in found], edited if fix else 0)
    if errors or (strict and found) or (show_diff and edited and not fix):
        raise typer.Exit(1)


def _grouped(paths: Sequence[Path]) -> list[Where]:
    """Each folder once: whole, or with the files that were named."""
    whole: set[Path] = set()
    files: dict[Path, list[str]] = {}
    for path in paths:
        if path.is_dir():
            whole.add(path)
        elif path.suffix == ".json" and path.is_file():
            files.setdefault(path.parent, []).append(path.name)
        else:
            raise ConfigError(f"{path}: no policy: give a folder of policies, or a .json file in it")
    return [(folder, None) for folder in sorted(whole)] + [
        (folder, names) for folder, names in sorted(files.items()) if folder not in whole
    ]


def _print(console: Console, folder: Path, one: Finding) -> None:
    """The place, what is wrong, the line with a caret under it, and how to mend it."""
    place = ":".join(str(part) for part in (folder / one.file, one.line, one.column) if part)
    console.print(
        Text.assemble((place, "bold"), ": ", (one.severity, _STYLES[one.severity]), f" {one.code} {one.message}")
    )
    if one.line:
        _print_source(console, one)
    console.print(Text.assemble(" " * _GUTTER, (" = ", "blue"), one.mend))
    console.print()


def _print_source(console: Console, one: Finding) -> None:
    """A long line is cut so that the place stays in sight; the caret counts terminal cells, not characters."""
    room = max(20, console.width - _GUTTER - 4)
    start = 0
    line = one.source.replace("\t", " ").rstrip("\r")
    if cell_len(line[: one.column - 1 + one.length]) > room:
        start = max(0, min(one.column - 1 - room // 3, one.column - 1))
    shown = Text(("…" if start else "") + line[start + bool(start) :])
    shown.truncate(room, overflow="ellipsis")
    before = cell_len(shown.plain[: one.column - 1 - start])
    under = max(1, min(cell_len(line[one.column - 1 : one.column - 1 + one.length]), room - before))
    console.print(Text.assemble((f"{one.line:>{_GUTTER}} │ ", "blue"), shown))
    console.print(Text.assemble((" " * _GUTTER + " │ ", "blue"), " " * before, ("^" * under, _STYLES[one.severity])))


def _summary(console: Console, wanted: Sequence[Where], found: Sequence[Finding], edited: int) -> None:
    errors = sum(1 for one in found if one.severity == "error")
    if edited:
        console.print(f"mended {many(edited, 'file')}")
    if not found:
        looked = [str(folder / name) for folder, files in wanted for name in files or [""]]
        console.print(Text(f"{', '.join(looked)}: nothing to mend", style="green"))
        return
    fixable = sum(1 for one in found if one.edit is not None)
    tail = f"; {fixable} can be mended with --fix" if fixable else ""
    console.print(f"{many(errors, 'error')}, {many(len(found) - errors, 'warning')}{tail}")


def _diff_style(line: str) -> str:
    if line.startswith(("+++", "---")):
        return "bold"
    return {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
