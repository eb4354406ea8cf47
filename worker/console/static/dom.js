// Elements from data. Text is always text: nothing that a decision says is ever read as markup.

const SVG = "http://www.w3.org/2000/svg";

export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function s(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(Infinity).filter((one) => one !== undefined && one !== null && one !== false));
  return element;
}

export function put(place, ...children) {
  place.replaceChildren(...children.flat(Infinity).filter((one) => one !== undefined && one !== null && one !== false));
  return place;
}

export function pill(action) {
  return h("span", { class: `pill ${action}` }, action);
}

export function field(label, control) {
  return h("label", { class: "field" }, h("span", {}, label), control);
}

export function select(options, chosen, onchange) {
  const found = h("select", { onchange: (event) => onchange(event.target.value) });
  for (const [value, label] of options) found.append(h("option", { value, selected: value === chosen }, label));
  return found;
}

export function table(head, rows, empty) {
  if (!rows.length) return h("p", { class: "quiet" }, empty);
  return h("div", { class: "scrolls", tabindex: "0", role: "region", "aria-label": head.filter(Boolean).join(", ") },
    h("table", {},
      h("thead", {}, h("tr", {}, head.map((one) => (one ? h("th", { scope: "col" }, one) : h("td"))))),
      h("tbody", {}, rows.map((row) => h("tr", {}, row.map((cell) => h("td", {}, cell)))))));
}

export const clock = (ms) => new Date(ms).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
export const moment = (ms) => new Date(ms).toLocaleString([], { dateStyle: "medium", timeStyle: "medium", hourCycle: "h23" });
export const number = (value, digits = 2) => (value === null || value === undefined ? "–" : value.toFixed(digits));
export const percent = (share) => `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`;

let telling;
export function tell(text, kind = "") {
  const place = document.getElementById("told");
  put(place, h("p", { class: kind }, text));
  clearTimeout(telling);
  telling = setTimeout(() => put(place), 6000);
}

export function debounced(work, ms) {
  let waiting;
  return (...words) => {
    clearTimeout(waiting);
    waiting = setTimeout(() => work(...words), ms);
  };
}
