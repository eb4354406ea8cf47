// The frame: who is signed in, which page is shown, light or dark.

import { Refused, session, signIn, signOut } from "./api.js";
import { field, h, put } from "./dom.js";
import { calls } from "./calls.js";
import { health } from "./health.js";
import { live } from "./live.js";
import { policy } from "./policy.js";
import { review } from "./review.js";

const PAGES = { live: ["Live", live], policy: ["Policy", policy], calls: ["Calls", calls], review: ["Review", review], health: ["Health", health] };
const main = document.getElementById("main");
let person = null;
let leave = () => {};

function frame() {
  const here = location.hash.split("/")[1]?.split("?")[0];
  put(document.getElementById("nav"), Object.entries(PAGES).map(([name, [label]]) =>
    h("a", { href: `#/${name}`, "aria-current": name === here ? "page" : null }, label)));
  put(document.getElementById("who"),
    h("button", { class: "plain", type: "button", onclick: turn, "aria-label": "Light or dark" }, "◐"),
    person && person.name !== "local" && h("button", { class: "plain", type: "button", onclick: out }, `Sign out ${person.name}`));
}

function turn() {
  const dark = document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  document.documentElement.dataset.theme = dark === "dark" ? "light" : "dark";
  localStorage.setItem("theme", document.documentElement.dataset.theme);
}

async function out() {
  await signOut();
  person = null;
  show();
}

async function show() {
  leave();
  leave = () => {};
  const [, name, ...rest] = location.hash.split("/");
  if (!PAGES[name]) {
    location.replace("#/live");
    return;
  }
  frame();
  if (!person) {
    put(main, door());
    return;
  }
  document.title = `${PAGES[name][0]} · Tidegate`;
  const place = h("div", { class: `page ${name}` });
  put(main, place);
  main.focus({ preventScroll: true }); // before its data: whoever is in a list already when the last of it comes stays there
  try {
    const left = (await PAGES[name][1](place, rest.map(decodeURIComponent), person)) ?? (() => {});
    if (place.isConnected) leave = left;
    else left(); // another page was asked for meanwhile
  } catch (error) {
    put(place, sorry(error));
    if (!(error instanceof Refused)) throw error;
  }
}

export function sorry(error) {
  return h("div", { class: "card sorry", role: "alert" }, h("h2", {}, "Nothing to show"), h("p", {}, error.message));
}

function door() {
  const name = h("input", { name: "name", autocomplete: "username", required: true });
  const password = h("input", { name: "password", type: "password", autocomplete: "current-password", required: true });
  const said = h("p", { class: "bad", role: "alert" });
  return h("form", {
    class: "card door",
    onsubmit: async (event) => {
      event.preventDefault();
      try {
        person = await signIn(name.value, password.value);
        await show();
      } catch (error) {
        put(said, error.message);
      }
    },
  }, h("h1", {}, "Sign in"), field("Name", name), field("Password", password), said, h("button", { class: "strong" }, "Sign in"));
}

window.addEventListener("hashchange", show);
window.addEventListener("signed-out", () => {
  if (person) {
    person = null;
    show();
  }
});
const theme = localStorage.getItem("theme");
if (theme) document.documentElement.dataset.theme = theme;
try {
  person = await session();
} catch (error) {
  put(main, sorry(error));
}
await show();
