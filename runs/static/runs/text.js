/**
 * One generation's text, kept right whatever frames are lost, doubled or late.
 *
 * The rules (docs/protocol.md): a delta of an older attempt is dropped; one of a newer attempt starts an empty text; what
 * overlaps is dropped; what is ahead is held until a snapshot has filled the gap. Once an attempt has ended, its text is
 * whole and its late deltas are dropped. Offsets count UTF-16 code units, as `length` does.
 *
 * `sink` shows the text: `append(piece)`, `reset(text)`, `read()`, and `format(block)` where it is to be formatted.
 */
const HELD_MAX = 1000;

export class LiveText {
  constructor(sink, attempt = 0, ended = false) {
    this.sink = sink;
    this.attempt = attempt;
    this.ended = ended;
    this.length = sink.read().length;
    this.held = [];
  }

  /** Take a delta; returns whether a snapshot is needed to go on. */
  delta({ attempt, offset, text }) {
    if (attempt < this.attempt || (attempt === this.attempt && this.ended)) return false;
    this.begin(attempt);
    if (offset > this.length) {
      if (this.held.length < HELD_MAX) this.held.push({ attempt, offset, text });
      return true;
    }
    const fresh = text.slice(this.length - offset);
    if (fresh) this.#grow(fresh);
    return false;
  }

  /** Take a formatted block; returns whether one before it is missing. */
  block({ attempt, start, end, html }) {
    return attempt === this.attempt && this.sink.format({ start, end, html });
  }

  /** An attempt begins, from an empty text; one that is known already goes on. */
  begin(attempt) {
    if (attempt <= this.attempt) return;
    this.attempt = attempt;
    this.ended = false;
    this.held = [];
    this.#show("");
  }

  /** Another generation takes the place of the one that was shown here. */
  restart() {
    this.attempt = 0;
    this.ended = false;
    this.held = [];
    this.#show("");
  }

  /** The text as the database has it; returns whether another snapshot is needed, because what is held is still ahead. */
  snapshot(attempt, text, ended) {
    if (attempt < this.attempt) return false;
    const held = attempt === this.attempt ? this.held : [];
    const mine = attempt === this.attempt ? this.sink.read() : "";
    // A text in mid-stream may be read from a checkpoint that is older than the deltas that are here already.
    const older = !ended && mine.length > text.length && mine.startsWith(text);
    const grown = attempt === this.attempt && text.startsWith(mine);
    this.attempt = attempt;
    this.ended = ended;
    this.held = [];
    if (!older && mine !== text) grown ? this.#grow(text.slice(mine.length)) : this.#show(text);
    let ahead = false;
    for (const delta of held.sort((a, b) => a.offset - b.offset)) ahead = this.delta(delta) || ahead;
    return ahead;
  }

  #grow(piece) {
    this.sink.append(piece);
    this.length += piece.length;
  }

  #show(text) {
    this.sink.reset(text);
    this.length = text.length;
  }
}
