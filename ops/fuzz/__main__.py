"""
Runs the targets under atheris (libFuzzer with coverage of our own modules), each in a process of its own.

    python -m ops.fuzz --runs 10000000        # shared out over the targets
    python -m ops.fuzz --seconds 60           # a minute in all, as CI runs it
    python -m ops.fuzz --targets event,policy --runs 100000

A target ends at the first input that raises, takes over a second of processor time, or brings the process over its
memory; the input is kept in `--out`. Prints last one line of `name=value` pairs.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

# How inputs are shared out: more for what is read of every record, less where one costs a decoding or a compilation.
# Seconds are shared out evenly.
SHARES: Final = {
    "event": 550,
    "letter": 200,
    "claim": 100,
    "tenants": 100,
    "bundle": 80,
    "policy": 25,
    "image": 25,
    "audio": 20,
}
INSTRUMENTED: Final = ("worker.core", "worker.decode", "worker.policy", "worker.deliver")
SLOW_S: Final = 1.0  # processor seconds of one input
STUCK_S: Final = 600  # seconds by the clock: a machine that others use may pause the process
MEMORY_MB: Final = 2_048
LOOK_EVERY: Final = 2_000  # inputs between two looks at the process's memory


class Job(NamedTuple):
    """One target's share of a run."""

    target: str
    runs: int
    seconds: int
    folder: Path
    seed: int


def main() -> int:
    """Run the targets side by side; 1 when one found something."""
    asked = _arguments()
    if asked.child:
        _child(Job(asked.child, asked.runs, asked.seconds, Path(asked.out), asked.seed))
    targets = asked.targets.split(",") if asked.targets else list(SHARES)
    whole = sum(SHARES[target] for target in targets)
    with TemporaryDirectory() as scratch:
        folder = Path(asked.out or scratch)
        jobs = [
            Job(
                target,
                asked.runs * SHARES[target] // whole,
                max(1, asked.seconds * asked.jobs // len(targets)) if asked.seconds else 0,
                folder / target,
                asked.seed,
            )
            for target in targets
        ]
        with ThreadPoolExecutor(asked.jobs) as pool:
            found = list(pool.map(_run, jobs))
    print(" ".join(f"{key}={value}" for one in found for key, value in one.items()), end=" ")
    failed = [job.target for job, one in zip(jobs, found, strict=True) if one[f"{job.target}_exit"]]
    print(
        f"inputs={sum(one[f'{job.target}_inputs'] for job, one in zip(jobs, found, strict=True))} failed={len(failed)}"
    )
    return 1 if failed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m ops.fuzz")
    parser.add_argument("--runs", type=int, default=0, help="inputs in all; 0: as many as the time allows")
    parser.add_argument("--seconds", type=int, default=0, help="seconds in all; 0: as long as the inputs take")
    parser.add_argument("--targets", default="", help=f"some of {','.join(SHARES)}")
    parser.add_argument("--jobs", type=int, default=2, help="targets at a time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", default="", help="folder for what is found, and for the corpora")
    parser.add_argument("--child", default="", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if not asked.runs and not asked.seconds:
        parser.error("say --runs or --seconds")
    return asked


def _run(job: Job) -> dict[str, Any]:
    """One target in a process of its own, its output in a file beside what it found; its figures."""
    job.folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "ops.fuzz", "--child", job.target, "--out", str(job.folder)]
    command += ["--runs", str(job.runs), "--seconds", str(job.seconds), "--seed", str(job.seed)]
    since = time.monotonic()
    with (job.folder / "log").open("wb") as log:
        code = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=False).returncode
    figures = {"inputs": 0, **_figures(job.folder)}
    print(f"{job.target:8} exit {code}, {figures}, {time.monotonic() - since:.0f} s", flush=True)
    if code:
        print((job.folder / "log").read_text(errors="replace")[-3_000:], flush=True)
    return {f"{job.target}_{name}": value for name, value in figures.items()} | {f"{job.target}_exit": code}


def _figures(folder: Path) -> dict[str, Any]:
    file = folder / "figures.json"
    found: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    return found


class _Watch:
    """One target, watched: inputs, the slowest in processor seconds, the process's memory at a tenth and at the end."""

    def __init__(self, job: Job, inputs: Any) -> None:
        self._job, self._target = job, inputs
        self._file = job.folder / "figures.json"
        self._count, self._slowest, self._tenth_mb = 0, 0.0, 0.0
        self._since = time.monotonic()

    def __call__(self, data: bytes) -> None:
        before = time.thread_time()
        self._target(data)
        took = time.thread_time() - before
        self._count += 1
        self._slowest = max(self._slowest, took)
        if took > SLOW_S:
            raise TimeoutError(f"one input took {took:.2f} s of processor time")
        if self._count % LOOK_EVERY == 0 or self._count == self._job.runs:
            self._look()

    def _look(self) -> None:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        now_mb = pages * 4096 / 1e6
        past = (time.monotonic() - self._since) / self._job.seconds if self._job.seconds else 0.0
        if not self._tenth_mb and max(past, self._count / self._job.runs if self._job.runs else 0.0) >= 0.1:
            self._tenth_mb = now_mb
        figures = {"inputs": self._count, "slowest_s": round(self._slowest, 3)}
        figures |= {"tenth_mb": round(self._tenth_mb), "end_mb": round(now_mb)}
        self._file.write_text(json.dumps(figures))


def _child(job: Job) -> None:
    """Fuzz one target in this process; never returns."""
    import atheris

    with atheris.instrument_imports(include=list(INSTRUMENTED)):
        from ops.fuzz.seeds import seeds, words
        from ops.fuzz.targets import TARGETS
    corpus = job.folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds(job.target)):
        (corpus / f"seed-{number}").write_bytes(seed)
    options = [f"-artifact_prefix={job.folder}/", f"-timeout={STUCK_S}", f"-rss_limit_mb={MEMORY_MB}"]
    options += [f"-seed={job.seed}", "-max_len=4096", "-print_final_stats=1"]
    dictionary = job.folder / "words.dict"
    dictionary.write_text("".join(f'"{word}"\n' for word in words()))
    options += [f"-dict={dictionary}"]
    options += [f"-runs={job.runs}"] if job.runs else []
    options += [f"-max_total_time={job.seconds}"] if job.seconds else []
    atheris.Setup([sys.argv[0], *options, str(corpus)], _Watch(job, TARGETS[job.target]))
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
