// The page: filters, the list of lines, the live stream that feeds it, the status panel.

import { address, ask, heldToken, keepToken } from "./api.js";
import { History } from "./history.js";
import { element, number } from "./parts.js";
import { MOST, Rows, nameOf } from "./rows.js";
import { draw, folds } from "./status.js";
import { Stream } from "./stream.js";
import "./theme.js";

const PAGE = 300;
const $ = (id) => document.getElementById(id);
const STATES = {
  connecting: "Connecting", live: "Live", paused: "Paused", away: "Connection lost, trying again",
  refused: "Refused", token: "Token needed", ended: "Ended",
};
const OTHERS = [["type:system,manager", "Towline and engine"], ["type:host", "Host journal"]];

let stream = null;
let loading = false; // older or newer lines are on their way
let beginning = false; // there are no older lines
let early = null; // live lines that came before the first page
let held = []; // live lines that wait while the reader looks elsewhere
let skipped = false; // more waited than the page holds
let missed = 0;
let state = "connecting";
let reason = "";
let seen = 0;
let redraw = 0;

const rows = new Rows($("lines"), $("rows"), {
  follow: (following) => {
    if (following && !paused()) release();
    show();
  },
  top: older,
  bottom: newer,
  around: (record) => {
    choose(record.source.type === "container" ? nameOf(record) : "");
    $("level").value = $("text").value = "";
    start({ id: record.id });
  },
});

const history = new History($("history"), {
  filters, text: () => needle(), jump: (time) => start({ time }),
});

const paused = () => $("pause").getAttribute("aria-pressed") === "true";
const needle = () => $("text").value.trim();

function filters() {
  const found = [];
  const chosen = $("container").value;
  if (chosen.startsWith("type:"))
    for (const type of chosen.slice(5).split(",")) found.push(["sourceType", type]);
  else if (chosen) found.push(["container", chosen.slice(5)]);
  if ($("level").value) found.push(["minLevel", $("level").value]);
  return found;
}

function wanted(record) {
  const text = needle();
  if (!text) return true;
  return (text === text.toLowerCase() ? record.message.toLowerCase() : record.message).includes(text);
}

/** A search goes into the body: ingress refuses some texts in an address. */
async function search(place) {
  const body = { ...(place.around ? {} : { limit: PAGE }), ...place };
  for (const [name, value] of filters()) (body[name] ??= []).push(value);
  if (needle()) body.text = needle();
  return ask("logs/search", body);
}

/**
 * Begin anew: the newest lines from the store, then what comes, without a hole between them.
 * At a place of the past ({time} or {id}) what comes waits until the reader is back at the newest.
 */
function start(at) {
  stream?.close();
  [early, held, skipped, missed, beginning] = [[], [], false, 0, false];
  rows.needle = needle();
  rows.clear();
  const mine = (stream = new Stream({
    url: address("logs/stream"),
    parameters: filters(),
    token: heldToken(),
    on: {
      hello: (frame, resumed) => resumed || first(mine, frame.store.next, at),
      logs: (records) => take(records),
      gap: (frame) => take([{ missing: gapText(frame) }]),
      state: tell,
    },
  }));
  history.draw();
}

async function first(mine, before, at) {
  early ??= [];
  try {
    if (at) await past(mine, at);
    else {
      const page = await search({ before });
      if (mine !== stream) return;
      rows.prepend(page.logs.reverse());
      beginning = page.next === null;
    }
  } catch (error) {
    if (mine === stream) tell("refused", error.message);
    return;
  }
  if (mine !== stream) return;
  const waiting = early;
  early = null;
  take(waiting);
  edge();
  show();
}

async function past(mine, { time, id }) {
  const place = id ? { around: id, context: PAGE / 2 } : { since: time, order: "asc" };
  const page = await search(place);
  if (mine !== stream) return;
  rows.follow(false);
  rows.newestLost = true;
  rows.append(page.logs);
  if (id) rows.reveal(id);
  else $("lines").scrollTop = 0;
  if (!rows.count) newest(); // nothing was said since
}

function take(items) {
  if (early) return void early.push(...items);
  seen += items.length;
  for (const item of items) {
    if (item.missing) held.push(item);
    else {
      learn(item);
      if (wanted(item)) held.push(item);
    }
  }
  if (held.length > MOST) {
    missed += held.length - MOST;
    held = held.slice(-MOST);
    skipped = true;
  }
  // one drawing per picture, however many frames come
  redraw ||= requestAnimationFrame(() => {
    redraw = 0;
    if (rows.following && !paused()) release();
    show();
  });
}

function release() {
  if (rows.newestLost) return start();
  if (skipped) rows.clear();
  if (skipped) beginning = false;
  [skipped, missed] = [false, 0];
  const items = held;
  held = [];
  if (items.length) rows.append(items);
}

async function older() {
  if (loading || beginning || early || !rows.oldest) return;
  loading = true;
  edge();
  const mine = stream;
  try {
    const page = await search({ before: rows.oldest });
    if (mine !== stream) return;
    rows.prepend(page.logs.reverse());
    beginning = page.next === null;
  } catch (error) {
    tell("refused", error.message);
  } finally {
    loading = false;
    edge();
    show();
    requestAnimationFrame(() => rows.scrolled()); // still at the top: there is room for more
  }
}

/** What comes after the newest that stands here, until the lines that wait go on from there. */
async function newer() {
  if (loading || early || !rows.newestLost || !rows.newest) return;
  loading = true;
  const mine = stream;
  try {
    const page = await search({ after: rows.newest, order: "asc" });
    if (mine !== stream) return;
    rows.append(page.logs);
    if (page.next !== null) return;
    if (skipped) return start();
    const newest = rows.newest;
    held = held.filter((item) => item.missing || item.id > newest);
    rows.newestLost = false;
    rows.scrolled();
  } catch (error) {
    tell("refused", error.message);
  } finally {
    loading = false;
    show();
  }
}

function gapText(frame) {
  if (frame.missed === null) return "Some lines are missing here: the store is another one now";
  const lines = frame.missed === 1 ? "1 line is" : `${number(frame.missed)} lines are`;
  const why = { slow: "this page was too slow", expired: "they are no longer kept" };
  return `${lines} missing here: ${why[frame.reason] ?? frame.reason}`;
}

function edge() {
  const button = element("button", "older", loading ? "Loading…" : "Load older lines");
  button.type = "button";
  button.disabled = loading;
  button.onclick = older;
  $("edge").replaceChildren(
    ...(rows.count ? [beginning ? element("p", "start", "The beginning of what is kept") : button] : []),
  );
}

function tell(name, why = "") {
  [state, reason] = [name, why];
  if (name === "token") {
    if (why.startsWith("token_wrong")) $("ask-why").textContent = "That token is none of ours.";
    if (!$("ask").open) $("ask").showModal();
  }
  show();
}

function show() {
  const still = paused() || !rows.following;
  const shown = state === "live" && paused() ? "paused" : state;
  $("live").className = `live ${shown}`;
  $("live-word").textContent = reason && shown === "refused" ? reason : STATES[shown];
  $("shown").textContent = rows.count ? `${number(rows.count)} lines shown` : "";
  const waiting = held.length + missed;
  $("newest").hidden = !still || (!waiting && rows.following);
  $("newest").textContent = waiting
    ? `↓ ${number(waiting)} new ${waiting === 1 ? "line" : "lines"}` : "↓ Newest";
  $("empty").hidden = rows.count > 0 || state === "connecting" || early !== null;
  $("empty").textContent = filters().length || needle()
    ? "No line matches these filters yet." : "No line yet. Lines appear here as containers write them.";
  if (state === "refused") $("empty").textContent = reason;
}

// --- containers -------------------------------------------------------------------------------

const known = new Set();

function learn(record) {
  if (record.source.type === "container" && !known.has(nameOf(record))) {
    known.add(nameOf(record));
    choices();
  }
}

function choices() {
  const select = $("container");
  const chosen = select.value;
  const option = ([value, text]) => Object.assign(element("option", "", text), { value });
  const group = element("optgroup");
  group.label = "Other";
  group.append(...OTHERS.map(option));
  const names = [...known].sort((a, b) => a.localeCompare(b, undefined, { numeric: true }));
  select.replaceChildren(
    option(["", "All containers"]), ...names.map((name) => option([`name:${name}`, name])), group,
  );
  select.value = chosen;
}

async function containers() {
  const found = await ask("containers").catch(() => ({ containers: [] }));
  for (const container of found.containers) known.add(container.name);
  choices();
}

/** Show one container's lines only; all of them without a name. */
function choose(name) {
  if (name) known.add(name);
  choices();
  $("container").value = name ? `name:${name}` : "";
}

// --- status -----------------------------------------------------------------------------------

let drawing = 0;

async function status() {
  clearTimeout(drawing);
  try {
    await draw($("status-body"), {
      told: (found) => {
        const bad = Object.values(found.components).filter((c) => c.state === "degraded").length;
        $("worst").className = `dot ${found.state}`;
        $("status-word").textContent = bad ? `${bad} ${bad === 1 ? "problem" : "problems"}` : "Status";
        $("device").textContent = found.device.name || found.device.id;
      },
      choose: (name) => {
        choose(name);
        if (matchMedia("(max-width: 900px)").matches) openStatus(false);
        start();
      },
      redraw: status,
    });
  } catch (error) {
    $("worst").className = "dot";
    $("status-body").replaceChildren(element("p", "summary", error.message || "Not reachable"));
  }
  drawing = setTimeout(status, $("status").hidden ? 20_000 : 3_000);
}

function openStatus(open) {
  $("status").hidden = !open;
  $("open-status").setAttribute("aria-expanded", String(open));
  if (open) status();
  (open ? $("close-status") : $("open-status")).focus();
}

function openHistory(open) {
  $("history").hidden = !open;
  $("open-history").setAttribute("aria-expanded", String(open));
  history.draw();
}

// --- what the reader does ---------------------------------------------------------------------

let typing = 0;

function pause(on) {
  $("pause").setAttribute("aria-pressed", String(on));
  $("pause").querySelector(".word").textContent = on ? "Resume" : "Pause";
  $("pause").title = on ? "Resume (p)" : "Pause (p)";
  if (!on) newest();
  show();
}

function newest() {
  if (paused()) return pause(false);
  rows.follow(true);
  release();
  rows.toNewest();
  show();
}

$("pause").onclick = () => pause(!paused());
$("newest").onclick = newest;
$("container").onchange = $("level").onchange = () => start();
$("open-history").onclick = () => openHistory($("history").hidden);
folds($("status-body"), status);
$("filters").onsubmit = (event) => event.preventDefault();
$("text").oninput = () => {
  clearTimeout(typing);
  typing = setTimeout(() => start(), 250);
};
$("open-status").onclick = () => openStatus($("status").hidden);
$("close-status").onclick = () => openStatus(false);
$("ask-form").onsubmit = () => {
  keepToken($("token").value.trim());
  $("token").value = "";
  begin();
};

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || $("ask").open) return;
  const inField = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
  if (event.key === "Escape") {
    if (!$("status").hidden) openStatus(false);
    else if (event.target === $("text")) $("lines").focus();
  } else if (inField) return;
  else if (event.key === "/") {
    event.preventDefault();
    $("text").focus();
  } else if (event.key === "p") pause(!paused());
  else if (event.key === "s") openStatus($("status").hidden);
  else if (event.key === "h") openHistory($("history").hidden);
  else if (event.key === "End") newest();
});

setInterval(() => {
  $("rate").textContent = state === "live" && seen ? `${number(seen)} lines/s` : "";
  seen = 0;
}, 1000);

setInterval(containers, 15_000);

function begin() {
  start();
  containers();
  status();
}

begin();
