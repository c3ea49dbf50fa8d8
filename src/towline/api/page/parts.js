// Small parts of the page: elements, times, sizes, buttons that say what came of them.

const numbers = new Intl.NumberFormat();

export function element(name, classes, text) {
  const found = document.createElement(name);
  if (classes) found.className = classes;
  if (text !== undefined) found.textContent = text;
  return found;
}

export const number = (value) => numbers.format(value);

export function ago(ms) {
  const seconds = Math.max(0, Math.round((Date.now() - ms) / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

export function size(bytes) {
  for (const unit of ["B", "KB", "MB", "GB"]) {
    if (bytes < 1024 || unit === "GB") return `${bytes < 10 && unit !== "B" ? bytes.toFixed(1) : Math.round(bytes)} ${unit}`;
    bytes /= 1024;
  }
}

/** Name and value pairs as a list. */
export function facts(pairs) {
  const list = element("dl", "counters");
  for (const [name, value] of pairs) list.append(element("dt", "", name), element("dd", "", value));
  return list;
}

const SURE = 5000;
const outcomes = new Map(); // what a button came to, kept over redrawing
const armed = new Map(); // buttons pressed once that want to be pressed twice
const busy = new Set();

/**
 * A button. `perform` does it and resolves to what is then said; `redraw` shows that.
 * With `sure` it does it only when it is pressed a second time.
 */
export function button(key, label, perform, redraw, { sure = false, about = "", place = key } = {}) {
  const asks = sure && Date.now() - (armed.get(key) ?? 0) < SURE;
  const found = element("button", asks ? "small sure" : "small", asks ? `${label}: sure?` : label);
  found.type = "button";
  found.dataset.key = key;
  found.disabled = busy.has(key);
  if (about) found.setAttribute("aria-label", asks ? `${label} ${about}: sure?` : `${label} ${about}`);
  found.onclick = async () => {
    if (sure && Date.now() - (armed.get(key) ?? 0) >= SURE) {
      armed.set(key, Date.now());
      setTimeout(redraw, SURE);
      return redraw();
    }
    armed.delete(key);
    busy.add(key);
    outcomes.set(place, { text: `${label}…` });
    redraw();
    try {
      outcomes.set(place, { text: (await perform()) ?? "Done" });
    } catch (error) {
      outcomes.set(place, { text: error.message || "It did not work", bad: true });
    }
    busy.delete(key);
    redraw();
  };
  return found;
}

/** What the last button of a place came to. */
export function outcome(place) {
  const found = outcomes.get(place);
  if (!found) return [];
  const told = element("p", found.bad ? "reason" : "past", found.text);
  told.setAttribute("role", "status");
  return [told];
}
