// Live: decisions as they come, and one of them opened.

import { BASE, get } from "./api.js";
import { lagging, rates } from "./charts.js";
import { opened } from "./decision.js";
import { clock, debounced, field, h, number, pill, put, select } from "./dom.js";
import { LongList } from "./list.js";

const KEPT = 20000;
const LOOKED_MS = 600000;
const ACTIONS = ["allow", "flag", "block"];

export function line(row, withTime = true) {
  const what = row.list ? `list ${row.list}` : row.category ?? "";
  return h("div", { class: "row" },
    withTime && h("time", {}, clock(row.time)),
    pill(row.action),
    h("span", { class: "what" }, what || h("span", { class: "quiet" }, "nothing found"),
      row.transition && h("span", { class: "tag" }, "call changed"),
      row.degraded && h("span", { class: "tag" }, "degraded"),
      row.overridden && h("span", { class: "tag" }, "changed after")),
    h("span", { class: "score" }, row.score === null || row.score === undefined ? "" : number(row.score)),
    h("span", { class: "kinds" }, row.types.join(" + ")),
    h("span", { class: "event", title: row.event }, row.event),
    h("span", { class: "tenant" }, row.tenant));
}

export async function live(place, [wanted]) {
  const asked = { tenant: "", actions: new Set(ACTIONS), category: "", type: "" };
  const detail = h("aside", { class: "detail", "aria-label": "Decision" });
  const chart = h("div", { class: "card rates" });
  const state = h("span", { class: "state", role: "status" }, "connecting");
  const shown = h("span", { class: "quiet" });
  const list = new LongList({
    height: 40, label: "Decisions, the newest first", draw: line,
    open: (row) => history.replaceState(null, "", `#/live/${encodeURIComponent(row.id)}`) || show(row.id),
    older: (row) => more(row),
  });
  const behind = h("div"), lags = []; // [milliseconds, records], since this page was opened
  let stream, fetching = false, atEnd = false, counted;

  const show = (id) => {
    place.classList.add("open");
    return opened(detail, id, () => {
      place.classList.remove("open");
      put(detail);
      list.box.focus();
    });
  };
  const query = () => {
    const said = {};
    if (asked.tenant) said.tenant = asked.tenant;
    if (asked.actions.size < 3) said.action = [...asked.actions].join(",") || "none";
    if (asked.category) said.category = asked.category;
    if (asked.type) said.type = asked.type;
    return said;
  };
  async function begin() {
    stream?.close();
    if (!asked.actions.size) {
      list.set([]);
      put(shown, "choose an action");
      return;
    }
    atEnd = false;
    const found = await get("decisions", { ...query(), limit: 200 });
    list.set(found.decisions);
    say();
    connect(found.last);
    await count();
  }
  // The browser goes on by itself after a broken line; after a refusal (a worker that restarts) it does not, so we do.
  function connect(after) {
    stream = new EventSource(`${BASE}/live?${new URLSearchParams({ ...query(), after })}`);
    const mine = stream;
    mine.onopen = () => put(state, "live");
    mine.onerror = () => {
      put(state, "reconnecting");
      if (mine.readyState === EventSource.CLOSED) setTimeout(() => mine === stream && connect(after), 2000);
    };
    mine.addEventListener("decisions", (event) => {
      after = Number(event.lastEventId);
      list.above(JSON.parse(event.data).reverse(), KEPT);
      say();
      draw();
    });
  }
  async function more(row) {
    if (fetching || atEnd) return;
    fetching = true;
    try {
      const found = await get("decisions", { ...query(), before: row.seq, limit: 500 });
      atEnd = !found.decisions.length;
      list.below(found.decisions);
      say();
    } finally {
      fetching = false;
    }
  }
  const say = () => put(shown, `${list.rows.length.toLocaleString()} shown`);
  async function count() {
    const now = Date.now();
    counted = await get("counts", { ...query(), since: now - LOOKED_MS });
    const { chart: drawn, perSecond, most } = rates(counted.counts, counted.bucket_ms, now);
    put(chart, h("div", { class: "head" }, h("h2", {}, "Ten minutes"), h("span", { class: "quiet" }, `${perSecond.toFixed(1)} a second now, ${most.toFixed(1)} at most`)), drawn, behind);
  }
  async function fallBehind() {
    const lag = (await get("health")).status.queue?.lag ?? {};
    if (!Object.keys(lag).length) return; // this process reads no queue
    const now = Date.now(), records = Object.values(lag).reduce((a, b) => a + b, 0);
    lags.push([now, records]);
    while (lags[0][0] < now - LOOKED_MS) lags.shift();
    put(behind, h("div", { class: "head" }, h("h2", {}, "Lag"), h("span", { class: "quiet" }, `${records.toLocaleString()} records behind, ${Math.max(...lags.map((one) => one[1])).toLocaleString()} at most since this page is open`)), lagging(lags, now, LOOKED_MS));
  }
  const draw = debounced(() => count().catch(() => {}), 1500);

  const tenants = (await get("tenants")).tenants;
  const filters = h("form", { class: "filters", onsubmit: (event) => event.preventDefault() },
    field("Tenant", select([["", "all"], ...tenants.map((one) => [one, one])], "", (value) => { asked.tenant = value; begin(); })),
    h("fieldset", {}, h("legend", {}, "Action"), ACTIONS.map((action) => h("label", { class: `chip ${action}` },
      h("input", { type: "checkbox", checked: true, onchange: (event) => {
        if (event.target.checked) asked.actions.add(action);
        else asked.actions.delete(action);
        begin();
      } }), action))),
    field("Category", h("input", { placeholder: "hate/threatening", oninput: debounced((event) => { asked.category = event.target.value.trim(); begin(); }, 300) })),
    field("Kind", select([["", "all"], ["text", "text"], ["image", "image"], ["audio", "audio"]], "", (value) => { asked.type = value; begin(); })),
    h("div", { class: "right" }, shown, state));
  put(place, h("h1", { class: "hidden" }, "Live"), filters, chart, h("div", { class: "two" }, list.box, detail));
  await begin();
  await fallBehind().catch(() => {});
  if (wanted) await show(wanted).catch(() => {});
  const ticking = setInterval(() => count().catch(() => {}), 10000), looking = setInterval(() => fallBehind().catch(() => {}), 3000);
  return () => {
    stream?.close();
    stream = null;
    clearInterval(ticking);
    clearInterval(looking);
  };
}
