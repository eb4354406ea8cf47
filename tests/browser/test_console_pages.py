"""The console in a real Chromium, over a real run: shown, by keyboard, narrow, long, broken off, and hostile."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import orjson
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Route, expect

from ops.chaos.proxy import Proxy
from ops.kafka.nodes import free_port
from tests.browser.conftest import HOSTILE, Served, serving
from tests.flow.console import console, text_event
from worker.console.people import new_row
from worker.score.profile import Models
from worker.serve.rows import write_rows
from worker.store.reading import Query

pytestmark = [pytest.mark.models, pytest.mark.timeout(180)]
WIDER = """() => [...document.querySelectorAll("body *")]
    .filter((one) => one.getBoundingClientRect().right > innerWidth + 1 && !one.closest(".scrolls, .long"))
    .map((one) => one.outerHTML.slice(0, 80))"""
PASSWORD = "correct horse battery"
# What stands on each page when its data is there.
SHOWN = {
    "live": ".row >> nth=3",
    "policy/default": ".effect .big",
    "calls": "td a",
    "calls/demo/lobby": "svg.timeline",
    "calls/acme/call-1": "svg.timeline",
    "review": ".review-card .reason",
    "health": ".tile >> nth=5",
}


def see(page: Page, stand: Served, name: str) -> None:
    """Open a page and wait for its data."""
    page.goto(f"{stand.address}#/{name}")
    expect(page.locator(SHOWN[name]).first).to_be_visible()


class Held:
    """The answers to `/counts` wait from here on until `let_go`: the live page stands, with its rows, unfinished."""

    def __init__(self, page: Page) -> None:
        self._page, self._waiting, self._open = page, list[Route](), False
        page.route("**/counts?*", self._came)

    def _came(self, route: Route) -> None:
        if self._open:
            route.continue_()
        else:
            self._waiting.append(route)

    def let_go(self) -> None:
        while not self._waiting:
            self._page.wait_for_timeout(10)
        self._open = True
        for route in self._waiting:
            route.continue_()


@pytest.mark.parametrize("name", SHOWN)
def test_every_page_is_whole_in_light_dark_and_narrow(page: Page, stand: Served, name: str) -> None:
    """Real data, nothing that axe objects to, and no page wider than a phone."""
    see(page, stand, name)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
    page.set_viewport_size({"width": 380, "height": 720})
    assert page.evaluate(WIDER) == []


def test_a_decision_opens_by_keyboard_alone(page: Page, stand: Served) -> None:
    """Down to it, Enter, and Escape from nothing: the list keeps the focus it is given back."""
    see(page, stand, "live")
    page.get_by_role("listbox").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    chosen = page.locator('.row[aria-selected="true"]')
    expect(chosen).to_have_attribute("aria-posinset", "2")
    event = chosen.locator(".event").inner_text()
    page.keyboard.press("Enter")
    detail = page.get_by_role("complementary", name="Decision")
    expect(detail.get_by_role("heading", level=2)).to_contain_text(event)
    expect(detail.get_by_text("decision.v1")).to_be_visible()
    detail.get_by_role("button", name="Close the decision").press("Enter")
    expect(page.get_by_role("listbox")).to_be_focused()


def test_a_page_never_takes_the_focus_back_from_its_list(page: Page, stand: Served) -> None:
    """The rows stand, somebody is among them, and only then the chart's figures and the worker's state arrive."""
    held = Held(page)
    see(page, stand, "live")
    box = page.get_by_role("listbox")
    box.focus()
    with page.expect_response("**/health") as health:
        held.let_go()
    health.value.finished()
    page.evaluate("new Promise((done) => setTimeout(done, 300))")  # more than the page needs for what it has
    expect(box).to_be_focused()


def test_a_page_left_before_it_was_whole_stops_listening(page: Page, stand: Served) -> None:
    """Its stream is closed when its last figures come, though the next page is there already."""
    page.add_init_script("""const Kept = EventSource; window.streams = [];
        window.EventSource = class extends Kept {
            constructor(...said) { super(...said); window.streams.push(this); }
        };""")
    held = Held(page)
    see(page, stand, "live")
    see(page, stand, "health")
    held.let_go()
    page.wait_for_function("() => window.streams.length && window.streams.every((one) => one.readyState === 2)")


def test_a_threshold_moves_by_keyboard_and_says_what_changes(page: Page, stand: Served) -> None:
    """The handle on the histogram; the draft's effect follows, and nothing is written."""
    see(page, stand, "policy/default")
    before = (stand.console.folder / "default.json").read_bytes()
    page.get_by_role("slider", name="flag of illicit", exact=True).focus()
    page.keyboard.press("Home")
    expect(page.get_by_role("heading", name="The draft")).to_be_visible()
    expect(page.locator(".effect .big strong")).to_contain_text(re.compile(r"^[1-9]\d* of"))
    expect(page.locator(".effect .ids li").first).to_contain_text("flag")
    page.get_by_text("JSON patch").click()
    expect(page.locator(".effect pre")).to_contain_text('"flag": 0')
    assert (stand.console.folder / "default.json").read_bytes() == before


def test_what_was_said_is_shown_when_somebody_asks(page: Page, stand: Served) -> None:
    """The words of a call as it was heard, and the messages of a conversation one by one; nothing before a click."""
    see(page, stand, "calls/acme/call-1")
    said = page.get_by_role("region", name="What was said")
    expect(said.locator("li")).to_have_count(0)
    said.get_by_role("button", name="Show the transcript").click()
    expect(said.locator("li").first).to_contain_text("0:0")
    expect(said.locator("mark").first).to_be_visible()
    see(page, stand, "calls/demo/lobby")
    expect(said).to_be_hidden()
    assert page.locator("blockquote").count() == 0
    page.get_by_role("button", name="Show").last.click()
    expect(page.locator("blockquote")).to_have_text(re.compile("hi all|idiot|stupid"))


def test_a_verdict_takes_one_key(page: Page, stand: Served) -> None:
    """Content comes when asked for, behind a cover; `1` says allow, and the next one is there."""
    see(page, stand, "review")
    first = page.locator(".review-card h2").inner_text()
    fetch = page.get_by_role("button", name="Fetch the content")
    if fetch.count():
        fetch.click()
        cover = page.locator(".covered button").first
        expect(cover).to_contain_text("Show the")
        cover.click()
        expect(page.locator(".covered blockquote, .covered img.veiled, .covered audio").first).to_be_visible()
    page.keyboard.press("1")
    expect(page.locator("#told")).to_contain_text("kept: allow")
    expect(page.locator(".review-card h2")).not_to_have_text(first)
    assert len(stand.console.store.remarks("review")) == 1


def test_ten_thousand_decisions_scroll_with_few_rows_in_the_page(page: Page, words: Models, tmp_path: Path) -> None:
    """Pages are fetched as they come near; what is not seen is not drawn."""
    with serving(lambda: console(tmp_path, words)) as served:
        served.do(served.console.send([text_event("many", "free coins")]))
        (pattern,) = served.console.store.find(Query(limit=1))
        said = pattern.decision
        values = [orjson.dumps(said | {"id": f"d-{i}", "event_id": f"many-{i}"}) for i in range(10_000)]
        served.do(served.console.append(served.console.settings.topics.allow, values, len(values)))
        see(page, served, "live")
        box, oldest = page.get_by_role("listbox"), page.locator(".row .event", has_text=re.compile("^many$"))
        shown = page.locator(".filters .right .quiet")
        for _ in range(300):  # pages of 500; on a busy machine a key may come while a page is being fetched
            box.press("End")
            with suppress(AssertionError):
                expect(shown).to_have_text("10,001 shown", timeout=100)
                break
        expect(shown).to_have_text("10,001 shown")
        box.press("End")
        expect(oldest).to_be_attached()
        assert page.locator(".row").count() < 60


def test_a_stream_that_breaks_goes_on_without_loss_or_repeat(page: Page, stand: Served) -> None:
    """What was decided while the line was cut arrives once when it is back."""
    port = free_port()
    with Proxy(port, int(stand.console.base.rpartition(":")[2])) as line:
        page.goto(f"http://127.0.0.1:{port}/console/#/live")
        state = page.locator(".state")
        expect(state).to_have_text("live")
        stand.do(stand.console.send([text_event("before-cut", "hello", "demo")]))
        expect(page.locator(".row .event", has_text="before-cut")).to_have_count(1)
        line.order("cut")
        expect(state).to_have_text("reconnecting")
        stand.do(stand.console.send([text_event("while-cut", "hello", "demo")]))
        line.order("heal")
        expect(page.locator(".row .event", has_text="while-cut")).to_have_count(1)
        expect(state).to_have_text("live")
        expect(page.locator(".row .event", has_text="before-cut")).to_have_count(1)


def test_what_an_event_says_is_never_markup(page: Page, stand: Served) -> None:
    """A hostile id is shown as it is, in the list and in the decision."""
    found = next(row for row in stand.console.store.find(Query(limit=100_000)) if row.event_id == HOSTILE)
    page.goto(f"{stand.address}#/live/{found.id}")
    expect(page.get_by_role("complementary", name="Decision").get_by_role("heading", level=2)).to_contain_text(HOSTILE)
    assert page.title() == "Live · Tidegate"
    assert page.locator("img[src=x]").count() == 0


def test_signing_in_takes_a_name_and_a_password(page: Page, words: Models, tmp_path: Path) -> None:
    """A wrong one is said; a right one opens the page; signing out closes it."""
    people = tmp_path / "people.json"
    write_rows(people, {"mira": new_row(PASSWORD, ["acme"], write=False)})
    with serving(lambda: console(tmp_path, words, console__people=people)) as served:
        served.do(served.console.send([text_event("one", "free coins")]))
        page.goto(served.address)
        page.get_by_label("Name").fill("mira")
        page.get_by_label("Password").fill("guess")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("no such name")
        page.get_by_label("Password").fill(PASSWORD)
        page.keyboard.press("Enter")
        expect(page.locator(".row .event", has_text="one")).to_be_visible()
        page.get_by_role("button", name="Sign out mira").click()
        expect(page.get_by_label("Password")).to_be_visible()
