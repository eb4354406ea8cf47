// Policy: thresholds as handles on the scores of the last decisions; what a change would do is said at once.

import { get, post } from "./api.js";
import { histogram } from "./charts.js";
import { debounced, field, h, number, percent, pill, put, select, table, tell } from "./dom.js";

export async function policy(place, [wanted], person) {
  const all = await get("policies");
  const ids = all.policies.map((one) => one.id);
  const id = ids.includes(wanted) ? wanted : ids[0];
  const errors = all.errors.map((one) => h("p", { class: "bad" }, one.message));
  if (!id) {
    put(place, h("h1", {}, "Policy"), errors, h("p", {}, "There is no policy."));
    return;
  }
  const found = await get(`policies/${encodeURIComponent(id)}`);
  const about = all.policies.find((one) => one.id === id);
  const drafted = {}; // by category path: {flag, block}
  const effect = h("aside", { class: "effect", "aria-live": "polite", "aria-label": "What the draft would do" });
  const tree = h("div", { class: "nodes" });
  const rows = new Map();

  put(place,
    h("div", { class: "head" }, h("h1", {}, `${id} `, h("small", {}, found.version)),
      field("Policy", select(ids.map((one) => [one, one]), id, (one) => { location.hash = `#/policy/${encodeURIComponent(one)}`; }))),
    errors,
    h("p", { class: "quiet" }, `${found.file}${found.extends ? `, extends ${found.extends}` : ""}; tenants: ${about.tenants.join(", ") || "none"}. `,
      `Scores of the last ${found.decisions.toLocaleString()} decisions, for text, when no condition holds.`,
      about.candidates.map((one) => ` Candidate ${one.policy} beside it for ${one.tenant} (${percent(one.share)}) until ${one.until.slice(0, 16)}.`)),
    h("div", { class: "two policy" }, tree, effect));

  const trial = debounced(async () => {
    try {
      nothing = !Object.keys(drafted).length;
      const said = await post(`policies/${encodeURIComponent(id)}/trial`, { thresholds: drafted });
      told(said);
    } catch (error) {
      put(effect, h("p", { class: "bad", role: "alert" }, error.message));
    }
  }, 150);
  let nothing = true;

  function move(node, name, value) {
    const own = (drafted[node.path] ??= {});
    own[name] = value;
    if (own[name] === node[name]) delete own[name];
    if (!Object.keys(own).length) delete drafted[node.path];
    rows.get(node.path).classList.toggle("drafted", node.path in drafted);
    trial();
  }

  function row(node) {
    const bins = found.histogram[node.path];
    const total = bins.reduce((a, b) => a + b, 0);
    const handles = ["flag", "block"].map((name) => handle(node, name));
    const head = h("div", { class: "name", title: node.definition ?? "" },
      h("strong", {}, node.path.split("/").at(-1)), node.mode !== "enforce" && h("span", { class: "tag" }, node.mode),
      node.severe && h("span", { class: "tag" }, "severe"), node.restricted && h("span", { class: "tag" }, "restricted"),
      node.differs.length > 0 && h("span", { class: "tag" }, `other for ${node.differs.join(", ")}`));
    const made = h("div", { class: `node deep-${Math.min(node.depth, 5)}` }, head,
      h("div", { class: "scale" }, histogram(bins, `${total} scores of ${node.path}`), handles.map((one) => one.range)),
      h("div", { class: "numbers" }, handles.map((one) => one.number)));
    rows.set(node.path, made);
    return made;
  }

  function handle(node, name) {
    const at = node[name];
    const label = `${name} of ${node.path}`;
    const range = h("input", { type: "range", class: name, min: 0, max: 1, step: 0.005, value: at ?? 1, "aria-label": label, "aria-valuetext": number(at ?? 1) });
    const box = h("input", { type: "number", class: name, min: 0, max: 1, step: 0.01, value: at === null ? "" : number(at, 3), placeholder: "none", "aria-label": label, title: node[`${name}_from`] ?? "not set" });
    if (at === null) range.classList.add("unset");
    const take = (value) => {
      range.value = value ?? 1;
      range.setAttribute("aria-valuetext", number(value ?? 1));
      range.classList.toggle("unset", value === null);
      move(node, name, value);
    };
    range.addEventListener("input", () => { box.value = Number(range.value).toFixed(3); take(Number(range.value)); });
    box.addEventListener("input", () => take(box.value === "" ? null : Math.max(0, Math.min(1, Number(box.value)))));
    return { range, number: h("label", { class: `mini ${name}` }, name, box) };
  }

  function told(said) {
    const { tally, changed, lint, patch } = said;
    const moved = changed.length;
    put(effect,
      h("h2", {}, nothing ? "As it stands" : "The draft"),
      h("p", { class: "big" }, h("strong", {}, `${tally.changed.count.toLocaleString()} of ${tally.answered.toLocaleString()}`), ` decisions change`,
        tally.answered > 0 && h("span", { class: "quiet" }, ` ${percent(tally.changed.share)}, 95 %: ${percent(tally.changed.low)} to ${percent(tally.changed.high)}`)),
      table(["a day", "now", "draft"], ["flag", "block"].map((action) => [pill(action), tally.a_day.before[action].toLocaleString(), tally.a_day.after[action].toLocaleString()]), ""),
      table(["from", "to", "how many"], tally.actions.filter((one) => one.from !== one.to).map((one) => [pill(one.from), pill(one.to), one.count.toLocaleString()]), "No action changes."),
      tally.unanswered + tally.open > 0 && h("p", { class: "note" }, `${tally.unanswered + tally.open} decisions cannot be answered: ${Object.keys(tally.missing).slice(0, 3).join("; ")}`),
      moved > 0 && h("details", { open: moved <= 8 }, h("summary", {}, `which (${moved}${moved === 200 ? " or more" : ""})`),
        h("ul", { class: "ids" }, changed.map((one) => h("li", {}, h("a", { href: `#/live/${encodeURIComponent(one.id)}` }, one.event), " ", pill(one.from), " → ", pill(one.to))))),
      h("h3", {}, "Lint"),
      lint.length ? h("ul", { class: "lint" }, lint.map((one) => h("li", { class: one.severity }, h("code", {}, one.code), ` line ${one.line}: ${one.message}`, one.mend && h("span", { class: "quiet" }, ` — ${one.mend}`)))) : h("p", { class: "quiet" }, "nothing to say"),
      h("div", { class: "buttons" },
        h("button", { type: "button", onclick: run }, `Run its ${found.tests} tests`),
        !nothing && h("button", { type: "button", onclick: () => location.reload() }, "Put back")),
      tested,
      !nothing && h("details", {}, h("summary", {}, "JSON patch"), h("pre", { tabindex: "0" }, JSON.stringify(patch, null, 2)),
        h("button", { type: "button", onclick: () => navigator.clipboard.writeText(JSON.stringify(patch, null, 2)).then(() => tell("copied")) }, "Copy")),
      !nothing && (found.write ? save() : h("p", { class: "quiet" }, "This console changes no files: take the patch to the policy's file.")));
  }

  const tested = h("div", { role: "status" });
  async function run() {
    put(tested, h("p", { class: "quiet" }, "judging"));
    try {
      const { cases } = await post(`policies/${encodeURIComponent(id)}/tests`, { thresholds: drafted });
      put(tested, table(["", "case", "expects", "got", "margin"], cases.map((one) => [one.problem ? h("span", { class: "bad" }, "✗") : "✓", one.name, pill(one.expect), pill(one.got), one.margin === null ? "–" : number(one.margin)]), "The policy has no tests of its own."));
    } catch (error) {
      put(tested, h("p", { class: "bad", role: "alert" }, error.message));
    }
  }

  function save() {
    const why = h("input", { required: true, maxlength: 500, placeholder: "kept in the audit log" });
    const tenant = select(about.tenants.map((one) => [one, one]), about.tenants[0], () => {});
    const act = async (event, path, body, done) => {
      event.preventDefault();
      if (!why.reportValidity()) return;
      try {
        const said = await post(`policies/${encodeURIComponent(id)}/${path}`, { thresholds: drafted, why: why.value, ...body() });
        tell(done(said), "good");
        setTimeout(() => location.reload(), 1200);
      } catch (error) {
        tell(error.message, "bad");
      }
    };
    return h("form", { class: "save" }, h("h3", {}, "Save"), field("Why", why),
      about.tenants.length > 0 && field("Candidate for", tenant),
      h("div", { class: "buttons" },
        about.tenants.length > 0 && h("button", { type: "button", onclick: (event) => act(event, "candidate", () => ({ tenant: tenant.value, share: 1, days: 7 }), (said) => `${said.policy} decides beside it until ${said.until.slice(0, 10)}`) }, "Try as candidate"),
        h("button", { type: "button", class: "strong", onclick: (event) => act(event, "publish", () => ({ version: found.version }), (said) => `in force as ${said.version}`) }, "Put into force")),
      h("p", { class: "quiet" }, `As ${person.name}. A candidate decides for a week and acts on nothing.`));
  }

  put(tree, found.nodes.map(row));
  trial();
}
