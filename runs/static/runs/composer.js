/** The composer: sends once, keeps what was typed when it could not be sent, and turns into Stop while a run is active. */
export class Composer {
  #sending = false;
  #keyOf = null; // what was sent with the key that stands in the form

  /** `page`: `say` sentences, `sent(html)` when a turn came back. */
  constructor(form, page) {
    this.form = form;
    this.page = page;
    this.prompt = form.elements.prompt;
    this.sentence = form.querySelector("[data-sentence]");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (event.submitter?.matches("[data-stop]")) this.stop();
      else this.send();
    });
    this.prompt.addEventListener("keydown", (event) => {
      const composing = event.isComposing || event.keyCode === 229;
      if (event.key !== "Enter" || event.shiftKey || event.altKey || composing || matchMedia("(pointer: coarse)").matches) return;
      event.preventDefault();
      this.send();
    });
    this.prompt.addEventListener("input", () => {
      this.#grow();
      this.complain("");
    });
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
      const response = await this.#post(this.form.action, this.#fields());
      if (response.ok) await this.#accepted(response);
      else this.complain(await sentenceOf(response, this.page.say));
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
    await this.quietly(address, new URLSearchParams({ csrfmiddlewaretoken: this.form.elements.csrfmiddlewaretoken.value }));
  }

  /** Send something whose effect comes over the socket; only a refusal is worth a word. */
  async quietly(address, fields) {
    try {
      const response = await this.#post(address, fields);
      if (!response.ok) this.complain(await sentenceOf(response, this.page.say));
    } catch {
      this.complain(this.page.say.offline);
    }
  }

  complain(sentence) {
    if (this.sentence.textContent !== sentence) this.sentence.textContent = sentence;
    this.sentence.hidden = !sentence;
    this.prompt.toggleAttribute("aria-invalid", Boolean(sentence));
  }

  /** The same question keeps its key, so that it is stored once however often it is sent; another one needs another. */
  #fields() {
    const fields = new URLSearchParams(new FormData(this.form));
    fields.delete("idempotency_key");
    const question = fields.toString();
    if (this.#keyOf !== null && this.#keyOf !== question) this.#newKey();
    this.#keyOf = question;
    fields.set("idempotency_key", this.form.elements.idempotency_key.value);
    return fields;
  }

  async #accepted(response) {
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

  #post(address, fields) {
    // A sign-in in another tab gave this browser a new token; the one in the page is then too old.
    const name = `${this.form.dataset.csrfCookie}=`;
    const cookie = document.cookie.split("; ").find((each) => each.startsWith(name));
    if (cookie) fields.set("csrfmiddlewaretoken", cookie.slice(name.length));
    return fetch(address, { method: "POST", body: fields, redirect: "manual", headers: { "X-Requested-With": "fetch" } });
  }

  #newKey() {
    const bytes = crypto.getRandomValues(new Uint8Array(16)); // randomUUID is missing on plain http
    this.form.elements.idempotency_key.value = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  #grow() {
    if (CSS.supports("field-sizing", "content")) return;
    this.prompt.style.height = "auto";
    this.prompt.style.height = `${this.prompt.scrollHeight}px`;
  }
}

async function sentenceOf(response, say) {
  if (response.type === "opaqueredirect") return say.signedOut;
  if (response.headers.get("Content-Type")?.startsWith("text/plain")) return response.text();
  return { 400: say.tooLarge, 413: say.tooLarge, 403: say.stale, 404: say.gone }[response.status] ?? say.broken;
}
