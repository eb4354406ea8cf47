// Calls and conversations: which there are, and the timeline of one.

import { get, post } from "./api.js";
import { timeline } from "./charts.js";
import { clock, h, moment, pill, put, table } from "./dom.js";

const CURVES = 6;

export async function calls(place, [tenant, stream]) {
  if (stream) return one(place, tenant, stream);
  const body = h("div");
  put(place, h("h1", {}, "Calls and conversations"), body);
  const again = async () => {
    const found = await get("calls");
    put(body, table(["stream", "kind", "tenant", "state", "worst", "speakers", "decisions", "changes", "last"], found.calls.map((call) => [
      h("a", { href: `#/calls/${encodeURIComponent(call.tenant)}/${encodeURIComponent(call.stream)}` }, call.stream), call.kind, call.tenant, pill(call.state), pill(call.worst),
      call.speakers.join(", "), call.decisions, call.changes, moment(call.until)]), "No event of the last decisions belongs to a call or a conversation."));
  };
  await again();
  const ticking = setInterval(() => again().catch(() => {}), 5000);
  return () => clearInterval(ticking);
}

async function one(place, tenant, stream) {
  const course = h("div"), rest = h("div"), heard = h("div"), said = h("div", { class: "card spoken", "aria-label": "What was said", role: "region" }, h("h2", {}, "What was said"), heard);
  const shown = new Map(); // of a conversation: by decision, what its message says
  let sound, open = false;
  put(place, h("p", {}, h("a", { href: "#/calls" }, "← all calls")), h("h1", {}, stream), course, said, rest);
  const again = async () => {
    const call = await get(`calls/${encodeURIComponent(stream)}`, { tenant });
    sound = call.kind === "call";
    said.hidden = !sound;
    put(course, drawn(call));
    put(rest, listed(call, (id) => message(shown, id)));
    if (sound && open) await words();
  };
  const words = async () => {
    open = true;
    try {
      put(heard, lines((await post(`transcripts/${encodeURIComponent(stream)}`, { tenant })).lines));
    } catch (error) {
      open = error.status === 0;
      put(heard, h("p", { class: "note", role: "alert" }, error.message));
    }
  };
  put(heard, h("p", { class: "quiet" }, "Words are in this worker's memory alone, for an hour, and shown by nobody else."), h("button", { type: "button", onclick: words }, "Show the transcript"));
  await again();
  const ticking = setInterval(() => again().catch(() => {}), 3000);
  return () => clearInterval(ticking);
}

// One message of a conversation: fetched from its topic when asked for; what was shown stays while the page redraws.
function message(shown, id) {
  if (shown.has(id)) return shown.get(id);
  const place = h("div");
  put(place, h("button", { type: "button", class: "small", onclick: async () => {
    shown.set(id, place);
    try {
      const { parts } = await post(`review/${encodeURIComponent(id)}/content`);
      put(place, parts.map((part) => h("blockquote", {}, part.type === "text" ? part.text : `${part.type}: see the review page`)));
    } catch (error) {
      put(place, h("p", { class: "quiet", role: "alert" }, error.message));
    }
  } }, "Show"));
  return place;
}

// What a call was heard to say, in its order; words on which a decision acts are marked.
function lines(found) {
  if (!found.length) return h("p", { class: "quiet" }, "Nothing was said in a window that is decided.");
  return h("ol", { class: "said" }, found.map((line) => h("li", {}, h("span", { class: "quiet" }, `${minutes(line.t)} ${line.speaker ?? "—"}`), h("p", {}, runs(line.words)))));
}

function runs(words) {
  const found = [];
  for (const [word, action] of words) {
    if (found.length && found.at(-1).action === action) found.at(-1).words.push(word);
    else found.push({ action, words: [word] });
  }
  return found.map((run) => [run.action ? h("mark", { class: run.action }, run.words.join(" ")) : run.words.join(" "), " "]);
}

const minutes = (t) => `${Math.floor(t / 60)}:${String(Math.floor(t % 60)).padStart(2, "0")}`;

const formatted = (sound) => (sound ? minutes : (t) => clock(t * 1000));

function drawn(call) {
  if (!call.points.length) return h("p", {}, "None of the last decisions belongs to it.");
  const sound = call.kind === "call";
  const format = formatted(sound);
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
  return times.length > 0 && h("div", { class: "card" },
    h("p", { class: "legend" }, highest.map(([name], place) => h("span", {}, h("i", { class: `curve-${place}` }), name))),
    timeline({ lines: Object.fromEntries(highest.map(([name, points]) => [name, points])), bands, lanes: [...new Set(bands.map((one) => one.lane))], marks, t0, t1, format }));
}

function listed(call, told) {
  if (!call.points.length) return [];
  const sound = call.kind === "call", format = formatted(sound);
  return h("div", {},
    h("h2", {}, "Changes of state"),
    table(["at", "speaker", "category", "from", "to", "why", "decision"], call.changes.map((one) => [format(one.t1), one.speaker ?? "all", one.category, pill(one.before), pill(one.after), one.cause,
      h("a", { href: `#/live/${encodeURIComponent(one.decision)}` }, "open")]), "Its state did not change."),
    h("h2", {}, "Decisions"),
    table(["at", "speaker", "decision", "state", "raised", ...(sound ? [] : ["said"]), ""], call.points.slice(-200).reverse().map((one) => [clock(one.time), one.speaker ?? "—", pill(one.action), pill(one.state),
      Object.keys(one.raised).join(", "), ...(sound ? [] : [told(one.id)]), h("a", { href: `#/live/${encodeURIComponent(one.id)}`, "aria-label": `open the decision of ${clock(one.time)}` }, "open")]), ""));
}
