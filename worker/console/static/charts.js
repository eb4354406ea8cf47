// Small charts, drawn as SVG.

import { s } from "./dom.js";

const ACTIONS = ["allow", "flag", "block"];

// Decisions by action over time: stacked bars, one for each stretch. counts: [start_ms, action, number].
export function rates(counts, bucketMs, untilMs, bars = 60) {
  const width = 600, height = 80, first = Math.floor(untilMs / bucketMs) - bars + 1;
  const stacks = Array.from({ length: bars }, () => ({ allow: 0, flag: 0, block: 0 }));
  for (const [start, action, count] of counts) {
    const place = Math.floor(start / bucketMs) - first;
    if (stacks[place]) stacks[place][action] += count;
  }
  const totals = stacks.map((one) => one.allow + one.flag + one.block);
  const most = Math.max(1, ...totals);
  const wide = width / bars;
  const chart = s("svg", { viewBox: `0 0 ${width} ${height}`, class: "chart", role: "img", preserveAspectRatio: "none",
    "aria-label": `${totals.reduce((a, b) => a + b, 0)} decisions in ${(bars * bucketMs) / 60000} minutes, at most ${most} in ${bucketMs / 1000} seconds` });
  stacks.forEach((stack, place) => {
    let bottom = height;
    for (const action of ACTIONS) {
      const tall = (stack[action] / most) * (height - 4);
      bottom -= tall;
      if (tall) chart.append(s("rect", { x: place * wide + 0.5, y: bottom, width: wide - 1, height: tall, class: action }));
    }
  });
  return { chart, perSecond: (totals.at(-2) ?? 0) / (bucketMs / 1000), most: most / (bucketMs / 1000) };
}

// Records behind the end of the queue, as the page saw them: [milliseconds, records], one after the other.
export function lagging(seen, untilMs, forMs) {
  const width = 600, height = 40, most = Math.max(1, ...seen.map((one) => one[1]));
  const at = ([time, lag]) => `${(width * (1 - (untilMs - time) / forMs)).toFixed(1)},${(height - 2 - (lag / most) * (height - 6)).toFixed(1)}`;
  return s("svg", { viewBox: `0 0 ${width} ${height}`, class: "chart lag", role: "img", preserveAspectRatio: "none",
    "aria-label": `lag of this worker: ${seen.at(-1)?.[1] ?? 0} records now, ${most} at most` },
    s("polyline", { points: seen.map(at).join(" ") }));
}

// A histogram of scores from 0 to 1; heights by square root, so that the rare high ones are seen.
export function histogram(counts, label) {
  const width = 500, height = 44, most = Math.max(1, ...counts), wide = width / counts.length;
  return s("svg", { viewBox: `0 0 ${width} ${height}`, class: "histogram", preserveAspectRatio: "none", role: "img", "aria-label": label },
    counts.map((count, place) => {
      const tall = Math.sqrt(count / most) * height;
      return count && s("rect", { x: place * wide + 0.5, y: height - tall, width: wide - 1, height: tall });
    }));
}

// Curves over time. lines: {name: [[t, value]]}, values from 0 to 1; bands: [{t0, t1, action, lane}]; marks: [{t, label, action}].
export function timeline({ lines, bands, lanes, marks, t0, t1, format }) {
  const width = 900, left = 110, top = 12, curve = 160, lane = 26;
  const height = top + curve + 24 + lanes.length * lane + 24;
  const span = Math.max(t1 - t0, 1);
  const x = (t) => left + ((t - t0) / span) * (width - left - 12);
  const y = (value) => top + (1 - value) * curve;
  const chart = s("svg", { viewBox: `0 0 ${width} ${height}`, class: "timeline", role: "img", "aria-label": "Timeline" });
  for (const value of [0, 0.5, 1]) {
    chart.append(s("line", { x1: left, x2: width - 12, y1: y(value), y2: y(value), class: "grid" }),
      s("text", { x: left - 8, y: y(value) + 4, class: "axis", "text-anchor": "end" }, String(value)));
  }
  Object.entries(lines).forEach(([name, points], place) => {
    const path = points.map(([t, value], i) => `${i ? "L" : "M"}${x(t).toFixed(1)} ${y(value).toFixed(1)}`).join("");
    chart.append(s("path", { d: path, class: `curve curve-${place % 6}` }, s("title", {}, name)));
  });
  lanes.forEach((name, place) => {
    const base = top + curve + 24 + place * lane;
    chart.append(s("text", { x: left - 8, y: base + 16, class: "axis", "text-anchor": "end" }, name.length > 15 ? `${name.slice(0, 14)}…` : name),
      s("rect", { x: left, y: base + 4, width: width - left - 12, height: lane - 8, class: "lane" }));
    for (const band of bands.filter((one) => one.lane === name)) {
      chart.append(s("rect", { x: x(band.t0), y: base + 4, width: Math.max(x(band.t1) - x(band.t0), 2), height: lane - 8, class: `band ${band.action}` },
        s("title", {}, `${format(band.t0)} to ${format(band.t1)}: ${band.action}`)));
    }
  });
  for (const mark of marks) {
    chart.append(s("line", { x1: x(mark.t), x2: x(mark.t), y1: top, y2: height - 24, class: `mark ${mark.action}` }, s("title", {}, mark.label)));
  }
  for (let step = 0; step <= 4; step++) {
    const t = t0 + (span * step) / 4;
    chart.append(s("text", { x: x(t), y: height - 6, class: "axis", "text-anchor": step === 0 ? "start" : step === 4 ? "end" : "middle" }, format(t)));
  }
  return chart;
}
