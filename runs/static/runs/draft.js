/** What is being typed survives a reload: it is kept in this browser, by person and thread, until it is accepted. */
const PREFIX = "polyphony:draft:";

export class Draft {
  #name;

  constructor(user, thread) {
    this.#name = `${PREFIX}${user}:${thread || "new"}`;
  }

  read() {
    try {
      return JSON.parse(localStorage.getItem(this.#name)) ?? {};
    } catch {
      return {};
    }
  }

  write(draft) {
    try {
      localStorage.setItem(this.#name, JSON.stringify(draft));
    } catch {
      // No room, or storage is forbidden: then it does not survive a reload.
    }
  }

  clear() {
    try {
      localStorage.removeItem(this.#name);
    } catch {
      // Storage is forbidden.
    }
  }
}

/** Whoever signs out leaves nothing behind for the next person at this machine. */
export function forgetDrafts() {
  for (const name of Object.keys(localStorage)) if (name.startsWith(PREFIX)) localStorage.removeItem(name);
}
