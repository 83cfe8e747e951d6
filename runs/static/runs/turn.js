/** One turn of the conversation. The server rendered it; this fills in texts, states and figures. */
import { Deck } from "./deck.js";
import { duration } from "./figures.js";
import { Formats } from "./formatting.js";
import { Marks } from "./marks.js";
import { BoxFollower, PageFollower, PaintedText } from "./painting.js";
import { LiveText } from "./text.js";
import { Thoughts } from "./thoughts.js";
import { showRaw, wireTools } from "./tools.js";

const ENDED = new Set(["completed", "failed", "cancelled"]);
const BUSY = new Set(["queued", "streaming"]);
const ACTIVE = new Set(["queued", "answering", "synthesizing"]);
const BEFORE_THE_END = new Set(["queued", "answering"]);

/** A card, or the final answer: what one generation shows. */
class Slot {
  constructor(element, page) {
    this.element = element;
    this.page = page;
    const box = element.querySelector("[data-scroller]");
    const follower = box ? new BoxFollower(box, element.querySelector("[data-to-end]")) : new PageFollower(element);
    const { attempt, status } = element.dataset;
    this.follower = follower;
    this.painted = new PaintedText(element.querySelector("[data-text]"), follower);
    this.text = new LiveText(this.painted, Number(attempt), ENDED.has(status));
    const thoughts = element.querySelector("[data-thoughts]");
    this.thoughts = thoughts && new Thoughts(thoughts, follower, Number(attempt), ENDED.has(status));
    if (this.thinking) this.thoughts.open(true);
    wireTools(element, this.painted, page);
  }

  /** What the text took. */
  figures(view) {
    this.#part("[data-seconds-shown]", view.seconds !== null || view.status === "streaming", () => {
      if (view.seconds !== null) this.#write("[data-seconds]", duration(view.seconds));
    });
    this.#part("[data-tokens-shown]", view.tokens_out !== null, () => this.#write("[data-tokens]", view.tokens_out));
    for (const note of this.element.querySelectorAll("[data-finish]")) note.hidden = note.dataset.finish !== view.finish_reason;
  }

  /** Whether it has thought aloud and not begun to answer. */
  get thinking() {
    return Boolean(this.thoughts && !this.thoughts.empty && this.text.length === 0);
  }

  /** Take a piece of the text; returns whether a snapshot is needed. */
  delta(frame) {
    if (this.text.delta(frame)) return true;
    const { status, state } = this.element.dataset;
    if (!this.text.ended && status !== "streaming") this.begin(frame.attempt);
    else if (state === "thinking" && this.text.length) this.#answers();
    return false;
  }

  /** Take a thought; returns whether a snapshot is needed. */
  reasoning(frame) {
    if (!this.thoughts || frame.attempt < this.text.attempt || (frame.attempt === this.text.attempt && this.text.ended)) return false;
    this.begin(frame.attempt);
    const ask = this.thoughts.piece(frame, this.page.now());
    if (this.thinking && this.element.dataset.state !== "thinking") this.#thinks();
    return ask;
  }

  #thinks() {
    this.status("streaming", "thinking");
    this.thoughts.open(true);
    this.tick(this.page.now());
  }

  #answers() {
    this.status("streaming");
    this.thoughts.answered(this.page.now(), Date.parse(this.element.dataset.started));
  }

  /** Take what the server says of the generation; returns whether a snapshot is needed. A text of null: it is here. */
  apply(view) {
    const { dataset } = this.element;
    const ended = ENDED.has(view.status);
    if (view.attempt < this.text.attempt) return false;
    dataset.started = view.started_at ?? "";
    if (view.model) this.#named(view.model);
    this.element.toggleAttribute("data-stopping", view.cancel_requested && !ended);
    const incomplete = view.text === null && ended && !(this.text.ended && this.text.attempt === view.attempt);
    this.#part("[data-error]", view.error, (part) => (part.textContent = view.error.message));
    this.figures(view);
    const figure = this.#chip?.querySelector("[data-chip-figure]");
    if (figure) {
      figure.hidden = view.seconds === null;
      if (view.seconds !== null) figure.querySelector("[data-seconds]").textContent = duration(view.seconds);
    }
    if (view.waiting_for) for (const part of this.element.querySelectorAll("[data-provider]")) part.textContent = view.waiting_for;
    const whole = ended || (this.text.ended && view.attempt === this.text.attempt);
    let ahead = false;
    if (view.text === null) this.text.begin(view.attempt);
    else ahead = this.text.snapshot(view.attempt, view.text, whole);
    if (this.thoughts) ahead = this.thoughts.apply(view, whole) || ahead;
    this.#state(view);
    this.element.toggleAttribute("data-askable", ended && !this.#draft(view, incomplete));
    this.#attempt();
    this.tick(this.page.now());
    if (ended) this.follower.keep?.();
    return ahead || incomplete;
  }

  begin(attempt) {
    if (attempt < this.text.attempt || (attempt === this.text.attempt && this.text.ended)) return;
    if (attempt === this.text.attempt && this.element.dataset.status === "streaming") return;
    this.text.begin(attempt);
    this.thoughts?.begin(attempt);
    const now = this.page.now();
    this.element.dataset.started = new Date(now).toISOString();
    this.element.toggleAttribute("data-askable", false);
    this.#part("[data-error]", false);
    this.#part("[data-tokens-shown]", false);
    this.#attempt();
    this.status("streaming");
    this.tick(now);
  }

  /** Whether a text is to come here. */
  get busy() {
    return BUSY.has(this.element.dataset.status);
  }

  /** Whether a draft stands here. */
  get whole() {
    return this.element.dataset.status === "completed" && !this.element.hasAttribute("data-askable");
  }

  /** `state`: the status as people see it. */
  status(status, state = status) {
    const { dataset } = this.element;
    dataset.status = status;
    if (dataset.state === state) return;
    dataset.state = state;
    const chip = this.#chip;
    if (chip) this.#chipState(chip, state);
    const label = this.element.querySelector("[data-label]");
    const word = this.element.querySelector(`.state [data-when="${state}"] .word`);
    if (label && word) this.page.announce(`${label.textContent}: ${word.textContent}`);
  }

  /** Another generation takes this place: nothing of the old one is left. */
  restart() {
    this.text.restart();
    this.thoughts?.restart();
    showRaw(this.element, this.painted, false);
  }

  /** The letter under which the master read this draft, or none. */
  letter(letter) {
    this.element.dataset.letter = letter;
    for (const place of [this.element, this.#chip]) {
      const shown = place?.querySelector("[data-letter-shown]");
      if (shown) shown.textContent = letter;
    }
  }

  get #chip() {
    return document.querySelector(`[data-chip="${this.element.dataset.generation}"]`);
  }

  /** Another model may be asked in this place. */
  #named(model) {
    if (!this.element.matches(".card")) return;
    for (const place of [this.element, this.#chip]) {
      const label = place?.querySelector("[data-label]");
      if (label && label.textContent !== model.label) label.textContent = model.label;
    }
  }

  #state(view) {
    const thinking = view.status === "streaming" && this.thinking;
    if (thinking && this.element.dataset.state !== "thinking") this.#thinks();
    else if (!thinking) {
      if (this.element.dataset.state === "thinking") this.thoughts.open(false);
      this.status(view.status, stateOf(view));
    }
  }

  tick(now) {
    const { status, state, started } = this.element.dataset;
    if (status !== "streaming" || !started) return;
    if (state === "thinking") this.thoughts.tick(now, Date.parse(started));
    this.#part("[data-seconds-shown]", true, () => this.#write("[data-seconds]", whole(now - Date.parse(started))));
  }

  /** Whether this ended with a draft; as long as its text is not here it is taken for one. */
  #draft({ status, finish_reason: reason }, incomplete) {
    return status === "completed" && reason !== "refusal" && (incomplete || this.text.sink.read().trim() !== "");
  }

  #chipState(chip, state) {
    chip.dataset.state = state;
    const provider = chip.querySelector("[data-provider]");
    if (provider) provider.textContent = this.element.querySelector("[data-provider]").textContent;
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
  #view = null; // the run as last told, kept up to date with what is told of its generations
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
    this.solo = element.querySelector("[data-solo]") !== null;
    this.final = new Slot(element.querySelector("[data-final]"), page);
    for (const card of element.querySelectorAll(".card")) this.#slots.set(card.dataset.generation, new Slot(card, page));
    const { generation } = this.final.element.dataset;
    if (generation) this.#slots.set(generation, this.final);
    this.formats = new Formats(() => [this.final, ...this.#slots.values()], () => page.fetchTurn(this.id));
    const system = element.querySelector("[data-system]");
    this.deck = system && new Deck(system, this.id, () => this.#unfolded());
    this.marks = new Marks(element, { say: page.say, show: (card) => this.deck?.show(card) });
  }

  get active() {
    return ACTIVE.has(this.element.dataset.runStatus);
  }

  /** Whether something is to come: also of models that still write when their run has its answer. */
  get live() {
    return this.active || [...this.#slots.values()].some((slot) => slot.busy);
  }

  delta(frame) {
    this.#answering();
    const slot = this.#slots.get(frame.generation);
    if (!slot || slot.delta(frame)) this.page.ask(this.id);
    if (slot === this.final) this.#fold();
  }

  reasoning(frame) {
    this.#answering();
    const slot = this.#slots.get(frame.generation);
    if (!slot || slot.reasoning(frame)) this.page.ask(this.id);
  }

  block(frame) {
    if (this.#slots.get(frame.generation)?.text.block(frame)) this.formats.completeSoon();
  }

  begin(frame) {
    this.#answering();
    const slot = this.#slots.get(frame.generation);
    if (slot) slot.begin(frame.attempt);
    else this.page.ask(this.id);
    this.#note({ id: frame.generation, attempt: frame.attempt, status: "streaming", error: null, waiting_for: null, late: false });
    this.#count();
  }

  generation(view) {
    const fruitless = view.kind === "synthesis" && view.current === false && ENDED.has(view.status) && view.status !== "completed";
    // A further version came to nothing: ask for the one that counts.
    if (this.#slot(view)?.apply(view) || fruitless) this.page.ask(this.id);
    if (ENDED.has(view.status)) this.formats.completeSoon();
    this.#note(view);
    this.#count();
  }

  /** `answer`: the final answer, once it stands; it is whole, whichever generation it came from. */
  run(view, answer) {
    let ask = false;
    let answered = answer === undefined;
    const { versions = [] } = view;
    const revising = versions.find(({ status }) => BUSY.has(status));
    const writer = revising ?? (view.chosen ? undefined : view.generations.find(({ kind }) => kind === "synthesis"));
    const before = this.#answerKey;
    if (!this.solo && writer) this.#give(writer);
    else if (!this.solo) this.#nobodyWrites(view);
    answered ||= revising !== undefined;
    for (const generation of revising ? [...view.generations, revising] : view.generations) {
      const slot = generation.kind === "synthesis" && generation !== writer ? undefined : this.#slot(generation);
      if (generation.kind === "candidate" && slot !== this.final) slot?.letter(generation.label ?? "");
      slot?.element.toggleAttribute("data-used", generation.id === view.chosen);
      const whole = slot === this.final && answer !== undefined && !revising;
      answered ||= whole;
      ask = slot?.apply(whole ? { ...generation, text: answer } : generation) || ask;
    }
    const chosen = view.generations.find(({ id }) => id === view.chosen);
    if (chosen && !revising) this.final.figures(chosen);
    if (!answered) {
      this.final.text.snapshot(this.final.text.attempt, answer, true);
      this.final.status("completed");
    }
    // A brief snapshot tells the states of older runs without their messages.
    ask ||= view.final && answer === undefined && !revising && !this.final.text.ended;
    if (ask) this.page.ask(this.id);
    this.element.dataset.chosen = view.chosen ?? "";
    this.#status(view.status, before);
    this.element.toggleAttribute("data-run-stopping", this.active && view.cancel_requested);
    this.#count();
    this.#view = { ...view, generations: view.generations.map(withoutTexts), versions: versions.map(withoutTexts) };
    this.marks.dress();
    this.#fold();
    this.#look();
    if (!this.active) this.formats.completeSoon();
  }

  tick(now) {
    for (const slot of this.#slots.values()) slot.tick(now);
    const clock = this.element.querySelector("[data-clock]");
    if (clock) clock.textContent = whole(now - Date.parse(this.element.dataset.created));
    const patience = this.element.querySelector("[data-until]");
    if (patience) countDown(patience, Date.parse(patience.dataset.until) - now);
  }

  /** The place of a generation; that of the final answer belongs to its newest author, and to no earlier one. */
  #slot(view) {
    const { dataset } = this.final.element;
    if (view.kind === "synthesis" && dataset.generation !== view.id) {
      const newer = view.version - Number(dataset.version) || view.position - Number(dataset.position);
      const over = view.current === false && !BUSY.has(view.status);
      if (over || (dataset.generation && newer < 0)) return undefined;
      this.#give(view);
    }
    return this.#slots.get(view.id);
  }

  /** This generation writes, or wrote, what stands in the place of the final answer. */
  #give(view) {
    const { dataset } = this.final.element;
    if (dataset.generation === view.id) return;
    this.#slots.delete(dataset.generation);
    Object.assign(dataset, { generation: view.id, version: view.version, position: view.position });
    this.final.restart();
    this.#slots.set(view.id, this.final);
  }

  /** The run was begun again, or a draft was chosen: what had come of the final answer is no more. */
  #nobodyWrites({ status, chosen }) {
    const { dataset } = this.final.element;
    if (!dataset.generation || !(chosen || BEFORE_THE_END.has(status))) return;
    this.#slots.delete(dataset.generation);
    dataset.generation = "";
    this.final.restart();
    this.final.status("");
  }

  /** What is told of one generation, and what it means for the wording. */
  #note({ text, ...news }) {
    if (!this.#view) return;
    const known = [...this.#view.generations, ...this.#view.versions].find(({ id }) => id === news.id);
    if (!known || news.attempt < known.attempt) return;
    Object.assign(known, news);
    this.#look();
  }

  /** Whose text stands in the place of the final answer. */
  get #answerKey() {
    const { generation } = this.final.element.dataset;
    return generation || this.element.dataset.chosen;
  }

  /** The cards give way once there is something to read below them. */
  #fold() {
    const { runStatus } = this.element.dataset;
    const none = runStatus === "failed" || runStatus === "cancelled";
    this.deck?.answer(!none && (runStatus === "completed" || this.final.text.length > 0));
  }

  /** Who still writes is followed again; what is whole is read from its beginning. */
  #unfolded() {
    for (const slot of this.#slots.values()) if (slot.busy) slot.follower.keep?.();
  }

  #look() {
    this.#face = faceOf(this.#view);
    this.#wording();
  }

  /** No word says that a worker took the run up, but the first sign of a generation does. */
  #answering() {
    if (this.element.dataset.runStatus === "queued") this.#status("answering");
  }

  #status(status, answerBefore) {
    const { dataset } = this.element;
    const { say } = this.page;
    if (dataset.runStatus === status) {
      const another = status === "completed" && answerBefore !== undefined && answerBefore !== this.#answerKey;
      if (another) this.page.announce(this.final.busy ? say.synthesizing : say.final);
      return;
    }
    dataset.runStatus = status;
    const sentence = { completed: say.final, failed: say.failed, cancelled: say.stopped, synthesizing: say.synthesizing }[status];
    if (sentence) this.page.announce(sentence);
    this.page.changed();
  }

  /** What can be counted here needs no other wording. */
  #count() {
    const many = (status) => this.element.querySelectorAll(`.card[data-status="${status}"]`).length;
    const done = this.element.querySelector("[data-done]");
    if (done) done.textContent = many("completed");
    const failed = this.element.querySelector("[data-failed-shown]");
    if (failed) {
      failed.hidden = !many("failed");
      failed.querySelector("[data-failed]").textContent = many("failed");
    }
    const begin = this.element.querySelector("[data-begin]");
    if (begin) this.#offer(begin);
  }

  /** The final answer can be written now when a draft is there and somebody still writes. */
  #offer(begin) {
    const slots = [...this.#slots.values()];
    const begun = this.element.dataset.runStatus === "answering";
    begin.toggleAttribute("data-ready", begun && slots.some((slot) => slot.whole) && slots.some((slot) => slot.busy));
    for (const name of begin.querySelectorAll("[data-unwaited]")) name.hidden = !this.#slots.get(name.dataset.unwaited)?.busy;
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
    for (const name of ["progress", "verdict", "tools"]) {
      const [mine, theirs] = [this.element, fresh].map((turn) => turn.querySelector(`[data-part="${name}"]`));
      if (mine) replace(mine, theirs?.childNodes ?? []);
    }
    this.element.dataset.face = fresh.dataset.face;
    this.formats.take(fresh);
    this.#count();
    this.final.follower.follow();
  }
}

/** What the server's wording depends on, as `Turn.face` in turns.py has it. */
export function faceOf(run) {
  const marks = BEFORE_THE_END.has(run.status) ? [] : run.generations.filter(({ kind }) => kind === "candidate").map(markOf);
  const stopping = run.cancel_requested ? "stopping" : "";
  const asked = run.synthesis_requested ? "asked" : "";
  const versions = (run.versions ?? []).map(({ version, status }) => `v${version}-${status}`);
  const chosen = run.chosen ? [run.chosen] : [];
  return [run.status, run.outcome, stopping, asked, run.gave_up.length, ...marks, ...versions, ...chosen].join("/");
}

function markOf({ status, error, late }) {
  return [BUSY.has(status) ? "active" : status, error?.code ?? "", late ? "late" : ""].join("-");
}

/** The status, told apart where people see a difference. */
function stateOf({ status, late, label, waiting_for: provider }) {
  if (status === "queued" && provider) return "waiting";
  return status === "completed" && late && !label ? "late" : status;
}

function withoutTexts({ text, reasoning, ...rest }) {
  return rest;
}

/** New words in an old place; who stood on a button there stands on it still. */
function replace(place, words) {
  const { activeElement } = document;
  const held = place.contains(activeElement) && activeElement.getAttribute("formaction");
  place.replaceChildren(...words);
  if (held) place.querySelector(`[formaction="${held}"]`)?.focus({ preventScroll: true });
}

function countDown(patience, milliseconds) {
  const left = whole(milliseconds);
  patience.toggleAttribute("data-over", milliseconds <= 0);
  patience.querySelector("[data-left]").textContent = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
}

function whole(milliseconds) {
  return Math.max(0, Math.floor(milliseconds / 1000));
}
