/**
 * The socket of a thread: it comes back by itself, and it notices when nothing comes any more.
 *
 * `hooks`: `frame(frame)`, `state(word)` with "open" | "lost" | "signed-out" | "gone", `active()` the id of the run that
 * is being answered, or "". `parts` replaces what a test wants to hold in its own hands.
 */
const SIGNED_OUT = 4401;
const GONE = 4404;
export const ASK_EVERY = 500;
export const SILENCE = 5000;
const FIRST_WAIT = 250;
const LONGEST_WAIT = 15_000;
const QUIET = 2000; // a connection that is back by then is not worth a word

export class ThreadSocket {
  #socket = null;
  #tries = 0;
  #timers = { retry: 0, lost: 0 };
  #asked = new Map(); // run -> { at, timer }
  #lastFrame = 0;
  #askedInSilence = false;
  #over = false;

  constructor(address, hooks, parts = {}) {
    this.address = address;
    this.hooks = hooks;
    this.make = parts.make ?? ((url) => new WebSocket(url));
    this.now = parts.now ?? (() => performance.now());
    this.random = parts.random ?? Math.random;
    this.after = parts.after ?? ((ms, act) => setTimeout(act, ms));
    this.forget = parts.forget ?? ((timer) => clearTimeout(timer));
  }

  connect() {
    if (this.#over || this.#socket) return;
    this.forget(this.#timers.retry);
    const socket = (this.#socket = this.make(this.address));
    this.#lastFrame = this.now();
    socket.onmessage = (event) => socket === this.#socket && this.#take(JSON.parse(event.data));
    socket.onclose = (event) => socket === this.#socket && this.#closed(event.code);
  }

  /** Connect now instead of at the end of a wait: the network is back, or somebody looks at the page again. */
  hurry() {
    if (!this.#socket) {
      this.#tries = 0;
      this.connect();
    } else {
      this.watch();
    }
  }

  /** Ask for a run as it stands, or for all of the thread: at most once in 500 ms each. */
  ask(run = "") {
    const asked = this.#asked.get(run) ?? { at: -Infinity, timer: null };
    this.#asked.set(run, asked);
    if (asked.timer !== null) return;
    const wait = asked.at + ASK_EVERY - this.now();
    if (wait <= 0) this.#ask(run, asked);
    else asked.timer = this.after(wait, () => this.#ask(run, asked));
  }

  /** Called now and then: while a run is active, 5 s without a frame are worth a question, 5 more a new connection. */
  watch() {
    const run = this.hooks.active();
    if (!run || !this.#socket) return;
    const silence = this.now() - this.#lastFrame;
    if (silence >= 2 * SILENCE) this.#abandon();
    else if (silence >= SILENCE && !this.#askedInSilence) {
      this.#askedInSilence = true;
      this.ask(run);
    }
  }

  #ask(run, asked) {
    asked.timer = null;
    asked.at = this.now();
    if (this.#socket?.readyState === 1) this.#socket.send(JSON.stringify(run ? { type: "snapshot", run } : { type: "snapshot" }));
  }

  #take(frame) {
    this.#lastFrame = this.now();
    this.#askedInSilence = false;
    if (frame.type === "snapshot") {
      this.#tries = 0;
      this.forget(this.#timers.lost);
      this.#timers.lost = 0;
      this.hooks.state("open");
    }
    this.hooks.frame(frame);
  }

  #abandon() {
    const socket = this.#socket;
    this.#closed(1006);
    socket.close();
  }

  #closed(code) {
    this.#socket = null;
    this.#askedInSilence = false;
    if (code === SIGNED_OUT || code === GONE) {
      this.#over = true;
      this.forget(this.#timers.lost);
      this.hooks.state(code === GONE ? "gone" : "signed-out");
      return;
    }
    this.#timers.lost ||= this.after(QUIET, () => this.hooks.state("lost"));
    const wait = Math.min(FIRST_WAIT * 2 ** this.#tries, LONGEST_WAIT) * (0.5 + this.random() / 2);
    this.#tries += 1;
    this.#timers.retry = this.after(wait, () => this.connect());
  }
}
