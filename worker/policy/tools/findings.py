"""What lint says: findings with a code, a place and how to mend it. Codes are stable; a retired one stays unused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from worker.policy.places import Path, dotted
from worker.policy.tools.textmap import TextMap

Severity = Literal["error", "warning"]
Edit = Callable[[TextMap], str]  # the file's text to its mended text

# Errors keep a policy from being loaded; warnings are what its author most likely did not mean.
CODES: dict[str, tuple[Severity, str]] = {
    "TG101": ("error", "not a file that can be read as JSON"),
    "TG102": ("error", "a key twice, a number that is none, or nested too deep"),
    "TG103": ("error", "unknown field"),
    "TG104": ("error", "wrong value"),
    "TG105": ("error", "missing field"),
    "TG106": ("error", "two files with one id"),
    "TG107": ("error", "the policy to extend is missing"),
    "TG108": ("error", "`extends` runs in a circle"),
    "TG109": ("error", "unknown category"),
    "TG110": ("error", "not a condition that can be compiled"),
    "TG111": ("error", "a list that cannot be read, or is not what it should be"),
    "TG112": ("error", "too many categories, or too deep"),
    "TG113": ("error", "a tenant has a policy that is not there"),
    "TG119": ("error", "refused for another reason"),
    "TG201": ("warning", "unreachable node"),
    "TG202": ("warning", "flag above block"),
    "TG203": ("warning", "child looser than its parent"),
    "TG204": ("warning", "changes nothing"),
    "TG205": ("warning", "category that nobody scores"),
    "TG206": ("warning", "blocking node without `dsa`"),
    "TG301": ("warning", "condition that is never true"),
    "TG302": ("warning", "condition that is always true"),
    "TG401": ("warning", "list entry that another one swallows"),
    "TG402": ("warning", "exception that never applies"),
    "TG501": ("warning", "test without category"),
    "TG502": ("warning", "two tests with one name"),
    "TG601": ("warning", "late events are allowed unseen"),
    "TG602": ("warning", "limit that sheds nothing"),
    "TG701": ("error", "`calls` whose values do not go together"),
    "TG702": ("warning", "state that goes to and fro"),
    "TG703": ("warning", "cooldown longer than a stream is kept"),
    "TG704": ("warning", "messages read together by themselves"),
}


_OF_A_NODE = 5  # when, its number, set, a node, a field


@dataclass(frozen=True, slots=True)
class Finding:
    """
    One thing to mend.

    line, column: 1-based, in characters; 0 where a file has no place for it. length: characters under the caret.
    source: the line itself, for people. edit: makes the file's mended text, where that is safe.
    """

    code: str
    file: str
    line: int
    column: int
    length: int
    where: str
    message: str
    mend: str
    source: str = ""
    edit: Edit | None = None

    @property
    def severity(self) -> Severity:
        return CODES[self.code][0]

    def as_json(self) -> dict[str, Any]:
        """The stable form of `--json`."""
        return {
            "code": self.code,
            "severity": self.severity,
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "end_column": self.column + self.length,
            "where": self.where or None,
            "message": self.message,
            "mend": self.mend,
            "fixable": self.edit is not None,
        }


def at_path(
    code: str, file: str, text: TextMap, path: Path, message: str, mend: str, *, value: bool = False, edit: bool = False
) -> Finding:
    """
    A finding at a path of a file, under its key, or under its value; at its nearest ancestor where it is not there.

    edit: cutting the path out mends it.
    """
    span = text.nearest(path)
    start, end = span.value if value else span.key
    cut: Edit | None = (lambda now: now.without(_whole(now, path))) if edit and path in text.spans else None
    return at_offsets(code, file, text, start, end, dotted(path), message, mend, cut)


def _whole(text: TextMap, path: Path) -> Path:
    """`path`, or the object around it where that says nothing else: `on`, a type in it, a condition's node."""
    while text.members(path[:-1]) == 1 and (
        "on" in path[-3:-1] or (path[0] == "when" and len(path) == _OF_A_NODE) or path[-2] == "children"
    ):
        path = path[:-1]
    return path


def at_offsets(
    code: str,
    file: str,
    text: TextMap,
    start: int,
    end: int,
    where: str,
    message: str,
    mend: str,
    edit: Edit | None = None,
) -> Finding:
    """A finding at characters [start, end) of a file; the caret stays on the first line of them."""
    line, column = text.line_column(start)
    source = text.line(line)
    length = max(1, min(end - start, len(source) - column + 1))
    return Finding(code, file, line, column, length, where, message, mend, source, edit)
