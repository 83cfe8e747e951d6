/** What a question will about cost and take: the server estimates, from the models and the length of the prompt. */
const PAUSE = 500;
const STEP = 100; // a few characters more change nothing that is worth a question

export class Estimate {
  #timer = 0;
  #asked = "";

  constructor(form, places) {
    this.form = form;
    this.places = places;
  }

  /** Something changed; ask once it rests. */
  soon() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#ask(), PAUSE);
  }

  async #ask() {
    const asked = this.#question();
    if (asked === this.#asked) return;
    this.#asked = asked;
    try {
      const response = await fetch(`${this.form.dataset.estimateAddress}?${asked}`, {
        redirect: "manual",
        headers: { "X-Requested-With": "fetch" },
      });
      const html = response.ok ? await response.text() : "";
      if (asked !== this.#asked) return; // a later question is on its way
      for (const place of this.places) place.innerHTML = html;
    } catch {
      this.#asked = ""; // the next change asks again
    }
  }

  #question() {
    const { elements, dataset } = this.form;
    const fields = new FormData(this.form);
    const question = new URLSearchParams();
    for (const name of ["master", "secondary", "wait", "soft_deadline", "minimum"]) {
      for (const value of fields.getAll(name)) question.append(name, value);
    }
    question.set("chars", Math.ceil(elements.prompt.value.length / STEP) * STEP);
    if (dataset.thread) question.set("thread", dataset.thread);
    return question.toString();
  }
}
