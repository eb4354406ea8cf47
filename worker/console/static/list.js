// A long list of which only what is seen is in the page: ten thousand rows scroll like ten.

import { h, put } from "./dom.js";

const MORE = 8; // rows drawn above and below what is seen

export class LongList {
  // draw(row) gives an element of `height` pixels; open(row) is called for a click or Enter.
  constructor({ height, draw, open, older, label }) {
    this.height = height;
    this.draw = draw;
    this.open = open;
    this.older = older ?? (() => {});
    this.rows = [];
    this.at = -1;
    this.inner = h("div", { class: "long-inner" });
    this.box = h("div", {
      class: "long", tabindex: "0", role: "listbox", "aria-label": label,
      onscroll: () => this.soon(), onkeydown: (event) => this.key(event),
    }, this.inner);
    new ResizeObserver(() => this.soon()).observe(this.box);
  }

  set(rows) {
    this.rows = rows;
    this.at = -1;
    this.box.scrollTop = 0;
    this.grown();
  }

  // What is new stands above; what somebody is reading stays where it is.
  above(rows, most) {
    this.rows = [...rows, ...this.rows].slice(0, most);
    if (this.at >= 0) this.at += rows.length;
    this.grown();
    if (this.box.scrollTop > this.height) this.box.scrollTop += rows.length * this.height;
  }

  below(rows) {
    this.rows = [...this.rows, ...rows];
    this.grown();
  }

  // At once, not with the next picture: whoever presses End meanwhile must get to the end.
  grown() {
    this.inner.style.height = `${this.rows.length * this.height}px`;
    this.soon();
  }

  soon() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = null;
      this.paint();
    });
  }

  paint() {
    const first = Math.max(0, Math.floor(this.box.scrollTop / this.height) - MORE);
    const last = Math.min(this.rows.length, Math.ceil((this.box.scrollTop + this.box.clientHeight) / this.height) + MORE);
    put(this.inner, this.rows.slice(first, last).map((row, place) => {
      const index = first + place;
      const found = this.draw(row);
      found.id = `row-${index}`;
      found.setAttribute("role", "option");
      found.setAttribute("aria-selected", String(index === this.at));
      found.setAttribute("aria-posinset", String(index + 1));
      found.setAttribute("aria-setsize", String(this.rows.length));
      found.style.top = `${index * this.height}px`;
      found.addEventListener("click", () => this.choose(index, true));
      return found;
    }));
    if (this.at >= first && this.at < last) this.box.setAttribute("aria-activedescendant", `row-${this.at}`);
    else this.box.removeAttribute("aria-activedescendant");
    if (this.rows.length && last === this.rows.length) this.older(this.rows.at(-1));
  }

  choose(index, open) {
    this.at = Math.max(0, Math.min(index, this.rows.length - 1));
    const top = this.at * this.height;
    if (top < this.box.scrollTop) this.box.scrollTop = top;
    else if (top + this.height > this.box.scrollTop + this.box.clientHeight) this.box.scrollTop = top + this.height - this.box.clientHeight;
    this.soon();
    if (open && this.rows[this.at]) this.open(this.rows[this.at]);
  }

  key(event) {
    const page = Math.floor(this.box.clientHeight / this.height);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -1e9, End: 1e9 };
    if (event.key in steps) this.choose(this.at + steps[event.key], false);
    else if (event.key === "Enter" && this.at >= 0) this.choose(this.at, true);
    else return;
    event.preventDefault();
  }
}
