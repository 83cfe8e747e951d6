/** What a model thinks aloud before its answer: open while it thinks, folded once it answers, unless somebody chose. */
import { duration } from "./figures.js";
import { PaintedText } from "./painting.js";
import { LiveText } from "./text.js";

export class Thoughts {
  #chosen = false;
  #since = null; // when the first thought came, in the time of the server; null: this page did not see it come

  constructor(element, follower, attempt, ended) {
    this.element = element;
    const painted = new PaintedText(element.querySelector("[data-thoughts-text]"), follower);
    this.text = new LiveText(painted, attempt, ended);
    element.querySelector("summary").addEventListener("click", () => (this.#chosen = true));
  }

  get empty() {
    return this.text.length === 0;
  }

  /** Take a piece; returns whether a snapshot is needed to go on. */
  piece(frame, now) {
    if (this.empty) this.#since ??= now;
    const ask = this.text.delta(frame);
    if (frame.shortened && frame.attempt === this.text.attempt) this.element.toggleAttribute("data-shortened", true);
    this.#show();
    return ask;
  }

  begin(attempt) {
    if (attempt <= this.text.attempt) return;
    this.text.begin(attempt);
    this.#since = null;
    this.element.toggleAttribute("data-shortened", false);
    this.#show();
  }

  /** Another generation takes the place of the one that was shown here. */
  restart() {
    this.text.restart();
    this.#since = null;
    this.#show();
  }

  /** What the server has; returns whether another snapshot is needed. */
  apply(view, ended) {
    if (view.attempt < this.text.attempt) return false;
    let ahead = false;
    if (view.reasoning === null) this.begin(view.attempt);
    else ahead = this.text.snapshot(view.attempt, view.reasoning, ended);
    this.element.toggleAttribute("data-shortened", view.reasoning_shortened);
    if (view.reasoning_seconds !== null) this.#took(view.reasoning_seconds);
    else if (ended) this.#timed(false);
    this.#show();
    return ahead;
  }

  /** The answer begins; about how long it took is said until the server knows it. */
  answered(now, started) {
    this.#took(Math.max(0, now - (this.#since ?? started)) / 1000);
    this.open(false);
  }

  /** Unless somebody has opened or folded it. */
  open(open) {
    if (!this.#chosen) this.element.open = open;
  }

  tick(now, started) {
    const seconds = Math.max(0, Math.floor((now - (this.#since ?? started)) / 1000));
    this.element.querySelector("[data-thinking-seconds]").textContent = seconds;
  }

  #show() {
    this.element.hidden = this.empty;
  }

  #took(seconds) {
    this.#timed(true);
    this.element.querySelector("[data-thought-seconds]").textContent = duration(seconds);
  }

  #timed(timed) {
    this.element.querySelector("[data-thought-shown]").hidden = !timed;
    this.element.querySelector("[data-thought-untimed]").hidden = timed;
  }
}
