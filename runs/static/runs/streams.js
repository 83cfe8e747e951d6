/** The texts that grow, by the short names under which their pieces come (docs/protocol.md). */
export const UNKNOWN_EVERY = 5000; // of a run that no snapshot of the shown branch tells, a name stays unknown

export class Streams {
  #texts = new Map(); // name -> { run, generation, attempt }
  #askedAt = -Infinity;

  /** `ask` is called when pieces come under a name that nobody has told. */
  constructor(ask, now = () => performance.now()) {
    this.ask = ask;
    this.now = now;
  }

  begin({ stream, run, generation, attempt }) {
    this.#texts.set(stream, { run, generation, attempt });
  }

  generation({ stream, run, id, attempt }) {
    this.begin({ stream, run, generation: id, attempt });
  }

  run({ generations, versions = [] }) {
    for (const generation of [...generations, ...versions]) this.generation(generation);
  }

  /** A piece with what it is of, or null. */
  delta([stream, offset, text]) {
    const known = this.#texts.get(stream);
    if (known) return { ...known, offset, text };
    if (this.now() - this.#askedAt >= UNKNOWN_EVERY) {
      this.#askedAt = this.now();
      this.ask();
    }
    return null;
  }
}
