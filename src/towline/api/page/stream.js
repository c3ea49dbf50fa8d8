// The live protocol: a WebSocket that comes back by itself and goes on where it was.

const FIRST_WAIT = 500;
const LONGEST_WAIT = 10_000;
const HOPELESS = new Set([4400, 4403, 4404]);

let token = sessionStorage.getItem("towline-token") || "";

export function keepToken(text) {
  token = text;
  sessionStorage.setItem("towline-token", text);
}

/** Relative to the page, so that it works below any path, ingress' among them. */
export const address = (path) => new URL(`api/v1/${path}`, document.baseURI);

/** JSON of the API; throws {status, code, message}. */
export async function ask(path, body) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const options = { headers };
  if (body !== undefined) {
    headers["Content-Type"] = "application/json";
    Object.assign(options, { method: "POST", body: JSON.stringify(body) });
  }
  const answer = await fetch(address(path), options);
  const found = await answer.json().catch(() => ({}));
  if (!answer.ok && found.error) throw { status: answer.status, ...found.error };
  if (!answer.ok) throw { status: answer.status, code: "", message: answer.statusText };
  return found;
}

/** The id just before an id: where to resume when nothing came yet. */
function before(id) {
  return (BigInt(`0x${id}`) - 1n).toString(16).padStart(16, "0");
}

export class Stream {
  /** `on` has hello(frame, resumed), logs(records), gap(frame) and state(name, reason). */
  constructor(parameters, on) {
    this.parameters = parameters;
    this.on = on;
    this.after = "";
    this.wait = FIRST_WAIT;
    this.closed = false;
    this.hurry = () => this.retry && this.connect();
    addEventListener("online", this.hurry);
    this.connect();
  }

  connect() {
    clearTimeout(this.retry);
    this.retry = 0;
    const url = address("logs/stream");
    url.protocol = url.protocol.replace("http", "ws");
    for (const [name, value] of this.parameters) url.searchParams.append(name, value);
    if (this.after) url.searchParams.set("after", this.after);
    else url.searchParams.set("tail", "0");
    if (token) url.searchParams.set("token", token);
    this.on.state("connecting");
    const socket = (this.socket = new WebSocket(url));
    socket.onmessage = (event) => socket === this.socket && this.take(JSON.parse(event.data));
    socket.onclose = (event) => socket === this.socket && this.lost(event);
  }

  take(frame) {
    this.watch();
    if (frame.type === "hello") {
      this.wait = FIRST_WAIT;
      this.patience = frame.heartbeat * 2500;
      this.watch();
      this.on.state("live");
      const resumed = Boolean(this.after);
      this.after ||= before(frame.store.next);
      this.on.hello(frame, resumed);
    } else if (frame.type === "logs") {
      this.after = frame.logs[frame.logs.length - 1].id;
      this.on.logs(frame.logs);
    } else if (frame.type === "gap") this.on.gap(frame);
    else if (frame.type === "ping") this.after = frame.after;
  }

  /** A connection that is half open says nothing: no ping in time means it is gone. */
  watch() {
    clearTimeout(this.silence);
    if (this.patience) this.silence = setTimeout(() => this.lost({ code: 1006 }), this.patience);
  }

  lost(event) {
    clearTimeout(this.silence);
    this.socket.onclose = null;
    this.socket.close();
    if (this.closed) return;
    if (event.code === 4401) return this.on.state("token", event.reason);
    if (HOPELESS.has(event.code)) return this.on.state("refused", event.reason);
    this.on.state("away", event.reason || "");
    const wait = this.wait * (0.75 + Math.random() / 2);
    this.wait = Math.min(this.wait * 2, LONGEST_WAIT);
    this.retry = setTimeout(() => this.connect(), wait);
  }

  close() {
    this.closed = true;
    clearTimeout(this.retry);
    clearTimeout(this.silence);
    removeEventListener("online", this.hurry);
    this.socket.onclose = null;
    this.socket.close();
  }
}
