/**
 * What a final answer says about its drafts: marks like [A] become buttons that light up the card of that letter, and
 * the two sections that the master may add are folded. Only finished blocks are touched, and only their text nodes.
 */
const MARK = /\[([A-Z]{1,2}(?:\s*,\s*[A-Z]{1,2})*)\]/g;
const NOT_INSIDE = "code, pre, a, button, math";
const TITLES = new Map([
  ["where the drafts disagree", "disagreements"],
  ["where they disagree", "disagreements"],
  ["what was left out", "left-out"],
]);

export class Marks {
  /** `turn` holds the final answer and the cards, `show(card)` brings one into view, `say` has the words. */
  constructor(turn, { show, say }) {
    this.turn = turn;
    this.show = show;
    this.say = say;
    this.text = turn.querySelector("[data-final] [data-text]");
    this.text.addEventListener("formatted", () => this.dress());
    this.text.addEventListener("click", (event) => this.#press(event.target.closest("button")));
    for (const on of ["pointerover", "focusin"]) this.text.addEventListener(on, (event) => this.#light(event.target, true));
    for (const off of ["pointerout", "focusout"]) this.text.addEventListener(off, (event) => this.#light(event.target, false));
    this.dress();
  }

  /** Blocks came, or letters: whatever is dressed already stays. */
  dress() {
    let section = "";
    let open = true;
    for (const block of this.text.querySelectorAll(":scope > .md")) {
      const title = titleOf(block);
      if (title) {
        section = title;
        if (!block.dataset.section) this.#head(block, title);
        open = block.hasAttribute("data-open");
      } else if (section && /^H[1-6]$/.test(block.firstElementChild?.tagName ?? "")) {
        section = "";
        open = true;
      } else if (section) {
        block.dataset.in = section;
        block.hidden = !open;
      }
      this.#mark(block);
    }
    this.text.toggleAttribute("data-tail-folded", !open);
  }

  #head(block, section) {
    const heading = block.firstElementChild;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "section-head";
    button.setAttribute("aria-expanded", "false");
    button.textContent = section === "left-out" ? this.say.leftOut : this.say.disagreements;
    block.dataset.section = section;
    heading.dataset.title = heading.textContent;
    heading.replaceChildren(button);
  }

  #mark(block) {
    const walker = document.createTreeWalker(block, NodeFilter.SHOW_TEXT);
    const found = [];
    while (walker.nextNode()) {
      const { currentNode: node } = walker;
      if (node.data.includes("[") && !node.parentElement.closest(NOT_INSIDE)) found.push(node);
    }
    for (const node of found) this.#split(node);
  }

  #split(node) {
    const parts = [];
    let from = 0;
    for (const match of node.data.matchAll(MARK)) {
      const letters = match[1].split(/\s*,\s*/);
      if (!letters.every((letter) => this.#card(letter))) continue;
      parts.push(node.data.slice(from, match.index), ...this.#buttons(match[0]));
      from = match.index + match[0].length;
    }
    if (from) node.replaceWith(...parts, node.data.slice(from));
  }

  /** The same characters, with a button around each letter. */
  #buttons(text) {
    return text.split(/([A-Z]+)/).map((part) => {
      if (!/[A-Z]/.test(part)) return bracket(part);
      const button = document.createElement("button");
      button.type = "button";
      button.className = "mark";
      button.dataset.mark = part;
      button.textContent = part;
      const label = this.#card(part).querySelector("[data-label]").textContent;
      button.setAttribute("aria-label", `${this.say.draft} ${part}: ${label}`);
      return button;
    });
  }

  #press(button) {
    if (button?.matches(".section-head")) {
      const open = button.getAttribute("aria-expanded") !== "true";
      button.setAttribute("aria-expanded", String(open));
      button.closest(".md").toggleAttribute("data-open", open);
      this.dress();
    } else if (button?.matches(".mark")) {
      const card = this.#card(button.dataset.mark);
      if (!card) return;
      button.focus({ preventScroll: true }); // not every browser does
      this.show(card);
    }
  }

  #light(target, on) {
    const mark = target.closest?.(".mark");
    if (mark) this.#lit(mark.dataset.mark, on || mark.matches(":hover, :focus"));
  }

  #lit(letter, on) {
    const card = this.#card(letter);
    if (!card) return;
    card.toggleAttribute("data-lit", on);
    this.turn.querySelector(`[data-chip="${card.dataset.generation}"]`)?.toggleAttribute("data-lit", on);
  }

  #card(letter) {
    return this.turn.querySelector(`.card[data-letter="${letter}"]`);
  }
}

/** Which of the two sections begins with this block: it is a heading, or a line in bold, and nothing else. */
function titleOf(block) {
  if (block.dataset.section) return block.dataset.section;
  const [only, ...others] = block.children;
  if (!only || others.length) return undefined;
  const bold = only.tagName === "P" && only.children.length === 1 && only.firstElementChild.tagName === "STRONG";
  if (!/^H[1-6]$/.test(only.tagName) && !(bold && only.textContent === only.firstElementChild.textContent)) return undefined;
  return TITLES.get(only.textContent.trim().replace(/[:.]$/, "").toLowerCase());
}

function bracket(text) {
  const part = document.createElement("span");
  part.className = "bracket";
  part.textContent = text;
  return part;
}
