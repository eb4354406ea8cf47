// Review: one decision after the other. Content is fetched when asked for, hidden until clicked, blurred, grey and muted.

import { get, post } from "./api.js";
import { meter, where } from "./decision.js";
import { field, h, moment, number, percent, pill, put, select, table, tell } from "./dom.js";

export async function review(place) {
  let queue = [], can = true, at = 0, began = performance.now();
  const card = h("section", { class: "card review-card", "aria-label": "To review" });
  const side = h("aside", { class: "card" });
  const urls = new Set();
  put(place, h("h1", { class: "hidden" }, "Review"), h("div", { class: "two" }, card, side));

  async function fill() {
    const found = await get("review", { limit: 50 });
    ({ queue, can } = found);
    at = 0;
    put(side, h("h2", {}, "Waiting"), h("p", {}, `${queue.length}${queue.length === 50 ? " or more" : ""} to look at; ${found.reviewed} reviewed by you.`), await figures());
    next();
  }

  async function figures() {
    const { agreement, overturned } = await get("review/quality");
    const share = (one) => (one.of ? `${percent(one.share)} of ${one.of}` : "–");
    return h("div", {}, h("p", {}, "Agreement between reviewers: ", h("strong", {}, share(agreement))),
      h("p", {}, "Overturned: ", h("strong", {}, share(overturned.all))),
      table(["node", "overturned"], Object.entries(overturned.node).map(([name, one]) => [name, share(one)]), "Nobody has reviewed anything yet."));
  }

  async function next() {
    for (const url of urls) URL.revokeObjectURL(url);
    urls.clear();
    const item = queue[at];
    if (!item) {
      put(card, h("h2", {}, "Nothing waits"), h("p", { class: "quiet" }, "Flagged decisions and a stable sample of the others come here."), h("button", { type: "button", onclick: fill }, "Look again"));
      return;
    }
    began = performance.now();
    const { decision, notes } = await get(`decisions/${encodeURIComponent(item.id)}`);
    const category = select([["", "none"], ...Object.keys(decision.scores).map((one) => [one, one])], item.category ?? "", () => {});
    const content = h("div", { class: "content" });
    put(content, item.restricted
      ? h("p", { class: "note" }, "This category is restricted: its content is shown by no page. ",
        item.handoff ? h("a", { href: item.handoff, target: "_blank", rel: "noopener noreferrer" }, "Hand it off") : "Hand it to who may see it.")
      : h("button", { type: "button", onclick: () => fetched(item, decision, content) }, "Fetch the content"));
    const verdict = (action) => h("button", { type: "button", class: `verdict ${action}`, disabled: !can, onclick: () => say(item, action, category.value) }, action, h("kbd", {}, { allow: "1", flag: "2", block: "3" }[action]));
    put(card,
      h("div", { class: "head" }, h("h2", {}, pill(item.action), ` ${item.event}`), h("span", { class: "tag" }, item.why)),
      h("p", { class: "quiet" }, `${item.tenant} · ${moment(item.time)} · ${item.types.join(" + ")} · policy ${item.policy}`),
      notes.map((one) => h("p", { class: "note" }, one)),
      decision.reasons.map((one) => h("div", { class: "reason" }, h("strong", {}, one.category), " ", h("span", { class: "quiet" }, where(one)),
        one.score !== undefined && one.score !== null ? [meter(one.score, one.threshold, one.action), h("p", { class: "quiet" }, `${number(one.score)} against ${number(one.threshold)}`)] : h("p", {}, `list ${one.list}`))),
      content,
      h("h3", {}, "It should have been"),
      field("Category", category),
      h("div", { class: "buttons" }, ["allow", "flag", "block"].map(verdict), h("button", { type: "button", onclick: () => { at += 1; next(); } }, "Skip ", h("kbd", {}, "s"))),
      !can && h("p", { class: "note" }, "Verdicts have no topic here: set topics.reviews."));
  }

  async function say(item, action, category) {
    try {
      await post(`review/${encodeURIComponent(item.id)}/verdict`, { action, category: action === "allow" ? null : category || null, seconds: (performance.now() - began) / 1000 });
      tell(`kept: ${action}`, "good");
      at += 1;
      await next();
      put(side.lastChild, await figures());
    } catch (error) {
      tell(error.message, "bad");
    }
  }

  async function fetched(item, decision, content) {
    try {
      const { parts, evidence } = await post(`review/${encodeURIComponent(item.id)}/content`);
      put(content, parts.map((part, place) => covered(part, evidence.filter((one) => (one.view ?? "").startsWith(`parts/${place}`)), urls)),
        parts.length === 1 && parts[0].type === "text" && h("button", { type: "button", class: "plain", onclick: () => asTest(item, content) }, "Make it a policy test"));
    } catch (error) {
      put(content, h("p", { class: "bad", role: "alert" }, error.message));
    }
  }

  async function asTest(item, content) {
    try {
      const said = await post(`review/${encodeURIComponent(item.id)}/test`);
      const text = JSON.stringify(said.case, null, 2);
      content.append(h("div", {}, h("p", {}, `For "tests" in policy ${said.policy}:`), h("pre", { tabindex: "0" }, text),
        h("button", { type: "button", onclick: () => navigator.clipboard.writeText(text).then(() => tell("copied")) }, "Copy")));
    } catch (error) {
      tell(error.message, "bad");
    }
  }

  const keys = (event) => {
    if (event.target.closest("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
    const action = { 1: "allow", 2: "flag", 3: "block" }[event.key];
    if (action) card.querySelector(`.verdict.${action}:not([disabled])`)?.click();
    else if (event.key === "s" && queue[at]) { at += 1; next(); }
  };
  document.addEventListener("keydown", keys);
  await fill();
  return () => {
    document.removeEventListener("keydown", keys);
    for (const url of urls) URL.revokeObjectURL(url);
  };
}

// A part behind a cover: nothing is seen or heard before somebody wants it.
function covered(part, evidence, urls) {
  const box = h("div", { class: "covered" });
  const show = () => put(box, shown(part, evidence, urls));
  put(box, h("button", { type: "button", onclick: show }, `Show the ${part.type}`));
  return box;
}

function shown(part, evidence, urls) {
  if (part.ref) return h("p", { class: "note" }, "It lies elsewhere, by reference; this page does not fetch it.");
  if (part.type === "text") return h("blockquote", {}, marked(part.text ?? "", evidence.filter((one) => one.span && !/(ocr|transcript|normalised)/.test(one.view ?? ""))));
  const bytes = Uint8Array.from(atob(part.data ?? ""), (one) => one.charCodeAt(0));
  const url = URL.createObjectURL(new Blob([bytes], { type: part.media_type ?? "" }));
  urls.add(url);
  if (part.type === "image") {
    const picture = h("img", { src: url, alt: "The event's picture", class: "veiled" });
    const veil = h("button", { type: "button", "aria-pressed": "false", onclick: () => veil.setAttribute("aria-pressed", String(picture.classList.toggle("bare"))) }, "Sharp and in colour");
    return [picture, veil];
  }
  const sound = h("audio", { src: url, controls: true, muted: true });
  sound.muted = true;
  return [sound, h("p", { class: "quiet" }, evidence.filter((one) => one.t).map((one) => `${one.category}: ${one.t[0].toFixed(1)}–${one.t[1].toFixed(1)} s`).join("; "), " It is muted first.")];
}

function marked(text, evidence) {
  const letters = [...text]; // spans count characters, as Python does
  const found = [];
  let from = 0;
  for (const one of evidence.map((e) => e.span).sort((a, b) => a[0] - b[0])) {
    if (one[0] < from) continue;
    found.push(letters.slice(from, one[0]).join(""), h("mark", {}, letters.slice(one[0], one[1]).join("")));
    from = one[1];
  }
  found.push(letters.slice(from).join(""));
  return found;
}
