// The history strip: how many lines there were when, a way to any moment of it, and days as files.

import { address, ask, fetched, heldToken } from "./api.js";
import { element, number } from "./parts.js";

const SVG = document.querySelector("svg").namespaceURI;
const BARS = 120;
const SPANS = { "1h": 3600e3, "6h": 6 * 3600e3, "24h": 86_400e3, "7d": 7 * 86_400e3 };
const LEVELS = ["fatal", "error", "warn", "info", "debug", "trace"];
const short = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const long = new Intl.DateTimeFormat(undefined, { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

const drawn = (name, attributes) => {
  const found = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) found.setAttribute(key, value);
  return found;
};

const sum = (counts) => Object.values(counts).reduce((a, b) => a + b, 0);

export class History {
  /** `on` has filters(), text() and jump(milliseconds). */
  constructor(root, on) {
    this.root = root;
    this.on = on;
    this.chart = root.querySelector("#chart");
    this.span = root.querySelector("#span");
    this.told = root.querySelector("#chart-told");
    this.day = root.querySelector("#day");
    this.at = null;
    const today = new Date();
    this.day.value = this.day.max = [today.getFullYear(), today.getMonth() + 1, today.getDate()]
      .map((part) => String(part).padStart(2, "0")).join("-");
    this.span.onchange = () => this.draw();
    this.chart.onpointermove = (event) => this.point(this.under(event));
    this.chart.onpointerleave = () => this.point(null);
    this.chart.onclick = (event) => this.jump(this.under(event));
    this.chart.onkeydown = (event) => this.key(event);
    root.querySelector("#download").onsubmit = (event) => {
      event.preventDefault();
      this.download().catch((error) => (this.told.textContent = error.message));
    };
  }

  get open() {
    return !this.root.hidden;
  }

  async draw() {
    clearTimeout(this.again);
    if (!this.open) return;
    const span = SPANS[this.span.value];
    this.width = span / BARS;
    const until = Math.ceil(Date.now() / this.width) * this.width;
    const query = new URLSearchParams(this.on.filters());
    if (this.on.text()) query.append("text", this.on.text());
    for (const [name, value] of [["since", until - span], ["until", until], ["bucket", `${this.width / 1000}s`]])
      query.append(name, value);
    try {
      const { buckets } = await ask(`logs/histogram?${query}`);
      this.since = until - span;
      this.show(buckets);
    } catch (error) {
      this.told.textContent = error.message;
    }
    this.again = setTimeout(() => this.draw(), Math.max(5_000, this.width / 4));
  }

  show(buckets) {
    this.bars = new Array(BARS).fill(null);
    for (const bucket of buckets) {
      const place = Math.floor((bucket.start - this.since) / this.width);
      if (place >= 0 && place < BARS) this.bars[place] = bucket.counts;
    }
    const most = Math.max(1, ...this.bars.map((counts) => (counts ? sum(counts) : 0)));
    const picture = drawn("svg", { viewBox: `0 0 ${BARS} 100`, preserveAspectRatio: "none", "aria-hidden": "true" });
    this.bars.forEach((counts, x) => {
      let y = 100;
      for (const level of LEVELS.filter((each) => counts?.[each])) {
        const height = Math.max((counts[level] / most) * 100, 2); // one error among thousands is seen
        y = Math.max(0, y - height);
        picture.append(drawn("rect", { x: x + 0.1, y, width: 0.8, height, class: `bar-${level}` }));
      }
    });
    this.mark = drawn("rect", { y: 0, width: 1, height: 100, class: "mark", visibility: "hidden" });
    picture.append(this.mark);
    this.chart.replaceChildren(picture);
    this.chart.setAttribute("aria-valuemax", BARS - 1);
    this.point(this.at);
  }

  under(event) {
    const { left, width } = this.chart.getBoundingClientRect();
    return Math.min(BARS - 1, Math.max(0, Math.floor(((event.clientX - left) / width) * BARS)));
  }

  point(place) {
    this.at = place;
    if (!this.bars) return;
    this.mark.setAttribute("visibility", place === null ? "hidden" : "visible");
    if (place !== null) this.mark.setAttribute("x", place);
    const text = place === null ? this.whole() : this.told_of(place);
    this.told.textContent = text;
    this.chart.setAttribute("aria-valuenow", place ?? BARS - 1);
    this.chart.setAttribute("aria-valuetext", text);
  }

  whole() {
    const total = this.bars.reduce((found, counts) => found + (counts ? sum(counts) : 0), 0);
    return `${number(total)} lines`;
  }

  told_of(place) {
    const counts = this.bars[place] ?? {};
    const at = new Date(this.since + place * this.width);
    const levels = LEVELS.filter((level) => counts[level]).map((level) => `${number(counts[level])} ${level}`);
    const when = this.span.value === "7d" ? long.format(at) : short.format(at);
    return `${when}: ${levels.join(", ") || "no line"}`;
  }

  key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step) {
      event.preventDefault();
      this.point(Math.min(BARS - 1, Math.max(0, (this.at ?? BARS) + step)));
    } else if (event.key === "Enter" && this.at !== null) this.jump(this.at);
  }

  jump(place) {
    if (this.bars) this.on.jump(this.since + place * this.width);
  }

  /** A day of what the filters leave, by the reader's own clock. */
  async download() {
    const begin = new Date(`${this.day.value}T00:00:00`);
    const end = new Date(begin);
    end.setDate(end.getDate() + 1);
    const format = this.root.querySelector("#form").value;
    const query = new URLSearchParams(this.on.filters());
    if (this.on.text()) query.append("text", this.on.text());
    for (const [name, value] of [["since", begin.getTime()], ["until", end.getTime()], ["format", format]])
      query.append(name, value);
    const link = element("a");
    link.download = `towline-${this.day.value}.${format === "text" ? "log" : format}`;
    link.href = address(`logs/export?${query}`);
    if (heldToken()) {
      // a link carries no token: the file is fetched whole, then handed over
      const answer = await fetched(`logs/export?${query}`);
      link.href = URL.createObjectURL(await answer.blob());
      setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    }
    link.click();
  }
}
