"""The dead man's switch: a standstill ends the process, and nothing else does."""

from __future__ import annotations

import subprocess
import sys

_SCRIPT = """
import asyncio, re
from worker.pipeline.deadman import dead_man

async def main():
    async with dead_man(0.5):
        await asyncio.sleep(1.2)  # longer than the switch allows a standstill, while the loop turns
        print("turned", flush=True)
        {work}
    await asyncio.sleep(0)
    print("left", flush=True)

asyncio.run(main())
"""


def run(work: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", _SCRIPT.format(work=work)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_pattern_that_lets_nobody_else_run_ends_the_process() -> None:
    """`re` holds Python's lock while it matches: no thread of ours could notice. No value is written, only places."""
    done = run('re.match(r"(a+)+$", "a" * 64 + "b")')
    assert (done.returncode, done.stdout) == (1, "turned\n")
    assert "Timeout" in done.stderr
    assert "aaaa" not in done.stderr.replace("(a+)+", "")


def test_a_loop_that_turns_is_left_alone_and_so_is_what_comes_after() -> None:
    """Longer than the limit, with the loop free."""
    done = run("pass")
    assert (done.returncode, done.stdout) == (0, "turned\nleft\n")
