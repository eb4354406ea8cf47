"""Sign-ins end when they should, and guessing is slow."""

from __future__ import annotations

from pathlib import Path

import pytest

from worker.console.people import LOCAL, find_person, new_row, read_people
from worker.console.sessions import Sessions, Tries
from worker.core.clock import FakeClock
from worker.core.errors import ConfigError
from worker.serve.rows import write_rows

PASSWORD = "correct horse battery"


def test_a_session_lasts_its_time_and_no_longer() -> None:
    """Its cookie is worth nothing afterwards, nor after signing out."""
    clock = FakeClock()
    sessions = Sessions(clock, 60.0)
    token, session = sessions.open(LOCAL)
    other, _ = sessions.open(LOCAL)
    assert sessions.of(token) is session
    assert sessions.of("guess") is None
    sessions.close(other)
    assert sessions.of(other) is None
    clock.advance(60)
    assert sessions.of(token) is None


def test_five_failures_within_a_minute_make_the_next_wait() -> None:
    """By name and by address, each for itself; the wait ends with the minute."""
    clock = FakeClock()
    tries = Tries(clock)
    for _ in range(5):
        assert tries.wait_s("name:a", "from:x") == 0
        tries.failed("name:a", "from:x")
        clock.advance(1)
    assert tries.wait_s("name:a", "from:y") == pytest.approx(55)
    assert tries.wait_s("name:b", "from:x") == pytest.approx(55)
    assert tries.wait_s("name:b", "from:y") == 0
    clock.advance(55)
    assert tries.wait_s("name:a", "from:x") == 0


def test_a_file_of_people_holds_no_password(tmp_path: Path) -> None:
    """Each finds who has the name and the password, and nobody else; the file is its owner's alone."""
    path = tmp_path / "people.json"
    write_rows(path, {"mira": new_row(PASSWORD, ["acme"], write=False), "root": new_row("x" * 12, ["*"], write=True)})
    rows = read_people(path)
    mira, root = find_person(rows, "mira", PASSWORD), find_person(rows, "root", "x" * 12)
    assert mira is not None
    assert root is not None
    assert (mira.may_see("acme"), mira.may_see("other"), mira.write) == (True, False, False)
    assert (root.may_see("other"), root.write) == (True, True)
    assert find_person(rows, "mira", "x" * 12) is None
    assert find_person(rows, "nobody", PASSWORD) is None
    assert PASSWORD not in path.read_text()
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"mira": {"salt": "short", "scrypt": "no"}}'])
def test_a_broken_file_of_people_is_named(tmp_path: Path, content: bytes) -> None:
    """Nobody comes in by it."""
    path = tmp_path / "people.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"people\.json"):
        read_people(path)
