"""
The plain loop that calls are compared with: faster-whisper on the whole 15 s window at each hop, one after the other.

tiny.en, int8, one beam, 2 threads; windows in whose hop the same voice finder hears nobody are skipped. Its service
times are measured on the same calls, and the loop is then played through for a rising number of calls. It scores
nothing.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from faster_whisper import WhisperModel

from ops.calls import RATE, Samples
from worker.score.models.voice import VoiceFinder
from worker.score.weights import WHISPER_TINY_EN

THREADS = 2
DRAWS = 20  # of the calls' phases: with a handful of calls one draw is luck
FIRST = 2  # hops of a call whose windows are not full yet
REPEATS = 4


def rival_times(calls: Sequence[Samples], window_s: float, hop_s: float) -> tuple[list[list[float]], float]:
    """
    For each call how long the plain loop takes at each hop, 0.0 where nobody speaks in it; and the processor time of
    the whole process for each second of each call.
    """
    model = WhisperModel(
        str(WHISPER_TINY_EN.path().parent), device="cpu", compute_type="int8", cpu_threads=THREADS, num_workers=1
    )
    voice, times, hop = VoiceFinder(), list[list[float]](), int(hop_s * RATE)
    processor = time.process_time()
    for sound in calls:
        row = list[float]()
        for end in range(hop, len(sound) + 1, hop):
            begun = time.perf_counter()
            window = sound[max(end - int(window_s * RATE), 0) : end]
            if voice.find(window[-hop:]):
                segments, _ = model.transcribe(
                    window, language="en", beam_size=1, temperature=0, condition_on_previous_text=False
                )
                " ".join(segment.text for segment in segments)
                row.append(time.perf_counter() - begun)
            else:
                row.append(0.0)
        times.append(row)
    return times, (time.process_time() - processor) / (sum(map(len, calls)) / RATE)


def rival_calls(times: Sequence[Sequence[float]], hop_s: float, bound_s: float) -> tuple[int, float]:
    """
    The most calls that one loop serves with 95 % of the windows within the bound, and that percentile; over many draws
    of the calls' phases. A call goes on with windows as long as its full ones are.
    """
    best = (0, 0.0)
    for calls in range(1, 200):
        p95 = float(np.percentile(np.concatenate([_waits(times, calls, hop_s, n) for n in range(DRAWS)]), 95))
        if p95 > bound_s:
            break
        best = (calls, p95)
    return best


def _waits(times: Sequence[Sequence[float]], calls: int, hop_s: float, seed: int) -> list[float]:
    """Seconds from each window's end to its text, for one draw of phases."""
    jobs = list[tuple[float, float]]()
    for n, phase in enumerate(np.random.default_rng(seed).uniform(0, hop_s, calls)):
        row = times[n % len(times)]
        long = [*row, *(list(row[FIRST:]) * REPEATS)]
        jobs += [(phase + hop_s * (hop + 1), seconds) for hop, seconds in enumerate(long) if seconds]
    free, waits = 0.0, list[float]()
    for ready, seconds in sorted(jobs):
        free = max(free, ready) + seconds
        waits.append(free - ready)
    return waits
