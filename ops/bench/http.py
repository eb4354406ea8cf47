"""
Moderation requests a second over HTTP at 1, 16 and 64 clients: `tidegate serve` against a plain FastAPI handler.

Two loads, each in a fixed order: `chat`, what people wrote to chatbots, whole (ConvAbuse, each line once), and `posts`,
the first 64 words of the prompts of OpenAI's moderation set, at 64 clients alone. `ratio` is that of `chat` at 64.

The rival is what a careful user writes first: FastAPI and uvicorn, the same model with the same threads and heads, the
same policy deciding, one request scored at a time in the handler, OpenAI's answer built from it. It is spared what the
worker does beside: reading disguises (a second, normalised view where a text has one), windows of long texts and their
sentences, the language, the whole decision. Both servers are processes of their own, with uvicorn's own choice of
parser and loop; the clients are a third process on the same 2 cores, plain sockets kept open, each sending its next
request when it has its answer. Turns are interleaved. `ratio_cpu` compares processor seconds of the servers for a
request, which other people's load moves less. p50 and p99 are of all requests of a level.

    python -m ops.bench.http [--seconds 5] [--rounds 2]
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import gzip
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import orjson
from pydantic import BaseModel

from ops.kafka.nodes import free_port

ROOT = Path(__file__).resolve().parents[2]
TEXTS = ROOT.parent / "shared" / "data" / "text"
WORDS = 64  # of a post
TURNS = (("chat", 1), ("chat", 16), ("chat", 64), ("posts", 64))
THREADS = 2
SERVERS = ("tidegate", "plain")
START_S = 120.0


@dataclass(slots=True)
class Level:
    """What one server did at one number of clients."""

    seconds: float = 0.0
    cpu: float = 0.0  # processor seconds of the server
    times: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return len(self.times) / self.seconds

    @property
    def cost(self) -> float:
        """Processor milliseconds of the server for a request."""
        return self.cpu / len(self.times) * 1000

    def at(self, share: float) -> float:
        """Milliseconds."""
        return float(np.quantile(self.times, share)) * 1000


class Asked(BaseModel):
    """The plain handler's request."""

    input: str


def chat() -> list[str]:
    """Lines that people wrote to chatbots, each once."""
    with gzip.open(TEXTS / "convabuse.csv.gz", "rt", encoding="utf-8", newline="") as rows:
        lines = (row["Input.user"].strip() for row in csv.DictReader(rows))
        return [line for line in dict.fromkeys(lines) if line]


def posts() -> list[str]:
    """Longer texts, cut."""
    with gzip.open(TEXTS / "openai_moderation_dev.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [" ".join(json.loads(line)["prompt"].split()[:WORDS]) for line in lines]


def rival(port: int) -> None:
    """The plain handler, in this process, until it is killed."""
    import uvicorn
    from fastapi import FastAPI

    from worker.app import load_models
    from worker.core.decisions import Findings
    from worker.core.events import PartType
    from worker.core.views import View, ViewKind, empty_scores
    from worker.policy.tools.loading import open_folder
    from worker.score.concepts import NAME
    from worker.settings import load

    models = load_models(load(None, {"models.threads": THREADS}).models.model_dump())
    policy = open_folder(ROOT / "policies").compiled("default", models.concepts)
    scorer, tokenizer, concepts = models.scorers[NAME], models.tokenizer, policy.concepts(NAME)
    assert tokenizer is not None
    window = tokenizer.window_tokens
    app = FastAPI()

    @app.post("/v1/moderations")
    async def moderations(asked: Asked) -> dict[str, object]:
        ids = tokenizer.encode([asked.input])[0][0][:window]
        (row,) = scorer.score([View("parts/0", ViewKind.TEXT, (PartType.TEXT,), ids, len(ids))], [concepts])
        found = Findings({}, frozenset({"text"}), scores=empty_scores(len(policy.categories)))
        assert found.scores is not None
        found.scores[PartType.TEXT] = row
        (verdict,) = policy.decide([found])
        acts = {reason.category for reason in verdict.reasons}
        scores = dict(zip(policy.categories, row.tolist(), strict=True))
        result = {
            "flagged": bool(verdict.action),
            "categories": {name: name in acts for name in policy.categories},
            "category_scores": scores,
            "category_applied_input_types": {name: ["text"] for name in policy.categories},
        }
        return {"id": "modr-1", "model": "plain", "results": [result]}

    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)


class Server(NamedTuple):
    """A server that answers."""

    port: int
    pid: int


@asynccontextmanager
async def server(name: str) -> AsyncIterator[Server]:
    """One of the two in a process of its own, ready to answer."""
    port, health = free_port(), free_port()
    command = [sys.executable, "-m", "ops.bench.http", "--rival", str(port)]
    if name == "tidegate":
        command = [sys.executable, "-m", "worker", "serve", "--policies", str(ROOT / "policies"), "--port", str(port)]
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "TIDEGATE_MODELS__THREADS": str(THREADS),
        "TIDEGATE_HTTP__PORT": str(health),
        "TIDEGATE_LOG_LEVEL": "error",
    }
    process = subprocess.Popen(  # noqa: ASYNC220  # starting takes no time, and it is ended by a signal
        command, cwd=ROOT, env=environment
    )
    try:
        async with asyncio.timeout(START_S):
            while True:
                await asyncio.sleep(0.5)
                try:
                    if await answers(port):
                        break
                except OSError:
                    continue
        yield Server(port, process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def cpu_s(pid: int) -> float:
    """Processor seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def answers(port: int) -> bool:
    """True when a request is answered with 200."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request(orjson.dumps({"input": "hello"})))
        return (await answer(reader)) == 200
    finally:
        writer.close()


def request(body: bytes) -> bytes:
    head = b"POST /v1/moderations HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % len(body) + body


async def answer(reader: asyncio.StreamReader) -> int:
    """The status of an answer that is read to its end."""
    head = await reader.readuntil(b"\r\n\r\n")
    found = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    await reader.readexactly(int(found[1]) if found else 0)
    return int(head[9:12])


async def load(server: Server, clients: int, seconds: float, requests: Sequence[bytes], level: Level) -> None:
    """Clients in a closed loop for so long; adds to `level`. A status other than 200 ends the bench."""
    until = time.perf_counter() + seconds

    async def client(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        turn = number
        while (began := time.perf_counter()) < until:
            writer.write(requests[turn % len(requests)])
            status = await answer(reader)
            if status != 200:
                raise SystemExit(f"status {status}: the figure would be void")
            level.times.append(time.perf_counter() - began)
            turn += clients
        writer.close()

    began, spent = time.perf_counter(), cpu_s(server.pid)
    await asyncio.gather(*(client(number) for number in range(clients)))
    level.seconds += time.perf_counter() - began
    level.cpu += cpu_s(server.pid) - spent


async def bench(seconds: float, rounds: int) -> None:
    """Print the table and the line of figures."""
    loads = {
        name: [request(orjson.dumps({"input": text})) for text in texts]
        for name, texts in (("chat", chat()), ("posts", posts()))
    }
    levels = {(name, *turn): Level() for turn in TURNS for name in SERVERS}
    async with server("tidegate") as ours, server("plain") as theirs:
        servers = {"tidegate": ours, "plain": theirs}
        for name in SERVERS:
            await load(servers[name], 16, 2.0, loads["chat"], Level())  # warm
        for _ in range(rounds):
            for texts, clients in TURNS:
                for name in SERVERS:
                    await load(servers[name], clients, seconds, loads[texts], levels[name, texts, clients])
    print(f"{'server':10}{'load':8}{'clients':>8}{'requests/s':>12}{'p50 ms':>10}{'p99 ms':>10}{'cpu ms':>8}")
    for (name, texts, clients), one in levels.items():
        print(
            f"{name:10}{texts:8}{clients:>8}{one.rate:>12.1f}{one.at(0.5):>10.1f}{one.at(0.99):>10.1f}{one.cost:>8.2f}"
        )
    ratios = {turn: levels["tidegate", *turn].rate / levels["plain", *turn].rate for turn in TURNS}
    costs = {turn: levels["plain", *turn].cost / levels["tidegate", *turn].cost for turn in TURNS}
    pairs = [f"ratio={ratios['chat', 64]:.2f}", f"ratio_cpu={costs['chat', 64]:.2f}"]
    pairs += [f"ratio_cpu_{texts}_{clients}={value:.2f}" for (texts, clients), value in costs.items()]
    pairs += [f"ratio_{texts}_{clients}={value:.2f}" for (texts, clients), value in ratios.items()]
    pairs += [f"{name}_{texts}_{c}_p99_ms={one.at(0.99):.0f}" for (name, texts, c), one in levels.items()]
    print(" ".join(pairs))


def main() -> None:
    parser = argparse.ArgumentParser(description="Requests a second over HTTP, beside a plain handler.")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each turn")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--rival", type=int, help="serve the plain handler on this port")
    given = parser.parse_args()
    if given.rival is not None:
        rival(given.rival)
    else:
        asyncio.run(bench(given.seconds, given.rounds))


if __name__ == "__main__":
    main()
