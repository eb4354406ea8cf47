"""A policy file to its models: strict JSON, strict fields, and the line of the first mistake."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any, NoReturn

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from worker.core.errors import PolicyRejected
from worker.policy.document import MAX_CATEGORIES, MAX_DEPTH, PolicyDocument
from worker.policy.fields import unknown_field
from worker.policy.places import MAX_NESTING, Path, dotted, first_problem, line_of
from worker.policy.wording import mistake

MAX_FILE_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Source:
    """A policy file that is valid by itself. `tree` is its JSON, `text` is kept to find lines in."""

    file: str
    text: str
    tree: dict[str, Any]
    document: PolicyDocument

    def reject(self, reason: str, path: Path = ()) -> PolicyRejected:
        """The error that names `path` in this file."""
        return PolicyRejected(reason, file=self.file, line=line_of(self.text, path) or 1, where=dotted(path) or None)


def read_policy(raw: bytes, file: str) -> Source:
    """
    Read and validate one policy file.

    Raises:
        PolicyRejected: not UTF-8, not JSON, or not policy.v1, with the file, line and path of the first mistake.
    """
    text = decode_text(raw, file)
    tree = read_json(text, file)
    try:
        document = PolicyDocument.model_validate(tree)
    except ValidationError as error:
        raise rejected(error, text, file) from None
    source = Source(file, text, tree, document)
    check_size(tree, source)
    return source


def decode_text(raw: bytes, file: str) -> str:
    """Bytes of a file as text. Raises PolicyRejected when too large or not UTF-8."""
    if len(raw) > MAX_FILE_BYTES:
        raise PolicyRejected(f"{len(raw)} bytes are more than the {MAX_FILE_BYTES} a policy file may have", file=file)
    try:
        return raw.decode("utf-8-sig")  # some editors put a byte-order mark before it
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise PolicyRejected(f"not UTF-8 at byte {error.start}: save the file as UTF-8", file=file, line=line) from None


def read_json(text: str, file: str) -> dict[str, Any]:
    """A JSON object without duplicate keys, NaN, endless numbers or lone surrogates. Raises PolicyRejected."""
    try:
        tree = json.loads(
            text, object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_finite, parse_int=_whole
        )
        json.dumps(tree, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        place = f"not JSON: {error.msg} at column {error.colno}"
        raise PolicyRejected(place, file=file, line=error.lineno) from None
    except UnicodeEncodeError:
        raise PolicyRejected("a string holds half of a surrogate pair: write the whole character", file=file) from None
    except (ValueError, RecursionError) as error:
        tree, problem = None, first_problem(text)
        if problem is None:
            raise PolicyRejected(f"not JSON that can be read: {error}", file=file) from None
    else:
        problem = first_problem(text) if _nesting_over(text) else None
    if problem is not None:
        raise PolicyRejected(str(problem.problem), file=file, line=problem.line, where=dotted(problem.path))
    if not isinstance(tree, dict):
        raise PolicyRejected("a JSON object is expected", file=file, line=1)
    return tree


def _nesting_over(text: str) -> bool:
    # Cheap bound first: only a text with that many brackets can be nested too deep.
    return text.count("{") + text.count("[") > MAX_NESTING


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(found := dict(pairs)) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number")


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text[:20]} is not a finite number")
    return number


def _whole(text: str) -> int:
    if abs(number := int(text)) > 2**53:
        raise ValueError(f"{text[:20]} is more than every JSON reader can hold")
    return number


def check_size(tree: dict[str, Any], source: Source) -> None:
    """Raise PolicyRejected where a (resolved) document has more categories, or deeper ones, than a policy may."""
    count = 0
    waiting: list[tuple[Path, dict[str, Any] | None, int]] = [(("categories",), tree.get("categories"), 1)]
    while waiting:
        path, nodes, depth = waiting.pop()
        for name, node in (nodes or {}).items():
            count += node is not None
            here: Path = (*path, name)
            if depth > MAX_DEPTH:
                raise source.reject(f"categories may be {MAX_DEPTH} deep", here)
            if count > MAX_CATEGORIES:
                raise source.reject(f"more than {MAX_CATEGORIES} categories: split the policy by tenant", here)
            if isinstance(node, dict):
                waiting.append(((*here, "children"), node.get("children"), depth + 1))


def rejected(error: ValidationError, text: str, file: str) -> PolicyRejected:
    """The first mistake that pydantic found, as an error with its line and how to mend it."""
    return rejection(error.errors(include_url=False)[0], text, file)


def rejection(details: ErrorDetails, text: str, file: str) -> PolicyRejected:
    """One of pydantic's mistakes as an error with its line and how to mend it."""
    path: Path = tuple(step for step in details["loc"] if step != "[key]")
    kind, context = details["type"], details.get("ctx", {})
    reason = mistake(details)
    if kind == "extra_forbidden":
        reason = unknown_field(path)
    elif kind == "missing":
        reason = f"`{path[-1]}` is missing"
    elif kind == "value_error":
        reason = str(context.get("error", reason))
    elif kind == "string_pattern_mismatch" and "[key]" in details["loc"]:
        reason = f"{path[-1]!r} is no name: use lower-case letters, digits, - and _"
    return PolicyRejected(
        reason[:1].lower() + reason[1:], file=file, line=line_of(text, path) or 1, where=dotted(path) or None
    )
