// The status panel: what to look at, containers, and every component: its state, why, and what
// can be done to it.

import { ask } from "./api.js";
import { cards } from "./containers.js";
import { ago, button, element, facts, number, outcome } from "./parts.js";

const WORDS = { up: "up", degraded: "degraded", starting: "starting", stopped: "stopped" };
const ROOMS = {
  sources: "Sources", brokers: "Brokers", backends: "Backends", alerts: "Alerts",
  subscriptions: "Subscriptions",
};
const SPANS = { "15m": "15 minutes", "1h": "1 hour", "24h": "1 day", "7d": "7 days" };
const open = new Set(); // what the reader unfolded, kept over redrawing

function words(name) {
  return name.replace(/([a-z])([A-Z])/g, "$1 $2").replaceAll("_", " ").toLowerCase();
}

function told(classes, problem) {
  const place = problem.file ? `${problem.file}:${problem.line}: ` : "";
  return element("p", classes, `${place}${problem.message}`);
}

function card(name, component, more) {
  const found = element("article", `card ${component.state}`);
  const head = element("header");
  const state = more.paused ? "paused" : (WORDS[component.state] ?? component.state);
  head.append(
    element("i", `dot ${more.paused ? "starting" : component.state}`),
    element("h4", "", name),
    element("span", "since", `${state} · ${ago(component.since)}`),
  );
  found.append(head);
  if (component.reason) found.append(element("p", "reason", component.reason));
  else if (component.lastError) found.append(element("p", "past", `last error: ${component.lastError}`));
  const git = component.git;
  if (git && !component.reason) found.append(element("p", "past", `${git.state}: ${git.says}`));
  found.append(...(git?.problems ?? []).slice(1).map((problem) => told("reason", problem)));
  found.append(...(component.warnings ?? []).map((warning) => told("warning", warning)));
  if (component.lastFired) found.append(element("p", "past", `last fired ${ago(component.lastFired)} ago`));
  const counters = [
    ...(more.facts ?? []),
    ...Object.entries(component.counters || {}).map(([key, value]) => [words(key), number(value)]),
  ];
  if (counters.length) found.append(facts(counters));
  if (more.actions) found.append(more.actions, ...outcome(more.key));
  return found;
}

// --- backends ---------------------------------------------------------------------------------

function ofBackend(backend, redraw) {
  const key = `backends.${backend.name}`;
  const path = `backends/${encodeURIComponent(backend.name)}`;
  const actions = element("div", "acts");
  const about = { about: backend.name, place: key };
  actions.append(
    backend.paused
      ? button(`${key}.resume`, "Resume", async () => (await ask(`${path}/resume`, {}), "Resumed"), redraw, about)
      : button(`${key}.pause`, "Pause", async () => (await ask(`${path}/pause`, {}), "Paused, over restarts too"), redraw, about),
    replay(key, path, backend.name, redraw),
  );
  const rows = [["to deliver", number(backend.lag)]];
  if (backend.dead) rows.push(["set aside", number(backend.dead)]);
  if (backend.dead)
    actions.append(button(`${key}.revive`, "Send again what was set aside", async () => (await ask(`${path}/dead/replay`, {}), "On its way again"), redraw, about));
  return { key, facts: rows, actions, paused: backend.paused };
}

function replay(key, path, name, redraw) {
  const found = element("span", "pair");
  const select = element("select");
  select.setAttribute("aria-label", `Replay ${name} from`);
  select.dataset.key = `${key}.span`;
  for (const [span, text] of Object.entries(SPANS))
    select.append(Object.assign(element("option", "", text), { value: span }));
  if (spans.has(key)) select.value = spans.get(key);
  select.onchange = () => spans.set(key, select.value);
  const go = async () => {
    const answer = await ask(`${path}/replay`, { since: select.value });
    return `${number(answer.lag)} records go out again`;
  };
  found.append(button(`${key}.replay`, "Replay", go, redraw, { about: name, place: key, sure: true }), select);
  return found;
}

const spans = new Map();

// --- brokers ----------------------------------------------------------------------------------

function ofBroker(name, found, redraw) {
  const key = `brokers.${name}`;
  const path = `mqtt-config/${encodeURIComponent(name)}`;
  const actions = element("div", "acts");
  const about = { about: name, place: key };
  actions.append(
    button(`${key}.test`, "Test", async () => tested(await ask(`${path}/test`, {})), redraw, about),
    button(`${key}.reconnect`, "Reconnect", async () => (await ask(`${path}/reconnect`, {}), "It connects anew"), redraw, about),
  );
  const rows = [];
  if (found?.server) rows.push(["server", found.server]);
  if (found?.version) rows.push(["MQTT", String(found.version)]);
  if (found?.latencyMs != null) rows.push(["there and back", `${found.latencyMs} ms`]);
  for (const server of found?.servers ?? [])
    if (server.error) rows.push([server.server ?? server.url ?? "server", server.error]);
  return { key, facts: rows, actions };
}

function tested(report) {
  const steps = (report.steps ?? []).map(
    ({ ok, server, step, text, ms }) => `${ok ? "✓" : "✗"} ${step}: ${text} (${server}${ms == null ? "" : `, ${ms} ms`})`,
  );
  const whole = report.connected ? `It works (${report.latency_ms} ms)` : (report.error ?? "It does not work");
  if (!report.connected) throw { message: [whole, ...steps].join("\n") };
  return [whole, ...steps].join("\n");
}

// --- the whole --------------------------------------------------------------------------------

function lookAt(findings) {
  const section = element("section");
  section.append(element("h3", "", "What to look at"));
  for (const finding of findings) {
    const row = element("p", `finding ${finding.severity}`);
    row.append(element("b", "", finding.about), `: ${finding.text}`);
    if (finding.remedy) row.append(element("span", "remedy", ` → ${finding.remedy}`));
    section.append(row);
  }
  return section;
}

function titled(title, ...parts) {
  const section = element("section");
  section.append(element("h3", "", title), ...parts);
  return section;
}

async function brokersOf(components) {
  const names = Object.keys(components).filter((key) => key.startsWith("brokers.")).map((key) => key.slice(8));
  const found = names.map((name) => ask(`mqtt-config/${encodeURIComponent(name)}/status`).catch(() => null));
  const states = await Promise.all(found);
  return Object.fromEntries(names.map((name, place) => [name, states[place]]));
}

/** Draw the status; it goes to `on.told` as well. `on` has choose(container) and redraw(), too. */
export async function draw(body, on) {
  const hidden = body.closest("[hidden]") !== null;
  const status = await ask("status");
  on.told(status);
  if (hidden) return;
  const [{ backends }, { containers }, brokers] = await Promise.all([
    ask("backends"), ask("containers"), brokersOf(status.components),
  ]);
  const more = {};
  for (const backend of backends) more[`backends.${backend.name}`] = ofBackend(backend, on.redraw);
  for (const [name, found] of Object.entries(brokers)) more[`brokers.${name}`] = ofBroker(name, found, on.redraw);
  const groups = new Map();
  for (const [key, component] of Object.entries(status.components)) {
    const [room, ...rest] = key.split(".");
    const title = rest.length ? (ROOMS[room] ?? words(room)) : "Towline";
    if (!groups.has(title)) groups.set(title, []);
    groups.get(title).push(card(rest.join(".") || key, component, more[key] ?? {}));
  }
  const summary = element("p", "summary");
  summary.append(
    `Towline ${status.version} on ${status.device.name || status.device.id}. `,
    `${status.viewers.open} of ${status.viewers.limit} viewers.`,
  );
  const parts = [summary];
  const findings = status.findings.filter((finding) => finding.severity !== "note");
  if (findings.length) parts.push(lookAt(findings));
  if (containers.length) {
    const running = containers.filter((row) => row.running).length;
    parts.push(titled(`Containers · ${running} of ${containers.length} run`, cards(containers, open, on)));
  }
  for (const [title, found] of groups) parts.push(titled(title, ...found));
  put(body, parts);
}

/** In place of what stands there; who held a button or has it in focus keeps it. */
function put(body, parts) {
  if (body.querySelector(":active, select:focus")) return;
  const focused = body.contains(document.activeElement) ? document.activeElement : null;
  const key = focused?.closest("[data-key]")?.dataset.key;
  body.replaceChildren(...parts);
  if (!key) return;
  const again = body.querySelector(`[data-key="${CSS.escape(key)}"]`);
  (again?.tagName === "DETAILS" ? again.firstElementChild : again)?.focus({ preventScroll: true });
}

/** Remember what is folded and unfolded, and draw what is inside. */
export function folds(body, redraw) {
  body.addEventListener("toggle", ({ target }) => {
    const key = target.dataset.key;
    if (!key || target.open === open.has(key)) return;
    if (target.open) open.add(key);
    else open.delete(key);
    redraw();
  }, true);
}
