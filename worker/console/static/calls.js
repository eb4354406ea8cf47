// Calls and conversations: which there are, and the timeline of one.

import { get } from "./api.js";
import { timeline } from "./charts.js";
import { clock, h, moment, pill, put, table } from "./dom.js";

const CURVES = 6;

export async function calls(place, [stream]) {
  if (stream) return one(place, stream);
  const body = h("div");
  put(place, h("h1", {}, "Calls and conversations"), body);
  const again = async () => {
    const found = await get("calls");
    put(body, table(["stream", "kind", "tenant", "state", "worst", "speakers", "decisions", "changes", "last"], found.calls.map((call) => [
      h("a", { href: `#/calls/${encodeURIComponent(call.stream)}` }, call.stream), call.kind, call.tenant, pill(call.state), pill(call.worst),
      call.speakers.join(", "), call.decisions, call.changes, moment(call.until)]), "No event of the last decisions belongs to a call or a conversation."));
  };
  await again();
  const ticking = setInterval(() => again().catch(() => {}), 5000);
  return () => clearInterval(ticking);
}

async function one(place, stream) {
  const body = h("div");
  put(place, h("p", {}, h("a", { href: "#/calls" }, "← all calls")), h("h1", {}, stream), body);
  const again = async () => put(body, drawn(await get(`calls/${encodeURIComponent(stream)}`)));
  await again();
  const ticking = setInterval(() => again().catch(() => {}), 3000);
  return () => clearInterval(ticking);
}

function drawn(call) {
  if (!call.points.length) return h("p", {}, "None of the last decisions belongs to it.");
  const sound = call.kind === "call";
  const format = sound ? (t) => `${Math.floor(t / 60)}:${String(Math.floor(t % 60)).padStart(2, "0")}` : (t) => clock(t * 1000);
  const bands = [], highest_at = {}, heard = {};
  for (const point of call.points) {
    for (const window of point.windows) {
      const passed = Object.values(window.passed);
      const action = passed.includes("block") ? "block" : passed.includes("flag") ? "flag" : "allow";
      const lane = window.kind === "exchange" ? "all together" : point.speaker ?? "—";
      // Windows overlap: each is drawn where it is the newest, from the end of the one before it.
      bands.push({ t0: Math.max(window.t0, heard[lane] ?? window.t0), t1: window.t1, action, lane });
      heard[lane] = window.t1;
    }
    if (!point.windows.length) continue;
    const t = point.windows.at(-1).t1;
    for (const [category, score] of Object.entries(point.scores)) {
      const line = (highest_at[category] ??= new Map()); // the highest of all speakers
      line.set(t, Math.max(line.get(t) ?? 0, score));
    }
  }
  const lines = Object.entries(highest_at).map(([name, line]) => [name, [...line].sort((one, other) => one[0] - other[0])]);
  const most = ([, points]) => Math.max(...points.map((one) => one[1]));
  const highest = lines.sort((one, other) => most(other) - most(one)).slice(0, CURVES);
  const marks = call.changes.map((one) => ({ t: one.t1, action: one.after, label: `${format(one.t1)}: ${one.category} of ${one.speaker ?? "all"}, ${one.before} to ${one.after}` }));
  const times = [...bands.flatMap((one) => [one.t0, one.t1]), ...marks.map((one) => one.t)];
  const t0 = sound ? 0 : Math.min(...times), t1 = Math.max(...times, t0 + 1);
  return h("div", {},
    times.length > 0 && h("div", { class: "card" },
      h("p", { class: "legend" }, highest.map(([name], place) => h("span", {}, h("i", { class: `curve-${place}` }), name))),
      timeline({ lines: Object.fromEntries(highest.map(([name, points]) => [name, points])), bands, lanes: [...new Set(bands.map((one) => one.lane))], marks, t0, t1, format })),
    h("h2", {}, "Changes of state"),
    table(["at", "speaker", "category", "from", "to", "why", "decision"], call.changes.map((one) => [format(one.t1), one.speaker ?? "all", one.category, pill(one.before), pill(one.after), one.cause,
      h("a", { href: `#/live/${encodeURIComponent(one.decision)}` }, "open")]), "Its state did not change."),
    h("h2", {}, "Decisions"),
    table(["at", "speaker", "decision", "state", "raised", ""], call.points.slice(-200).reverse().map((one) => [clock(one.time), one.speaker ?? "—", pill(one.action), pill(one.state),
      Object.keys(one.raised).join(", "), h("a", { href: `#/live/${encodeURIComponent(one.id)}` }, "open")]), ""));
}
