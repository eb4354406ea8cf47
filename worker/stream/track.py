"""
A track: one speaker's windows of one kind, folded into a standing for each category. Pure.

A category is raised when `agree` of the last `of` windows pass its threshold, or at once when it is severe. It stands
until fewer than `agree` of them come within `clear_margin` of that threshold, and `cooldown_s` has gone by since the
last one that did.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from worker.core.decisions import Action, Verdict
from worker.core.streams import CallRules

_ALLOW, _FLAG, _BLOCK = Action.ALLOW, Action.FLAG, Action.BLOCK


class Passed(NamedTuple):
    """What one window says of one category: the action its threshold asks for, and the one it would still back."""

    action: Action
    backs: Action  # with the threshold `clear_margin` lower; never below `action`


Passing = Mapping[str, Passed]  # by category; one that passes nothing and backs nothing is left out


def passing(verdict: Verdict, lenient: Verdict) -> dict[str, Passed]:
    """A window's verdict and the one `clear_margin` below it, by category: the strictest of its reasons."""
    actions, backs = _strictest(verdict), _strictest(lenient)
    return {
        category: Passed(actions.get(category, _ALLOW), max(actions.get(category, _ALLOW), backs.get(category, _ALLOW)))
        for category in sorted(actions.keys() | backs.keys())
    }


def _strictest(verdict: Verdict) -> dict[str, Action]:
    found: dict[str, Action] = {}
    for reason in verdict.reasons:
        found[reason.category] = max(found.get(reason.category, _ALLOW), reason.action)
    return found


class Transition(NamedTuple):
    """A change of a category's state."""

    category: str
    before: Action
    after: Action
    cause: str  # "agreed", "severe", "escalated", "cleared"


@dataclass(slots=True)
class Standing:
    """Where a category stands. Seconds on the track's own clock."""

    level: Action = _ALLOW
    backed: float = 0.0  # end of the last window that backed the level
    raises: int = 0  # how often it was raised from allow


class Track:
    """One speaker's last windows and standings."""

    __slots__ = ("index", "standings", "windows")

    def __init__(self) -> None:
        self.index: int | None = None  # of the last window
        self.windows: list[Passing] = []  # the last `of`, oldest first
        self.standings: dict[str, Standing] = {}

    @property
    def level(self) -> Action:
        """The strictest of its categories."""
        return max((standing.level for standing in self.standings.values()), default=_ALLOW)

    @property
    def trivial(self) -> bool:
        """True when it says nothing that a new track would not."""
        return not self.standings and not any(self.windows)

    def raised(self) -> dict[str, Action]:
        """The categories that stand above allow."""
        return {name: one.level for name, one in sorted(self.standings.items()) if one.level > _ALLOW}

    def fold(
        self, index: int, ended: float, found: Passing, rules: CallRules, severe: frozenset[str]
    ) -> list[Transition]:
        """
        Take a window; gives what it changes, by category.

        index: strictly rising; one that is left out is a window in which nothing was. ended: the window's end.
        """
        missing = 0 if self.index is None else min(max(index - self.index - 1, 0), rules.of)
        self.index = index
        told = {name: one for name, one in found.items() if one.action > _ALLOW or name in self.standings}
        self.windows = [*self.windows, *({} for _ in range(missing)), told][-rules.of :]
        changed = [
            change
            for category in sorted(found.keys() | self.standings.keys())
            if (change := self._step(category, ended, found.get(category), rules, severe)) is not None
        ]
        for category in [name for name, one in self.standings.items() if one.level is _ALLOW]:
            if rules.escalate is None or not self.standings[category].raises:
                del self.standings[category]
        return changed

    def _step(
        self, category: str, ended: float, now: Passed | None, rules: CallRules, severe: frozenset[str]
    ) -> Transition | None:
        standing = self.standings.get(category) or Standing()
        before = standing.level
        target, cause = self._asked(category, now, rules, severe)
        if target > before:
            standing.level = target
            if before is _ALLOW:
                standing.raises += 1
            if target is _FLAG and rules.escalate is not None and standing.raises >= rules.escalate:
                standing.level, cause = _BLOCK, "escalated"
        elif before > _ALLOW and self._cleared(category, standing, ended, rules):
            standing.level, cause = self._backed(category, rules, before), "cleared"
        if standing.level > before or (now is not None and now.backs >= standing.level):
            standing.backed = ended
        self.standings[category] = standing
        return Transition(category, before, standing.level, cause) if standing.level is not before else None

    def _asked(self, category: str, now: Passed | None, rules: CallRules, severe: frozenset[str]) -> tuple[Action, str]:
        """The strictest action that this window, or the last ones together, ask for."""
        if now is None or now.action is _ALLOW:
            return _ALLOW, ""
        if category in severe:
            return now.action, "severe"
        for level in (_BLOCK, _FLAG):
            if now.action >= level and self._count(category, level, backing=False) >= rules.agree:
                return level, "agreed"
        return _ALLOW, ""

    def _cleared(self, category: str, standing: Standing, ended: float, rules: CallRules) -> bool:
        backing = self._count(category, standing.level, backing=True)
        return backing < rules.agree and ended - standing.backed >= rules.cooldown_s

    def _backed(self, category: str, rules: CallRules, before: Action) -> Action:
        """The highest level under `before` that the last windows still back."""
        if before is _BLOCK and self._count(category, _FLAG, backing=True) >= rules.agree:
            return _FLAG
        return _ALLOW

    def _count(self, category: str, level: Action, *, backing: bool) -> int:
        found = (window[category] for window in self.windows if category in window)
        return sum((one.backs if backing else one.action) >= level for one in found)

    def as_json(self) -> dict[str, Any]:
        """Numbers and names of categories alone."""
        return {
            "index": self.index,
            "windows": [{name: [int(one.action), int(one.backs)] for name, one in w.items()} for w in self.windows],
            "standings": {name: [int(s.level), s.backed, s.raises] for name, s in self.standings.items()},
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Track:
        """As `as_json` gave it. Raises KeyError, TypeError or ValueError for anything else."""
        track = cls()
        track.index = stored["index"]
        track.windows = [_window(window.items()) for window in stored["windows"]]
        track.standings = {
            name: Standing(Action(level), float(backed), int(raises))
            for name, (level, backed, raises) in stored["standings"].items()
        }
        return track


def _window(stored: Iterable[tuple[str, tuple[int, int]]]) -> dict[str, Passed]:
    return {name: Passed(Action(action), Action(backs)) for name, (action, backs) in stored}
