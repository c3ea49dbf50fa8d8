// The status panel: every component, its state, why, since when, and its counters.

import { element } from "./rows.js";
import { ask } from "./stream.js";

const WORDS = { up: "up", degraded: "degraded", starting: "starting", stopped: "stopped" };
const ROOMS = { sources: "Sources", brokers: "Brokers", backends: "Backends", alerts: "Alerts" };
const numbers = new Intl.NumberFormat();

function ago(ms) {
  const seconds = Math.max(0, Math.round((Date.now() - ms) / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

function words(name) {
  return name.replace(/([a-z])([A-Z])/g, "$1 $2").replaceAll("_", " ").toLowerCase();
}

function told(classes, problem) {
  const place = problem.file ? `${problem.file}:${problem.line}: ` : "";
  return element("p", classes, `${place}${problem.message}`);
}

function card(name, component, lag) {
  const found = element("article", `card ${component.state}`);
  const head = element("header");
  head.append(
    element("i", `dot ${component.state}`),
    element("h4", "", name),
    element("span", "since", `${WORDS[component.state] ?? component.state} · ${ago(component.since)}`),
  );
  found.append(head);
  if (component.reason) found.append(element("p", "reason", component.reason));
  else if (component.lastError) found.append(element("p", "past", `last error: ${component.lastError}`));
  const git = component.git;
  if (git && !component.reason) found.append(element("p", "past", `${git.state}: ${git.says}`));
  found.append(...(git?.problems ?? []).slice(1).map((problem) => told("reason", problem)));
  found.append(...(component.warnings ?? []).map((warning) => told("warning", warning)));
  if (component.lastFired) found.append(element("p", "past", `last fired ${ago(component.lastFired)} ago`));
  const counters = Object.entries(component.counters || {});
  if (lag !== undefined) counters.unshift(["to deliver", lag]);
  if (counters.length) {
    const list = element("dl", "counters");
    for (const [key, value] of counters)
      list.append(element("dt", "", words(key)), element("dd", "", numbers.format(value)));
    found.append(list);
  }
  return found;
}

/** Draw the status; the state of the whole goes to `told(state)`. */
export async function draw(body, told) {
  const [status, { backends }] = await Promise.all([ask("status"), ask("backends")]);
  told(status);
  const lags = Object.fromEntries(backends.map((backend) => [`backends.${backend.name}`, backend.lag]));
  const groups = new Map();
  for (const [key, component] of Object.entries(status.components)) {
    const [room, ...rest] = key.split(".");
    const title = rest.length ? (ROOMS[room] ?? room) : "Towline";
    if (!groups.has(title)) groups.set(title, []);
    groups.get(title).push(card(rest.join(".") || key, component, lags[key]));
  }
  const summary = element("p", "summary");
  summary.append(
    `Towline ${status.version} on ${status.device.name || status.device.id}. `,
    `${status.viewers.open} of ${status.viewers.limit} viewers.`,
  );
  const parts = [summary];
  const findings = status.findings.filter((finding) => finding.severity !== "note");
  if (findings.length) {
    const section = element("section");
    section.append(element("h3", "", "What to look at"));
    for (const finding of findings) {
      const row = element("p", `finding ${finding.severity}`);
      row.append(element("b", "", finding.about), `: ${finding.text}`);
      if (finding.remedy) row.append(element("span", "remedy", ` → ${finding.remedy}`));
      section.append(row);
    }
    parts.push(section);
  }
  for (const [title, cards] of groups) {
    const section = element("section");
    section.append(element("h3", "", title), ...cards);
    parts.push(section);
  }
  body.replaceChildren(...parts);
}
