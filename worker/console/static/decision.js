// One decision: what was done, why, where in the event, and what would have changed it.

import { get } from "./api.js";
import { h, moment, number, pill, put, table } from "./dom.js";

export async function opened(place, id, close) {
  put(place, h("p", { class: "quiet" }, "loading"));
  let found;
  try {
    found = await get(`decisions/${encodeURIComponent(id)}`);
  } catch (error) {
    put(place, h("p", { class: "bad", role: "alert" }, error.message));
    throw error;
  }
  const { decision, why, notes, remarks } = found;
  put(place,
    h("div", { class: "head" }, h("h2", {}, pill(decision.action), ` ${decision.event_id}`),
      close && h("button", { class: "plain", type: "button", onclick: close, "aria-label": "Close the decision" }, "✕")),
    h("p", { class: "quiet" }, `${decision.tenant} · ${moment(Date.parse(decision.time))} · policy ${decision.policy.id} ${decision.policy.version}`),
    decision.overrides.map((one) => h("p", { class: "note" }, `changed to ${one.action} afterwards (${one.cause}): ${one.detail}`)),
    notes.map((one) => h("p", { class: "note" }, one)),
    reasons(decision),
    why && changes(why),
    why && nodes(why),
    decision.hits.length > 0 && section("Lists", table(["list", "category", "does", "where"],
      decision.hits.map((one) => [one.list, one.category, pill(one.action), where(one)]), "")),
    decision.call && section("Call", h("p", {}, `${decision.call.kind} ${decision.call.stream}: `, pill(decision.call.stream_state),
      decision.call.speaker && ` speaker ${decision.call.speaker}`), decision.call.changed.map((one) =>
      h("p", { class: "note" }, `${one.category}: ${one.before} to ${one.after}, ${one.cause}`))),
    remarks.length > 0 && section("What people said", table(["", "says", "when"],
      remarks.map((one) => [one.kind, one.outcome ?? one.action, moment(Date.parse(one.time))]), "")),
    section("How", table(["model", "version", "digest"], decision.models.map((one) => [one.name, one.version, h("code", {}, one.digest.slice(0, 19))]), "no model was asked"),
      h("p", { class: "quiet" }, Object.entries(decision.latency_ms).map(([name, ms]) => `${name} ${ms} ms`).join(", "),
        decision.evasion?.length > 0 && `; disguises undone: ${decision.evasion.join(", ")}`)),
    h("details", {}, h("summary", {}, "decision.v1"), h("pre", { tabindex: "0" }, JSON.stringify(decision, null, 2))));
  return found;
}

const section = (title, ...content) => h("section", {}, h("h3", {}, title), content);

export function where(one) {
  const place = one.evidence ?? {};
  const said = [one.view];
  if (place.span) said.push(`characters ${place.span[0]}–${place.span[1]}`);
  if (place.box) said.push(`box ${place.box.join(", ")}`);
  if (place.t) said.push(`${place.t[0].toFixed(1)}–${place.t[1].toFixed(1)} s`);
  if (place.frame !== undefined) said.push(`frame ${place.frame}`);
  if (place.speaker) said.push(`speaker ${place.speaker}`);
  return said.filter(Boolean).join(", ");
}

function reasons(decision) {
  if (!decision.reasons.length) return section("Why", h("p", {}, "No category reached a threshold, and no list hit."));
  return section("Why", decision.reasons.map((one) => h("div", { class: "reason" },
    h("div", { class: "head" }, h("strong", {}, one.category), pill(one.action)),
    one.score === undefined || one.score === null
      ? h("p", {}, `A hit of the list ${one.list}.`)
      : [meter(one.score, one.threshold, one.action),
        h("p", {}, `score ${number(one.score, 3)} reaches ${number(one.threshold, 3)}`, one.point && ` (${one.point})`, h("span", { class: "quiet" }, ` set at ${one.threshold_from}`),
          one.scored_by && `, by ${one.scored_by}`)],
    h("p", { class: "quiet" }, `${one.type}: ${where(one)}`, one.model && ` · ${one.model}`))));
}

export function meter(score, threshold, action) {
  const bar = h("div", { class: `bar ${action}` });
  bar.style.width = `${score * 100}%`;
  const tick = h("div", { class: "tick" });
  if (threshold !== undefined && threshold !== null) tick.style.left = `${threshold * 100}%`;
  return h("div", { class: "meter", role: "img", "aria-label": `score ${number(score, 3)}, threshold ${number(threshold, 3)}` }, bar, threshold !== null && tick);
}

function changes(why) {
  if (!why.changes.length) return null;
  return section("What would change it", h("ul", {}, why.changes.map((one) => h("li", {}, pill(one.to), " ",
    [one.scores.join("; "), one.thresholds.length ? `or ${one.thresholds.join("; ")}` : "", one.hits.join("; ")].filter(Boolean).join("; ")))));
}

function nodes(why) {
  const near = (one) => one.action !== "allow" || (one.margin !== null && one.margin > -0.15);
  const row = (one) => [
    h("span", { class: `deep-${Math.min(why.depth[one.category] ?? 0, 5)}` }, one.category.split("/").at(-1), one.mode !== "enforce" && h("span", { class: "tag" }, one.mode)),
    one.type, number(one.rolled, 3), one.scored_by ? `from ${one.scored_by}` : "",
    one.flag === null ? "–" : h("span", { title: one.flag_from }, number(one.flag)), one.block === null ? "–" : h("span", { title: one.block_from }, number(one.block)),
    one.margin === null ? "–" : `${one.margin > 0 ? "+" : ""}${number(one.margin)}`, one.action === "allow" ? "" : pill(one.action)];
  const head = ["category", "kind", "score", "", "flag", "block", "margin", ""];
  const some = why.nodes.filter(near);
  return section("The tree", why.conditions.map((one) => h("p", { class: "quiet" }, h("code", {}, one.if), ` is ${one.is === null ? "failing: its stricter side counts" : one.is}`)),
    table(head, some.map(row), "Every category is further than 0.15 from acting."),
    h("details", {}, h("summary", {}, `all ${why.nodes.length} nodes`), table(head, why.nodes.map(row), "nothing was scored")));
}
