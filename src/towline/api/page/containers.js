// Containers as the status panel shows them: state, health, use, and what can be done to them.

import { ask } from "./api.js";
import { ago, button, element, facts, outcome, size } from "./parts.js";

const DOTS = { running: "up", restarting: "starting", paused: "starting", created: "starting" };

function dotOf(row) {
  if (row.health === "unhealthy" || row.oom || row.state === "dead") return "degraded";
  if (row.state === "exited") return row.exitCode ? "degraded" : "stopped";
  if (row.health === "starting") return "starting";
  return DOTS[row.state] ?? (row.attached ? "up" : "stopped");
}

/** In a few words, what matters most first. */
function inShort(row) {
  const said = [];
  if (row.oom) said.push("out of memory");
  if (row.health && row.health !== "none" && row.health !== "healthy") said.push(row.health);
  if (row.state === "exited" && row.exitCode !== null) said.push(`exit ${row.exitCode}`);
  else if (row.state && row.state !== "running") said.push(row.state);
  if (row.running && row.cpu !== undefined) said.push(`${row.cpu} %`);
  if (row.running && row.memory !== undefined) said.push(size(row.memory));
  if (!said.length && row.state) said.push(row.state);
  return said.join(" · ");
}

function* known(row) {
  if (row.state) yield ["state", row.state];
  if (row.health && row.health !== "none") yield ["health", row.health];
  if (row.exitCode !== null && row.exitCode !== undefined && !row.running) yield ["exit code", String(row.exitCode)];
  if (row.restarts) yield ["restarts", String(row.restarts)];
  if (row.cpu !== undefined) yield ["CPU", `${row.cpu} %`];
  if (row.memory !== undefined)
    yield ["memory", row.memoryLimit ? `${size(row.memory)} of ${size(row.memoryLimit)}` : size(row.memory)];
  if (row.running && row.startedAt) yield ["up for", ago(Date.parse(row.startedAt))];
  if (!row.running && row.finishedAt) yield ["ended", `${ago(Date.parse(row.finishedAt))} ago`];
  if (row.image) yield ["image", row.image];
  for (const [name, value] of [["project", row.project], ["source", row.source]])
    if (value) yield [name, value];
  const log = row.log ?? {};
  if (log.driver) yield ["log", [log.driver, log.read && `read by ${log.read}`].filter(Boolean).join(", ")];
  if (log.lastAt) yield ["last line", `${ago(log.lastAt)} ago`];
}

function one(row, open, on) {
  const key = `containers.${row.id}`;
  const found = element("details", "container");
  found.dataset.key = key;
  found.open = open.has(key);
  const head = element("summary");
  const dot = dotOf(row);
  head.append(element("i", `dot ${dot}`), element("b", "", row.name), element("span", "since", inShort(row)));
  found.append(head);
  if (!found.open) return found; // 50 containers: what nobody looks at is not made
  const why = row.error || row.log?.fault || row.reason;
  if (why) found.append(element("p", "reason", why));
  if (!row.attached) found.append(element("p", "past", "its log is not read"));
  found.append(facts(known(row)));
  const actions = element("div", "acts");
  actions.append(button(`${key}.lines`, "Show its lines", () => on.choose(row.name) ?? "", on.redraw, { about: `of ${row.name}`, place: `${key}.none` }));
  for (const what of row.controllable ? (row.running ? ["restart", "stop"] : ["start"]) : [])
    actions.append(
      button(
        `${key}.${what}`, what[0].toUpperCase() + what.slice(1),
        async () => (await ask(`containers/${encodeURIComponent(row.id)}/${what}`, {}), `${what}: done`),
        on.redraw, { sure: what !== "start", about: row.name, place: key },
      ),
    );
  found.append(actions, ...outcome(key));
  return found;
}

const FEW = 12; // and more stand behind a word
const WORST = { degraded: 0, starting: 1, up: 2, stopped: 3 };

/** A card with every container, those in trouble first. `open` has the keys of those unfolded. */
export function cards(rows, open, on) {
  const order = (row) => WORST[dotOf(row)];
  const sorted = [...rows].sort((a, b) => order(a) - order(b) || a.name.localeCompare(b.name, undefined, { numeric: true }));
  const card = element("div", "card list");
  const made = sorted.map((row) => one(row, open, on));
  const few = Math.max(FEW, sorted.filter((row) => order(row) < WORST.up).length);
  card.append(...made.slice(0, few));
  if (made.length > few) {
    const rest = element("details", "rest");
    rest.dataset.key = "containers.rest";
    rest.open = open.has("containers.rest");
    rest.append(element("summary", "", rest.open ? "All of them" : `${made.length - few} more`), ...made.slice(few));
    card.append(rest);
  }
  return card;
}
