/**
 * Formatted blocks: the server's HTML takes the place of the plain text that it stands for, once, and is then left alone.
 *
 * Offsets count UTF-16 code units of the source text. A block that does not follow the last one is not taken: the page
 * then asks for the server's rendering of the whole turn (docs/protocol.md).
 */

/** The formatted blocks at the front of an element, before its plain rest. */
export class FormattedFront {
  #waiting = [];

  constructor(element) {
    this.element = element;
    for (const block of element.querySelectorAll(":scope > .md")) dress(block);
  }

  /** How much of the text is formatted. */
  get end() {
    return Number(this.#blocks.at(-1)?.dataset.end ?? 0);
  }

  /** Take a block when the text is there and nobody selects it. */
  take(block) {
    this.#waiting.push(block);
  }

  clear() {
    this.#waiting = [];
  }

  get waits() {
    return this.#waiting.length > 0;
  }

  /** Put in what waits and fits; `length` is how much of the text is shown. */
  place(length) {
    if (!this.#waiting.length || isSelected(this.element)) return;
    for (const block of this.#waiting.sort((a, b) => a.start - b.start)) {
      if (block.start === this.end && block.end <= length) this.#place(block);
    }
    this.#waiting = this.#waiting.filter((block) => block.start >= this.end);
  }

  get #blocks() {
    return [...this.element.querySelectorAll(":scope > .md")];
  }

  #place({ start, end, html }) {
    const shown = document.createElement("div");
    shown.className = "md";
    shown.dir = "auto";
    shown.dataset.end = end;
    shown.innerHTML = html; // the server's own, sanitised there
    dress(shown);
    const last = this.#blocks.at(-1);
    cutFront(this.element, end - start);
    if (last) last.after(shown);
    else this.element.prepend(shown);
    shown.dispatchEvent(new CustomEvent("formatted", { bubbles: true }));
  }
}

/** The blocks of another rendering of the same text. */
export function blocksOf(element) {
  let start = 0;
  return [...element.querySelectorAll(":scope > .md")].map((block) => {
    const end = Number(block.dataset.end);
    const taken = { start, end, html: block.innerHTML };
    start = end;
    return taken;
  });
}

const COMPLETE_AFTER = 800;

/** Sees to it that the texts of a turn end formatted, whatever block was lost. */
export class Formats {
  #timer = 0;

  /** `slots()`: what has an `element`, a `text` and what `painted` it; `fetchTurn()`: the server's rendering. */
  constructor(slots, fetchTurn) {
    this.slots = slots;
    this.fetchTurn = fetchTurn;
  }

  /** Ask the server, unless the blocks that are on their way make it needless. */
  completeSoon() {
    this.#timer ||= setTimeout(async () => {
      this.#timer = 0;
      if (!this.slots().some(({ painted, text }) => painted.plain && (text.ended || painted.front.waits))) return;
      const { element } = await this.fetchTurn();
      if (element) this.take(element);
    }, COMPLETE_AFTER);
  }

  /** Take the blocks of the server's rendering, as far as it is of the same texts. */
  take(turn) {
    for (const { element, text, painted } of this.slots()) {
      const { generation } = element.dataset;
      const selector = element.matches("[data-final]") ? "[data-final]" : `[data-generation="${generation}"]`;
      const theirs = turn.querySelector(selector);
      const source = theirs?.querySelector("[data-text]").dataset.source ?? "";
      if (Number(theirs?.dataset.attempt) !== text.attempt) continue;
      for (const block of blocksOf(theirs.querySelector("[data-text]"))) {
        if (block.end <= painted.front.end) continue;
        if (source.slice(0, block.end) === painted.read().slice(0, block.end)) painted.format(block);
      }
    }
  }
}

/** Remove so many characters from the plain text of an element. */
function cutFront(element, count) {
  while (count > 0) {
    const first = element.querySelector(":scope > .block");
    const text = first.firstChild;
    const cut = Math.min(count, text.length);
    if (cut === text.length) first.remove();
    else text.deleteData(0, cut);
    count -= cut;
  }
}

/** Whether somebody has a part of the plain text selected: it would be lost with its nodes. */
function isSelected(element) {
  const selection = getSelection();
  if (!selection.rangeCount || selection.isCollapsed) return false;
  const range = selection.getRangeAt(0);
  return [...element.querySelectorAll(":scope > .block")].some((block) => range.intersectsNode(block));
}

function dress(block) {
  for (const wide of block.querySelectorAll("pre, .wide, .formula")) wide.tabIndex = 0; // may scroll sideways
  for (const task of block.querySelectorAll("li > input")) task.ariaLabel = task.parentElement.textContent.trim().slice(0, 100);
  const button = document.querySelector("[data-copy-button]");
  if (!button) return;
  for (const head of block.querySelectorAll(".code-language")) {
    head.append(button.content.cloneNode(true));
  }
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-copy-code]");
  if (!button) return;
  await navigator.clipboard.writeText(button.closest(".code").querySelector("code").textContent);
  button.dataset.copied = "";
  setTimeout(() => delete button.dataset.copied, 2000);
});
