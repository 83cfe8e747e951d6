/** One turn of the conversation. The server rendered it; this fills in texts, states and figures. */
import { BoxFollower, PageFollower, PaintedText } from "./painting.js";
import { LiveText } from "./text.js";

const ENDED = new Set(["completed", "failed", "cancelled"]);
const ACTIVE = new Set(["queued", "answering", "synthesizing"]);

/** A card, or the final answer: what one generation shows. */
class Slot {
  constructor(element, announce) {
    this.element = element;
    this.announce = announce;
    const box = element.querySelector("[data-scroller]");
    const follower = box ? new BoxFollower(box, element.querySelector("[data-to-end]")) : new PageFollower(element);
    const { attempt, status } = element.dataset;
    this.follower = follower;
    this.text = new LiveText(new PaintedText(element.querySelector("[data-text]"), follower), Number(attempt), ENDED.has(status));
  }

  /** Take what the server says of the generation; returns whether a snapshot is needed. A text of null: it is here. */
  apply(view) {
    const { dataset } = this.element;
    const ended = ENDED.has(view.status);
    if (view.attempt < this.text.attempt) return false;
    const incomplete = view.text === null && ended && !(this.text.ended && this.text.attempt === view.attempt);
    dataset.started = view.started_at ?? "";
    this.#part("[data-error]", view.error, (part) => (part.textContent = view.error.message));
    this.#part("[data-seconds-shown]", view.seconds !== null || view.status === "streaming", () => {
      if (view.seconds !== null) this.#write("[data-seconds]", duration(view.seconds));
    });
    this.#part("[data-tokens-shown]", view.tokens_out !== null, () => this.#write("[data-tokens]", view.tokens_out));
    for (const note of this.element.querySelectorAll("[data-finish]")) note.hidden = note.dataset.finish !== view.finish_reason;
    this.status(view.status);
    let ahead = false;
    if (view.text === null) this.text.begin(view.attempt);
    else ahead = this.text.snapshot(view.attempt, view.text, ended || (this.text.ended && view.attempt === this.text.attempt));
    this.#attempt();
    return ahead || incomplete;
  }

  begin(attempt, startedAt) {
    if (attempt < this.text.attempt || (attempt === this.text.attempt && this.text.ended)) return;
    this.text.begin(attempt);
    this.element.dataset.started = startedAt;
    this.#part("[data-error]", false);
    this.#part("[data-tokens-shown]", false);
    this.#part("[data-seconds-shown]", true);
    this.#attempt();
    this.status("streaming");
  }

  status(status) {
    const { dataset } = this.element;
    if (dataset.status === status) return;
    dataset.status = status;
    const chip = document.querySelector(`[data-chip="${dataset.generation}"]`);
    if (chip) chip.dataset.status = status;
    const label = this.element.querySelector("[data-label]");
    const word = this.element.querySelector(`.state [data-when="${status}"] .word`);
    if (label && word) this.announce(`${label.textContent}: ${word.textContent}`);
  }

  tick(now) {
    const { status, started } = this.element.dataset;
    if (status !== "streaming" || !started) return;
    this.#part("[data-seconds-shown]", true, () => this.#write("[data-seconds]", whole(now - Date.parse(started))));
  }

  #attempt() {
    const { attempt } = this.text;
    this.element.dataset.attempt = attempt;
    this.#part("[data-attempt-shown]", attempt > 1, () => this.#write("[data-attempt-number]", attempt));
  }

  #part(selector, shown, fill) {
    const part = this.element.querySelector(selector);
    if (!part) return;
    part.hidden = !shown;
    if (shown) fill?.(part);
  }

  #write(selector, value) {
    const part = this.element.querySelector(selector);
    if (part && part.textContent !== String(value)) part.textContent = value;
  }
}

export class Turn {
  #slots = new Map();
  #face; // the state that the wording here is to be of
  #rewording = false;

  /**
   * `page`: `ask(run)` for a snapshot, `fetchTurn(run)` for the server's wording, `pause(tries)`, `announce(sentence)`,
   * `changed()`, `now()` in the server's time, `say` its sentences.
   */
  constructor(element, page) {
    this.element = element;
    this.page = page;
    this.id = element.dataset.run;
    this.#face = element.dataset.face;
    this.final = new Slot(element.querySelector("[data-final]"), page.announce);
    for (const card of element.querySelectorAll(".card")) this.#slots.set(card.dataset.generation, new Slot(card, page.announce));
    const { generation } = this.final.element.dataset;
    if (generation) this.#slots.set(generation, this.final);
    this.#swipe();
  }

  get active() {
    return ACTIVE.has(this.element.dataset.runStatus);
  }

  delta(frame) {
    this.#answering();
    const slot = this.#slots.get(frame.generation);
    if (!slot || slot.text.delta(frame)) this.page.ask(this.id);
    else if (slot.element.dataset.status === "queued") slot.status("streaming");
  }

  begin(frame) {
    this.#answering();
    const slot = this.#slots.get(frame.generation);
    if (slot) slot.begin(frame.attempt, new Date(this.page.now()).toISOString());
    else this.page.ask(this.id);
  }

  generation(view) {
    if (this.#slot(view)?.apply(view)) this.page.ask(this.id);
    this.#count();
  }

  /** `answer`: the final answer, once it stands; it is whole, whichever generation it came from. */
  run(view, answer) {
    let ask = false;
    let answered = answer === undefined;
    for (const generation of view.generations) {
      const slot = this.#slot(generation);
      const whole = slot === this.final && answer !== undefined;
      answered ||= whole;
      ask = slot?.apply(whole ? { ...generation, text: answer } : generation) || ask;
    }
    if (!answered) {
      this.final.text.snapshot(this.final.text.attempt, answer, true);
      this.final.status("completed");
    }
    // A brief snapshot tells the states of older runs without their messages.
    ask ||= view.final && answer === undefined && !this.final.text.ended;
    if (ask) this.page.ask(this.id);
    this.#status(view.status);
    this.#count();
    this.#face = [view.status, view.outcome, view.cancel_requested ? "stopping" : ""].join("/");
    this.#wording();
  }

  tick(now) {
    for (const slot of this.#slots.values()) slot.tick(now);
    const clock = this.element.querySelector("[data-clock]");
    if (clock) clock.textContent = whole(now - Date.parse(this.element.dataset.created));
  }

  #slot(view) {
    if (view.kind === "synthesis" && this.final.element.dataset.generation !== view.id) {
      this.final.element.dataset.generation = view.id;
      this.final.text.restart();
      this.#slots.set(view.id, this.final);
    }
    return this.#slots.get(view.id);
  }

  /** No word says that a worker took the run up, but the first sign of a generation does. */
  #answering() {
    if (this.element.dataset.runStatus === "queued") this.#status("answering");
  }

  #status(status) {
    const { dataset } = this.element;
    if (dataset.runStatus === status) return;
    dataset.runStatus = status;
    const { say } = this.page;
    const sentence = { completed: say.final, failed: say.failed, cancelled: say.stopped, synthesizing: say.synthesizing }[status];
    if (sentence) this.page.announce(sentence);
    this.page.changed();
  }

  #count() {
    const done = this.element.querySelector("[data-done]");
    if (done) done.textContent = this.element.querySelectorAll('.card[data-status="completed"]').length;
  }

  /** Headings, banners and figures are the server's words: fetch them until they are those of the wanted state. */
  async #wording() {
    if (this.#rewording) return;
    this.#rewording = true;
    let tries = 0;
    while (this.element.dataset.face !== this.#face) {
      const wanted = this.#face;
      const { element, gone } = await this.page.fetchTurn(this.id);
      if (gone) break;
      if (element) this.#reword(element);
      if (this.element.dataset.face === this.#face) break;
      if (element && wanted !== this.#face) continue; // it changed meanwhile
      if (element) this.page.ask(this.id); // the server is further than what it has said here
      await this.page.pause(tries);
      tries += 1;
    }
    this.#rewording = false;
  }

  #reword(fresh) {
    for (const name of ["progress", "verdict"]) {
      const [mine, theirs] = [this.element, fresh].map((turn) => turn.querySelector(`[data-part="${name}"]`));
      if (mine) mine.replaceChildren(...(theirs?.childNodes ?? []));
    }
    this.element.dataset.face = fresh.dataset.face;
    this.final.follower.follow();
  }

  #swipe() {
    const deck = this.element.querySelector("[data-deck]");
    const chips = this.element.querySelector("[data-chips]");
    if (!deck) return;
    chips.addEventListener("click", (event) => {
      const chip = event.target.closest("[data-chip]");
      if (!chip) return;
      event.preventDefault();
      const card = document.getElementById(`generation-${chip.dataset.chip}`);
      deck.scrollTo({ left: card.offsetLeft - deck.offsetLeft, behavior: calm() ? "instant" : "smooth" });
    });
    const seen = new IntersectionObserver(
      (entries) => {
        for (const { target, intersectionRatio } of entries) {
          const chip = chips.querySelector(`[data-chip="${target.dataset.generation}"]`);
          if (intersectionRatio > 0.6) chip?.setAttribute("aria-current", "true");
          else chip?.removeAttribute("aria-current");
        }
      },
      { root: deck, threshold: [0.6] },
    );
    for (const card of deck.children) seen.observe(card);
  }
}

function whole(milliseconds) {
  return Math.max(0, Math.floor(milliseconds / 1000));
}

function duration(seconds) {
  return seconds < 10 ? seconds.toFixed(1) : String(Math.round(seconds));
}

function calm() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}
