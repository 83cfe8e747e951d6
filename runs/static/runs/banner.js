/** The word about the connection: only trouble that lasts is worth one, and so is its end. */
const TROUBLES = new Set(["offline", "lost", "late"]);
const CAUGHT_UP = 5000;

export class Banner {
  #word = "";
  #timer = 0;

  constructor(element) {
    this.element = element;
    addEventListener("offline", () => this.#show());
    addEventListener("online", () => this.#show());
    this.#show();
  }

  /** What the socket says of itself; "open" comes with each snapshot, so then nothing is missing. */
  connection(word) {
    this.#word = word;
    this.#show();
  }

  #show() {
    const shown = this.element.dataset.connection;
    const over = this.#word === "gone" || this.#word === "signed-out";
    const word = navigator.onLine || over ? this.#word : "offline";
    if (word !== "open") {
      // Back online, but not yet heard of the server: until then the old word stands.
      this.#say(word === "" && shown === "offline" ? "" : word);
    } else if (TROUBLES.has(shown)) {
      this.#say("caught-up");
      this.#timer = setTimeout(() => this.#say("open"), CAUGHT_UP);
    } else if (shown !== "caught-up") {
      this.#say("open");
    }
  }

  #say(word) {
    clearTimeout(this.#timer);
    this.element.dataset.connection = word;
  }
}
