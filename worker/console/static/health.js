// Health: this worker, its partitions, its policies, its breakers, and the dead letters with the way back.

import { get, post } from "./api.js";
import { h, moment, number, percent, put, table, tell } from "./dom.js";

const dot = (ok) => h("span", { class: ok ? "dot good" : "dot bad", role: "img", "aria-label": ok ? "well" : "not well" });

export async function health(place) {
  const state = h("div"), letters = h("section");
  put(place, h("h1", {}, "Health"), state, letters);
  const again = async () => put(state, drawn(await get("health")));
  await again();
  await dead(letters);
  const ticking = setInterval(() => again().catch((error) => put(state, h("p", { class: "bad", role: "alert" }, error.message))), 3000);
  return () => clearInterval(ticking);
}

function drawn({ status, ready }) {
  const lag = Object.values(status.queue?.lag ?? {}).reduce((a, b) => a + b, 0);
  const number_ = (value) => (value ?? 0).toLocaleString();
  return [
    h("div", { class: "tiles" },
      tile("Worker", [dot(ready), ready ? "ready" : "not ready"], `version ${status.version}`),
      tile("Partitions", status.queue?.partitions.length ?? 0, status.queue?.detail ?? ""),
      tile("Lag", number_(lag), "records behind"),
      tile("In flight", number_(status.in_flight?.events), `${((status.in_flight?.decoded_bytes ?? 0) / 1048576).toFixed(1)} MiB decoded`),
      tile("Policies", (status.policies ?? []).filter((one) => one.active_revision).length, `${(status.policies ?? []).filter((one) => one.code).length} refused`),
      tile("Breakers", (status.breaker ?? []).length, "not closed")),
    h("h2", {}, "Checks"), table(["", "check", "says"], (status.ready ?? []).map((one) => [dot(one.ok), one.name, one.detail]), ""),
    h("h2", {}, "Policies"), table(["", "policy", "version", "in force since", "tenants", "says"], (status.policies ?? []).map((one) => [dot(!one.code), one.name, one.version ?? "–",
      one.last_successful_activation ? moment(Date.parse(one.last_successful_activation)) : "–", one.tenants, one.message ? h("span", { class: "bad" }, one.message) : one.restored ? "from the last good set" : ""]), "no policy is loaded"),
    (status.breaker ?? []).length > 0 && [h("h2", {}, "Circuit breakers"), table(["policy", "category", "phase", "usual rate", "rate", "seconds left"], status.breaker.map((one) => [one.policy, one.category, one.phase, percent(one.baseline), percent(one.rate), number(one.seconds_left, 0)]), "")],
    (status.queue?.partitions.length ?? 0) > 0 && [h("h2", {}, "Partitions"), table(["partition", "lag"], status.queue.partitions.map((one) => [one, number_(status.queue.lag[one])]), "")],
    h("h2", {}, "Models"), table(["model", "version", "digest"], (status.models ?? []).map((one) => [one.name, one.version, h("code", {}, one.digest.slice(0, 26))]), "lists alone decide"),
  ];
}

const tile = (name, value, more) => h("div", { class: "tile" }, h("span", { class: "quiet" }, name), h("strong", {}, value), h("span", { class: "quiet" }, more));

async function dead(place) {
  put(place, h("h2", {}, "Dead letters"), h("p", { class: "quiet" }, "reading the topic"));
  let found;
  try {
    found = await get("deadletters");
  } catch (error) {
    put(place, h("h2", {}, "Dead letters"), h("p", { class: "quiet" }, error.message));
    return;
  }
  const { write } = await get("health");
  const again = async (body) => {
    try {
      const { sent } = await post("deadletters/redrive", body);
      tell(`${sent} sent back`, "good");
      await dead(place);
    } catch (error) {
      tell(error.message, "bad");
    }
  };
  const codes = [...new Set(found.letters.map((one) => one.code))];
  put(place, h("h2", {}, "Dead letters"), h("p", {}, `${found.waiting.toLocaleString()} wait.`),
    write && h("div", { class: "buttons" }, codes.map((code) => h("button", { type: "button", onclick: () => again({ code }) }, `Send back all ${code}`))),
    table(["source", "code", "stage", "why", "tenant", "bytes", "tries", "when", ""], found.letters.map((one) => [h("code", {}, one.source), one.code, one.stage, one.reason, one.tenant ?? "–", one.bytes, one.attempts, moment(Date.parse(one.time)),
      write && h("button", { type: "button", class: "plain", onclick: () => again({ source: one.source }) }, "Send back")]), "None waits."));
}
