"""The offset ledger: only what is finished without a gap may be committed."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from worker.core.records import Partition, Position
from worker.deliver.ledger import OffsetLedger

P0 = Partition("events", 0)
P1 = Partition("events", 1)


def at(offset: int, partition: int = 0) -> Position:
    return Position("events", partition, offset)


@dataclass
class Story:
    """Offsets of one partition, with gaps as compaction leaves them, and the order in which they finish."""

    offsets: list[int]
    finish: list[int] = field(default_factory=list)


@st.composite
def stories(draw: st.DrawFn) -> Story:
    offsets = sorted(draw(st.sets(st.integers(0, 200), min_size=1, max_size=40)))
    return Story(offsets, draw(st.permutations(offsets)))


@given(stories(), st.data())
def test_never_past_the_lowest_open_offset_and_never_backwards(story: Story, data: st.DataObject) -> None:
    """Whatever opens and finishes, and whichever commits succeed, the rule holds at every step."""
    ledger, seen = OffsetLedger(), -1
    still_open: list[int] = []
    waiting = list(story.offsets)
    finish = list(story.finish)
    while waiting or finish:
        able = [o for o in finish if o in still_open]
        if waiting and (not able or data.draw(st.booleans())):
            still_open.append(waiting.pop(0))
            ledger.opened([at(still_open[-1])])
        else:
            finish.remove(able[0])
            still_open.remove(able[0])
            ledger.finished([at(able[0])])
        ready = ledger.committable().get(P0)
        if ready is not None:
            assert ready > seen
            assert not still_open or ready <= min(still_open)
            if data.draw(st.booleans()):
                ledger.committed({P0: ready})
                seen = ready
    assert ledger.open_count([P0]) == 0


@given(stories())
def test_everything_finished_makes_the_next_offset_committable(story: Story) -> None:
    """When nothing is open, the offset after the last record is the one to commit."""
    ledger = OffsetLedger()
    ledger.opened(at(o) for o in story.offsets)
    ledger.finished(at(o) for o in story.finish)
    assert ledger.committable() == {P0: story.offsets[-1] + 1}


@given(stories(), st.integers(0, 40))
def test_committable_is_the_lowest_open_offset(story: Story, done: int) -> None:
    """With some finished, exactly the prefix before the lowest open one may be committed."""
    ledger = OffsetLedger()
    ledger.opened(at(o) for o in story.offsets)
    finished = story.finish[:done]
    ledger.finished(at(o) for o in finished)
    left = [o for o in story.offsets if o not in finished]
    lowest = left[0] if left else story.offsets[-1] + 1
    assert ledger.committable() == ({P0: lowest} if lowest > 0 else {})


def test_a_failed_commit_comes_again() -> None:
    """Until `committed` is told, the same offsets are given."""
    ledger = OffsetLedger()
    ledger.opened([at(0), at(1)])
    ledger.finished([at(0)])
    assert ledger.committable() == {P0: 1}
    assert ledger.committable() == {P0: 1}
    ledger.committed({P0: 1})
    assert ledger.committable() == {}


def test_partitions_do_not_hold_each_other() -> None:
    """An open record in one partition leaves the other free to commit."""
    ledger = OffsetLedger()
    ledger.opened([at(0), at(0, 1)])
    ledger.finished([at(0, 1)])
    assert ledger.committable() == {P1: 1}


def test_a_late_acknowledgement_of_a_forgotten_partition_changes_nothing() -> None:
    """What another worker took over is not ours to commit, even when our answer comes late."""
    ledger = OffsetLedger()
    ledger.opened([at(0), at(1)])
    ledger.forget([P0, P1])
    ledger.finished([at(0), at(1)])
    ledger.committed({P0: 2})
    assert ledger.committable() == {}
    assert ledger.open_count([P0, P1]) == 0


def test_a_partition_that_comes_back_starts_afresh() -> None:
    """After forget, the first offset opened again is where committing goes on."""
    ledger = OffsetLedger()
    ledger.opened([at(0), at(1)])
    ledger.finished([at(0), at(1)])
    ledger.committed(ledger.committable())
    ledger.forget([P0])
    ledger.opened([at(1)])
    ledger.finished([at(1)])
    assert ledger.committable() == {P0: 2}


def test_open_count_counts_only_the_partitions_asked_for() -> None:
    """A drain waits for its own partitions alone."""
    ledger = OffsetLedger()
    ledger.opened([at(0), at(1), at(0, 1)])
    assert (ledger.open_count([P0]), ledger.open_count([P1]), ledger.open_count([P0, P1])) == (2, 1, 3)
