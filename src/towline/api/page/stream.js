// The live protocol (docs/live.md): a WebSocket that comes back by itself and goes on where it was.
// Needs nothing else of this page: import it from anywhere.

const FIRST_WAIT = 500;
const LONGEST_WAIT = 10_000;
const TOKEN = 4401;
const END = 1000;
/** Close codes after which coming back does not help: what was asked for is at fault. */
const HOPELESS = new Set([4400, 4403, 4404]);

/** The id just before an id: where to resume when nothing came yet. */
function before(id) {
  return (BigInt(`0x${id}`) - 1n).toString(16).padStart(16, "0");
}

/**
 * Live records, each once and in order, or a gap that says how many are missing.
 *
 * `url`: of a live path, such as .../api/v1/logs/stream. `parameters`: pairs of filters.
 * `tail`: how many old records come first. `after`: the id to go on after, say from a former page.
 * `on` has logs(records) and, where wanted, hello(frame, resumed), gap({missed, reason}) and
 * state(name, reason): connecting, live, away (it tries again), refused, token, ended.
 */
export class Stream {
  constructor({ url, parameters = [], token = "", tail = 0, after = "", on }) {
    Object.assign(this, { url, parameters, token, tail, after, on });
    this.ends = parameters.some(([name, value]) => name === "follow" && value === "false");
    this.wait = FIRST_WAIT;
    this.closed = false;
    this.hurry = () => this.retry && this.connect();
    globalThis.addEventListener?.("online", this.hurry);
    this.connect();
  }

  connect() {
    clearTimeout(this.retry);
    this.retry = 0;
    const url = new URL(this.url);
    url.protocol = url.protocol.replace("http", "ws");
    for (const [name, value] of this.parameters) url.searchParams.append(name, value);
    if (this.after) url.searchParams.set("after", this.after);
    else url.searchParams.set("tail", this.tail);
    if (this.token) url.searchParams.set("token", this.token);
    this.say("connecting");
    const socket = (this.socket = new WebSocket(url));
    socket.onmessage = (event) => socket === this.socket && this.take(JSON.parse(event.data));
    socket.onclose = (event) => socket === this.socket && this.lost(event);
    this.watch(LONGEST_WAIT * 2); // a network that swallows everything never says that it did
  }

  take(frame) {
    if (frame.type === "hello") {
      this.wait = FIRST_WAIT;
      this.patience = frame.heartbeat * 2500;
      const resumed = Boolean(this.after);
      this.present = before(frame.store.next);
      if (!this.tail) this.after ||= this.present;
      this.say("live");
      this.on.hello?.(frame, resumed);
    } else if (frame.type === "logs") this.keep(frame.logs);
    else if (frame.type === "gap") {
      if (frame.missed === null) this.after = this.present; // another store: it goes on from its end
      this.on.gap?.(frame);
    } else if (frame.type === "ping") this.after = frame.after;
    this.watch(this.patience);
  }

  /** Ids grow: what is not beyond the last one was there already. */
  keep(records) {
    const fresh = records.filter((record) => record.id > this.after);
    if (!fresh.length) return;
    this.after = fresh[fresh.length - 1].id;
    this.on.logs(fresh);
  }

  /** A connection that is half open says nothing: no frame in time means it is gone. */
  watch(patience) {
    clearTimeout(this.silence);
    if (patience) this.silence = setTimeout(() => this.lost({ code: 1006 }), patience);
  }

  lost({ code, reason = "" }) {
    this.drop();
    if (this.closed) return;
    if (code === TOKEN) return this.say("token", reason);
    if (HOPELESS.has(code)) return this.say("refused", reason);
    if (code === END && this.ends) return this.say("ended", reason); // proxies say 1000 of any end
    this.say("away", reason);
    const wait = this.wait * (0.75 + Math.random() / 2);
    this.wait = Math.min(this.wait * 2, LONGEST_WAIT);
    this.retry = setTimeout(() => this.connect(), wait);
  }

  say(state, reason = "") {
    this.on.state?.(state, reason);
  }

  drop() {
    clearTimeout(this.silence);
    const socket = this.socket;
    this.socket = null;
    socket?.close();
  }

  /** Hang up for good. */
  close() {
    this.closed = true;
    clearTimeout(this.retry);
    globalThis.removeEventListener?.("online", this.hurry);
    this.drop();
  }
}
