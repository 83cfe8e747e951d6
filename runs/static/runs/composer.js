import { newKey, post, sentenceOf } from "../threads/sending.js";
import { fill } from "../threads/texts.js";

/** Whether this key sends what is typed, as the person has set it; never in the middle of a character. */
export function sends(event, sendKey) {
  if (event.key !== "Enter" || event.shiftKey || event.altKey || event.isComposing || event.keyCode === 229) return false;
  if (event.ctrlKey || event.metaKey) return true;
  return sendKey === "enter" && !matchMedia("(pointer: coarse)").matches;
}

/**
 * The composer: sends once, keeps what was typed when it could not be sent, also over a reload, and turns into Stop while
 * a run is active.
 */
export class Composer {
  #sending = false;
  #keyOf = null; // what was sent with the key that stands in the form

  /**
   * `page`: `say` sentences, `sent(html)` when a turn came back, `changed()` when something was typed, the `draft` that is
   * kept, and the `picker` whose choice is kept with it.
   */
  constructor(form, page) {
    this.form = form;
    this.page = page;
    this.prompt = form.elements.prompt;
    this.sentence = form.querySelector("[data-sentence]");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (event.submitter?.matches("[data-council-verb]")) return;
      if (event.submitter?.matches("[data-stop]")) this.stop();
      else this.send();
    });
    this.prompt.addEventListener("keydown", (event) => {
      if (!sends(event, form.dataset.sendKey)) return;
      event.preventDefault();
      this.send();
    });
    this.prompt.addEventListener("input", () => {
      this.#grow();
      this.complain(this.#tooLong());
      this.keep();
      this.page.changed();
    });
    this.#restore();
    this.#grow();
  }

  set activeRun(run) {
    this.form.dataset.activeRun = run;
  }

  async send() {
    if (this.#sending || !this.prompt.value.trim()) {
      this.prompt.focus();
      return;
    }
    this.#sending = true;
    this.form.setAttribute("aria-busy", "true");
    try {
      const response = await post(this.form.action, this.#fields());
      if (response.ok) await this.#accepted(response);
      else this.complain(sentenceOf(response, await response.text(), this.page.say));
    } catch {
      this.complain(this.page.say.offline);
    } finally {
      this.#sending = false;
      this.form.removeAttribute("aria-busy");
    }
  }

  async stop() {
    const { activeRun, stopAddress } = this.form.dataset;
    if (!activeRun) return;
    const address = stopAddress.replace("00000000-0000-0000-0000-000000000000", activeRun);
    await this.quietly(address, {});
  }

  /** Send something whose effect comes over the socket; only a refusal is worth a word. Returns whether it was taken. */
  async quietly(address, fields) {
    try {
      const response = await post(address, fields);
      if (!response.ok) this.complain(sentenceOf(response, await response.text(), this.page.say));
      return response.ok;
    } catch {
      this.complain(this.page.say.offline);
      return false;
    }
  }

  complain(sentence) {
    if (this.sentence.textContent !== sentence) this.sentence.textContent = sentence;
    this.sentence.hidden = !sentence;
    this.prompt.toggleAttribute("aria-invalid", Boolean(sentence));
  }

  /** Keep what would be lost in a reload: the prompt, whom it is for, and the key under which it may have been stored. */
  keep() {
    const { draft, picker } = this.page;
    const prompt = this.prompt.value;
    const key = this.#keyOf === null ? undefined : this.form.elements.idempotency_key.value;
    if (prompt.trim()) draft.write({ prompt, choice: picker.choice, key, keyOf: this.#keyOf });
    else draft.clear();
  }

  #restore() {
    const { prompt, choice, key, keyOf } = this.page.draft.read();
    if (!prompt || this.prompt.value) return;
    this.prompt.value = prompt;
    if (choice && !new URLSearchParams(location.search).has("council")) this.page.picker.choice = choice;
    if (!key) return;
    this.form.elements.idempotency_key.value = key;
    this.#keyOf = keyOf;
  }

  #tooLong() {
    const limit = Number(this.prompt.dataset.maxChars);
    const { value } = this.prompt;
    if (value.length <= limit) return "";
    const length = [...value].length; // as the server counts
    return length > limit ? fill(this.page.say.tooLong, { length, limit }) : "";
  }

  /** The same question keeps its key, so that it is stored once however often it is sent; another one needs another. */
  #fields() {
    const fields = new URLSearchParams(new FormData(this.form));
    for (const name of ["idempotency_key", "council_name", "csrfmiddlewaretoken"]) fields.delete(name);
    const question = fields.toString();
    if (this.#keyOf !== null && this.#keyOf !== question) this.#newKey();
    this.#keyOf = question;
    this.keep();
    fields.set("idempotency_key", this.form.elements.idempotency_key.value);
    return fields;
  }

  async #accepted(response) {
    this.page.draft.clear();
    const where = response.headers.get("Location");
    if (where) {
      location.assign(where);
      await new Promise(() => {}); // stay busy until the next page is here
    }
    this.page.sent(await response.text());
    this.#newKey();
    this.#keyOf = null;
    this.prompt.value = "";
    this.#grow();
    this.complain("");
  }

  #newKey() {
    this.form.elements.idempotency_key.value = newKey();
  }

  #grow() {
    if (CSS.supports("field-sizing", "content")) return;
    this.prompt.style.height = "auto";
    this.prompt.style.height = `${this.prompt.scrollHeight}px`;
  }
}
