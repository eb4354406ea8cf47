"""The order gate: decisions of one key leave in the order their events came."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from worker.deliver.order import OrderGate


class Item:
    """Compared by identity, as slots are."""

    def __init__(self, key: str, number: int) -> None:
        self.key, self.number = key, number

    def __repr__(self) -> str:
        return f"{self.key}{self.number}"


KEYS = st.lists(st.sampled_from("abc"), min_size=1, max_size=40)


@given(KEYS, st.data())
def test_each_key_leaves_in_arrival_order_whatever_finishes_first(keys: list[str], data: st.DataObject) -> None:
    """For any order of completion: order by key holds, nothing is lost, nothing leaves twice."""
    items = [Item(key, number) for number, key in enumerate(keys)]
    gate: OrderGate[Item] = OrderGate()
    for item in items:
        gate.enter(item.key, item)
    left = [one for item in data.draw(st.permutations(items)) for one in gate.done(item.key, item)]
    for key in set(keys):
        assert [i.number for i in left if i.key == key] == [i.number for i in items if i.key == key]
    assert len(left) == len(items)
    assert len(gate) == 0


@given(KEYS, st.data())
def test_order_holds_while_items_go_on_arriving(keys: list[str], data: st.DataObject) -> None:
    """Arrivals and completions in any interleaving keep the order, and hold nothing that could leave."""
    gate: OrderGate[Item] = OrderGate()
    arriving = [Item(key, number) for number, key in enumerate(keys)]
    inside: list[Item] = []
    left: list[Item] = []
    finished: set[int] = set()
    while arriving or inside:
        if arriving and (not inside or data.draw(st.booleans())):
            inside.append(arriving.pop(0))
            gate.enter(inside[-1].key, inside[-1])
            continue
        item = inside.pop(data.draw(st.integers(0, len(inside) - 1)))
        finished.add(item.number)
        left += gate.done(item.key, item)
        heads = {key: next((i for i in inside if i.key == key), None) for key in set(keys)}
        held = finished - {i.number for i in left}
        assert all((head := heads[keys[n]]) is not None and head.number < n for n in held)
    assert [sorted(i.number for i in left)] == [list(range(len(keys)))]
    for key in set(keys):
        of_key = [i.number for i in left if i.key == key]
        assert of_key == sorted(of_key)


def test_a_slow_event_holds_its_own_key_only() -> None:
    """Another key's decision leaves at once."""
    gate: OrderGate[Item] = OrderGate()
    slow, behind, other = Item("a", 0), Item("a", 1), Item("b", 2)
    for item in (slow, behind, other):
        gate.enter(item.key, item)
    assert gate.done("a", behind) == []
    assert gate.done("b", other) == [other]
    assert gate.done("a", slow) == [slow, behind]


def test_a_key_is_free_again_when_its_last_item_left() -> None:
    """Nothing is kept for a key that has no open item."""
    gate: OrderGate[Item] = OrderGate()
    item = Item("a", 0)
    assert gate.is_free("a")
    gate.enter("a", item)
    assert not gate.is_free("a")
    gate.done("a", item)
    assert gate.is_free("a")
    assert len(gate) == 0
