// The list of lines. At most MOST rows stand in the page; what leaves at one end can be loaded again.

import { pieces } from "./ansi.js";
import { element } from "./parts.js";

export const MOST = 2000;
const NEAR = 40;
const LONG = 3000; // characters, and
const MANY = 24; // lines, of which a row shows the beginning until it is opened

const clock = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, hourCycle: "h23",
});
const calendar = new Intl.DateTimeFormat(undefined, { dateStyle: "full" });

export function nameOf(record) {
  return record.containerName || record.serviceName || record.source.name;
}

/** A hue that belongs to a name (FNV-1a), so that a container looks the same everywhere. */
function hueOf(name) {
  let hash = 2166136261;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 16777619);
  return Math.round(((hash >>> 0) % 24) * 15);
}

function marked(parent, text, needle) {
  const hay = needle === needle.toLowerCase() ? text.toLowerCase() : text;
  let from = 0;
  if (needle && hay.length === text.length)
    for (let at; (at = hay.indexOf(needle, from)) >= 0; from = at + needle.length) {
      if (at > from) parent.append(text.slice(from, at));
      parent.append(element("mark", "", text.slice(at, at + needle.length)));
    }
  if (from < text.length) parent.append(text.slice(from));
}

export class Rows {
  /**
   * `on` has follow(following): the reader left or reached the newest; top() and bottom(): nears
   * the oldest or the newest that stands here; around(record): wants the lines around one.
   */
  constructor(scroller, list, on) {
    this.scroller = scroller;
    this.list = list;
    this.on = on;
    this.needle = "";
    this.following = true;
    this.newestLost = false;
    scroller.addEventListener("scroll", () => this.scrolled(), { passive: true });
    list.addEventListener("click", (event) => this.toggle(event.target.closest(".row")));
    list.addEventListener("keydown", (event) => {
      const row = event.target.closest(".row");
      if (!row || event.target !== row) return;
      if (event.key === "Enter" || event.key === " ") this.toggle(row);
      else if (event.key === "ArrowUp" || event.key === "ArrowDown") this.step(row, event.key);
      else return;
      event.preventDefault();
    });
    scroller.addEventListener("keydown", (event) => {
      if (event.target === scroller && event.key === "Enter") this.enter();
    });
    this.place = 0;
    // lines wrap anew when the window or a panel changes: who follows goes on following
    const resized = new ResizeObserver(() => this.following && this.toNewest());
    resized.observe(scroller);
    resized.observe(list);
  }

  get oldest() {
    return this.list.querySelector(".row")?.record.id;
  }

  get newest() {
    return [...this.list.querySelectorAll(":scope > .row")].at(-1)?.record.id;
  }

  get count() {
    return this.list.childElementCount;
  }

  clear() {
    this.list.replaceChildren();
    this.newestLost = false;
    this.follow(true);
  }

  append(items) {
    const fragment = document.createDocumentFragment();
    let last = this.list.lastElementChild;
    for (const item of items.slice(-MOST)) {
      const row = this.made(item);
      this.divide(fragment, last, row);
      fragment.append(row);
      last = row;
    }
    this.list.append(fragment);
    const height = this.following ? 0 : this.scroller.scrollHeight;
    while (this.count > MOST) this.list.firstElementChild.remove();
    if (this.following) this.toNewest();
    else this.scroller.scrollTop -= height - this.scroller.scrollHeight;
  }

  /** Bring a line into the middle and open it. */
  reveal(id) {
    const row = [...this.list.querySelectorAll(".row")].find((each) => each.record.id === id);
    if (!row) return;
    if (!row.classList.contains("open")) this.toggle(row, true);
    row.scrollIntoView({ block: "center" });
  }

  /** Put the keyboard on the last line that is seen. */
  enter() {
    const { bottom } = this.scroller.getBoundingClientRect();
    const seen = [...this.list.querySelectorAll(".row")].filter((row) => row.getBoundingClientRect().top < bottom - 10);
    seen.at(-1)?.focus({ preventScroll: true });
  }

  step(row, key) {
    const side = key === "ArrowUp" ? "previousElementSibling" : "nextElementSibling";
    let next = row[side];
    while (next && !next.classList.contains("row")) next = next[side];
    next?.focus();
  }

  prepend(records) {
    if (!records.length) return;
    const first = this.list.firstElementChild;
    const height = this.scroller.scrollHeight;
    const fragment = document.createDocumentFragment();
    let last = null;
    for (const record of records) {
      const row = this.made(record);
      this.divide(fragment, last, row);
      fragment.append(row);
      last = row;
    }
    if (first?.classList.contains("day") && dayOf(first.nextElementSibling) === dayOf(last))
      first.remove();
    this.list.prepend(fragment);
    while (this.count > MOST) {
      this.list.lastElementChild.remove();
      this.newestLost = true;
    }
    if (this.following) this.toNewest();
    else this.scroller.scrollTop += this.scroller.scrollHeight - height;
  }

  divide(fragment, before, row) {
    const day = dayOf(row);
    if (!day || (before && dayOf(before) === day)) return;
    const divider = element("div", "day", calendar.format(row.record.timestamp));
    divider.day = day;
    fragment.append(divider);
  }

  made(item) {
    if (item.missing) return element("div", "gap", item.missing);
    const row = element("div", `row ${item.level}${item.gap ? " hole" : ""}`);
    row.record = item;
    row.tabIndex = -1;
    const time = element("time", "time", clock.format(item.timestamp));
    time.dateTime = time.title = item.time;
    const chip = element("span", "chip", nameOf(item));
    chip.title = nameOf(item);
    chip.style.setProperty("--hue", hueOf(nameOf(item)));
    const long = item.message.length > LONG || item.message.split("\n", MANY + 1).length > MANY;
    const message = element("span", long ? "message long" : "message");
    for (const { text, classes } of pieces(item.message))
      marked(classes ? message.appendChild(element("span", classes)) : message, text, this.needle);
    row.append(time, element("span", "level", item.level), chip, message);
    return row;
  }

  toggle(row, always = false) {
    if (!row || (!always && String(getSelection()))) return;
    const open = row.querySelector(".details");
    row.classList.toggle("open", !open);
    if (open) return open.remove();
    const list = element("dl", "details");
    for (const [name, value] of facts(row.record))
      list.append(element("dt", "", name), element("dd", "", value));
    const around = element("button", "small", "Lines around it");
    around.type = "button";
    around.onclick = (event) => {
      event.stopPropagation();
      this.on.around(row.record);
    };
    const last = element("dd");
    last.append(around);
    list.append(element("dt"), last);
    row.append(list);
    row.focus({ preventScroll: true });
  }

  scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    const near = scrollHeight - scrollTop - clientHeight < NEAR;
    // only who moves up stops following: the height also changes without anybody's doing
    if (near) this.follow(!this.newestLost);
    else if (scrollTop < this.place) this.follow(false);
    this.place = scrollTop;
    if (scrollTop < clientHeight / 2 && this.count) this.on.top();
    if (scrollHeight - scrollTop - clientHeight < clientHeight / 2 && this.newestLost) this.on.bottom();
  }

  follow(following) {
    if (following === this.following) return;
    this.following = following;
    this.on.follow(following);
  }

  toNewest() {
    this.scroller.scrollTop = this.scroller.scrollHeight;
  }
}

function dayOf(row) {
  if (!row) return "";
  return row.day || (row.record ? new Date(row.record.timestamp).toDateString() : "");
}

function* facts(record) {
  yield ["time", record.time];
  yield ["stream", record.isStdErr ? "stderr" : "stdout"];
  const { serviceName, project, app, image, device, seq } = record;
  for (const [name, value] of Object.entries({ service: serviceName, project, app, image, device, seq }))
    if (value !== undefined && value !== null) yield [name, String(value)];
  for (const [name, value] of Object.entries(record.fields || {}))
    yield [name, typeof value === "string" ? value : JSON.stringify(value)];
  yield ["id", record.id];
}
