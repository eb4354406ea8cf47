"""The shape of the code: who may import whom, what is loaded when, and files that stay small."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODELS = ("torch", "transformers", "ctranslate2", "onnxruntime")
LONGEST = 300
LONGER = {"worker/core/ports.py": 350}  # every port in one place is its one job
FILES = sorted(
    path
    for folder in ("worker", "tests", "ops", "train")
    for path in (ROOT / folder).rglob("*.py")
    if "__pycache__" not in path.parts and path.stat().st_size  # an empty __init__.py has no job
)


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def loaded_by(module: str) -> set[str]:
    """Top-level packages in memory after `module` alone was imported in a fresh interpreter."""
    script = f"import sys, {module}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_imports_point_down_and_stages_never_meet() -> None:
    """The contracts in pyproject.toml hold: floors, models in score, aiokafka in transport."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "module", ["worker.pipeline", "worker.pipeline.loop", "worker.policy.evaluate", "worker.settings"]
)
def test_the_pipeline_loads_neither_a_model_library_nor_kafka(module: str) -> None:
    """Ports keep them out: whoever tests or embeds the pipeline pays for neither."""
    assert not loaded_by(module) & {*MODELS, "aiokafka"}


@pytest.mark.parametrize("path", FILES, ids=named)
def test_a_file_says_its_job_first(path: Path) -> None:
    """The first line of each file is a docstring."""
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text)), f"{named(path)}: start it with a docstring that says its job"
    assert text.startswith(('"""', 'r"""')), f"{named(path)}: the docstring belongs on the first line"


@pytest.mark.parametrize("path", [p for p in FILES if p.is_relative_to(ROOT / "worker")], ids=named)
def test_a_file_stays_small(path: Path) -> None:
    """A longer file has two jobs."""
    lines, longest = len(path.read_text(encoding="utf-8").splitlines()), LONGER.get(named(path), LONGEST)
    assert lines <= longest, f"{named(path)} has {lines} lines, over {longest}: split it by its jobs"
