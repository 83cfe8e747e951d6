/**
 * The socket of a thread: it comes back by itself, and it notices when nothing comes any more.
 *
 * `hooks`: `frame(frame)`, `state(word)` with "open" | "lost" | "late" | "signed-out" | "gone", `live()` the ids of the
 * runs of which something is to come. `parts` replaces what a test wants to hold in its own hands.
 */
const SIGNED_OUT = 4401;
const GONE = 4404;
export const ASK_EVERY = 500;
export const SILENCE = 5000;
const ANSWER = 4000; // a server that is there has answered by then
const FIRST_WAIT = 250;
const LONGEST_WAIT = 15_000;
const QUIET = 2000; // a connection that is back by then is not worth a word

export class ThreadSocket {
  #socket = null;
  #tries = 0;
  #timers = { retry: 0, word: 0 };
  #asked = new Map(); // run -> { at, timer }
  #lastFrame = 0;
  #askedInSilence = false;
  #live = true; // whether the server hears the thread; while it does not, the questions in silence bring the news
  #word = ""; // what was last said of the connection, or is about to be
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
    this.#live = true;
    socket.onmessage = (event) => socket === this.#socket && this.#takeAll(JSON.parse(event.data));
    socket.onclose = (event) => socket === this.#socket && this.#closed(event.code);
  }

  /** Connect now instead of at the end of a wait: the network is back, or somebody looks at the page again. */
  hurry() {
    if (!this.#socket) {
      this.#tries = 0;
      this.connect();
    } else {
      this.check();
    }
  }

  /** Whether it still hears the server, which nobody can tell of a socket that slept: ask, and give it up if it is mute. */
  check() {
    const socket = this.#socket;
    const since = this.#lastFrame;
    if (!socket || socket.readyState !== 1 || this.now() - since < ASK_EVERY) return;
    this.ask();
    this.after(ANSWER, () => socket === this.#socket && this.#lastFrame === since && this.#abandon());
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

  /** Called now and then: while something is to come, 5 s without a frame are worth a question, 5 more a new connection. */
  watch() {
    const runs = this.hooks.live();
    if (!runs.length || !this.#socket) return;
    const silence = this.now() - this.#lastFrame;
    if (silence >= 2 * SILENCE) this.#abandon();
    else if (silence >= SILENCE && !this.#askedInSilence) {
      this.#askedInSilence = true;
      for (const run of runs) this.ask(run);
    }
  }

  #ask(run, asked) {
    asked.timer = null;
    asked.at = this.now();
    if (this.#socket?.readyState === 1) this.#socket.send(JSON.stringify(run ? { type: "snapshot", run } : { type: "snapshot" }));
  }

  /** A message is one frame, or a list of what was said at the same time. */
  #takeAll(said) {
    for (const frame of Array.isArray(said) ? said : [said]) this.#take(frame);
  }

  #take(frame) {
    this.#lastFrame = this.now();
    this.#askedInSilence = false;
    if (frame.type === "snapshot") this.#tries = 0;
    if (frame.type === "thread.live") this.#live = frame.live;
    if (frame.type === "snapshot" || frame.type === "thread.live") this.#settle();
    this.hooks.frame(frame);
  }

  #settle() {
    if (!this.#live) {
      this.#worry("late");
      return;
    }
    this.forget(this.#timers.word);
    this.#word = "open";
    this.hooks.state("open");
  }

  /** Say it when it lasts. */
  #worry(word) {
    if (this.#word === word) return;
    this.#word = word;
    this.forget(this.#timers.word);
    this.#timers.word = this.after(QUIET, () => this.hooks.state(word));
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
      this.forget(this.#timers.word);
      this.hooks.state(code === GONE ? "gone" : "signed-out");
      return;
    }
    this.#worry("lost");
    const wait = Math.min(FIRST_WAIT * 2 ** this.#tries, LONGEST_WAIT) * (0.5 + this.random() / 2);
    this.#tries += 1;
    this.#timers.retry = this.after(wait, () => this.connect());
  }
}
