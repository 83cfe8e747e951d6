/** Text on the page: pieces gather and are written once a frame, all writes first, then all scrolling. */
import { FormattedFront } from "./formatting.js";

const BLOCK_CHARS = 4000; // a new block begins at the next line end, so that a long text is not laid out anew as a whole

const waiting = new Set();

function paintSoon(text) {
  if (!waiting.size) requestAnimationFrame(paint);
  waiting.add(text);
}

function paint() {
  const texts = [...waiting];
  waiting.clear();
  for (const text of texts) text.write();
  const followers = [...new Set(texts.map((text) => text.follower))].filter((follower) => follower?.following);
  const ends = followers.map((follower) => follower.measure()); // the one layout of this frame
  followers.forEach((follower, index) => follower.scrollTo(ends[index]));
}

const held = new Set();
document.addEventListener("selectionchange", () => {
  for (const text of held) paintSoon(text);
  held.clear();
});

/** An element whose text grows at its end, and whose finished blocks are formatted. Its `source` is the plain text. */
export class PaintedText {
  #source;
  #pending = "";
  #cleared = false;
  #raw = null; // the text as it came, while somebody wants to see it

  constructor(element, follower) {
    this.element = element;
    this.follower = follower;
    this.front = new FormattedFront(element);
    this.#source = element.dataset.source ?? element.textContent;
    delete element.dataset.source;
    Object.defineProperty(element, "source", { get: () => this.#source, configurable: true });
  }

  read() {
    return this.#source;
  }

  /** Whether some of the text has no format yet. */
  get plain() {
    return this.front.end < this.#source.length;
  }

  append(piece) {
    this.#source += piece;
    this.#pending += piece;
    paintSoon(this);
  }

  reset(text) {
    this.#source = text;
    this.#cleared = true;
    this.#pending = text;
    this.front.clear();
    paintSoon(this);
  }

  /** Take a formatted block; returns whether one before it is missing. */
  format(block) {
    this.front.take(block);
    paintSoon(this);
    return block.start > this.front.end;
  }

  /** Show every character as it came, in place of the formatted text. */
  showRaw(raw) {
    if (raw === Boolean(this.#raw)) return;
    this.element.toggleAttribute("data-replaced", raw);
    this.#raw?.remove();
    this.#raw = null;
    if (!raw) return;
    this.#raw = document.createElement("div");
    this.#raw.className = "raw";
    this.#raw.dir = "auto";
    this.#raw.append(document.createTextNode(this.#source.slice(0, this.#source.length - this.#pending.length)));
    this.element.after(this.#raw);
  }

  write() {
    if (this.#cleared) {
      this.element.replaceChildren();
      if (this.#raw) this.#raw.firstChild.data = "";
      this.element.dispatchEvent(new CustomEvent("formatted"));
    }
    this.#cleared = false;
    const pending = this.#pending;
    let rest = pending;
    this.#pending = "";
    let tail = lastText(this.element);
    while (rest) {
      tail ||= newBlock(this.element);
      const lineEnd = rest.indexOf("\n", Math.max(BLOCK_CHARS - tail.length, 0));
      const cut = tail.length + rest.length > BLOCK_CHARS && lineEnd >= 0 ? lineEnd + 1 : rest.length;
      tail.appendData(rest.slice(0, cut));
      rest = rest.slice(cut);
      if (rest) tail = null;
    }
    this.front.place(this.#source.length);
    this.#raw?.firstChild.appendData(pending);
    if (this.front.waits) held.add(this);
  }
}

function lastText(element) {
  const last = element.lastChild;
  return last?.nodeType === Node.ELEMENT_NODE ? last.matches(".block") && last.lastChild : last;
}

function newBlock(element) {
  const block = document.createElement("span");
  block.className = "block";
  element.append(block);
  return block.appendChild(document.createTextNode(""));
}

/** Keeps the end of a scrolling box in view until its reader scrolls up. */
export class BoxFollower {
  following = true;

  constructor(box, toEnd) {
    this.box = box;
    this.toEnd = toEnd;
    this.scrollTo(this.measure());
    box.addEventListener("scroll", () => this.#look(), { passive: true });
    box.addEventListener("wheel", (event) => event.deltaY < 0 && this.#follow(false), { passive: true });
    toEnd?.addEventListener("click", () => {
      this.#follow(true);
      this.scrollTo(this.measure());
      box.focus({ preventScroll: true });
    });
  }

  measure() {
    return this.box.scrollHeight;
  }

  scrollTo(end) {
    this.box.scrollTop = end;
  }

  /** The box became smaller: its end stays in view. */
  keep() {
    if (this.following) this.scrollTo(this.measure());
  }

  #look() {
    this.#follow(this.box.scrollHeight - this.box.scrollTop - this.box.clientHeight < 8);
  }

  #follow(following) {
    if (following === this.following) return;
    this.following = following;
    if (this.toEnd) this.toEnd.hidden = following || this.box.scrollHeight <= this.box.clientHeight;
  }
}

const TOPBAR = 64;
let pageFollows = false;
let lastY = 0;

addEventListener(
  "scroll",
  () => {
    if (scrollY < lastY - 2) pageFollows = false;
    else if (pageIsAtEnd()) pageFollows = true;
    lastY = scrollY;
  },
  { passive: true },
);

/** Keeps the end of the page in view, but never pushes the first line of what is being written out at the top. */
export class PageFollower {
  constructor(article) {
    this.article = article;
  }

  get following() {
    return pageFollows;
  }

  measure() {
    const room = document.documentElement.scrollHeight - innerHeight;
    const top = this.article.getBoundingClientRect().top + scrollY - TOPBAR;
    return Math.min(room, Math.max(top, scrollY));
  }

  scrollTo(end) {
    if (end > scrollY) scroll({ top: end, behavior: "instant" });
  }

  /** Something other than text grew. */
  follow() {
    if (this.following) this.scrollTo(this.measure());
  }
}

export function pageToEnd() {
  pageFollows = true;
  scroll({ top: document.documentElement.scrollHeight, behavior: "instant" });
}

export function pageIsAtEnd() {
  return document.documentElement.scrollHeight - innerHeight - scrollY < 24;
}
