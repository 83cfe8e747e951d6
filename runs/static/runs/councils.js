/** Councils: a click puts one into the picker; keeping, renaming and deleting bring the list anew from the server. */
import { post } from "../threads/sending.js";
import { say } from "../threads/texts.js";

export class Councils {
  constructor(picker, form) {
    this.picker = picker;
    this.form = form;
    const { dialog } = picker;
    dialog.addEventListener("click", (event) => {
      const chip = event.target.closest("[data-council]");
      if (!chip || event.ctrlKey || event.metaKey) return; // with these it opens a page of its own
      event.preventDefault();
      picker.choice = JSON.parse(chip.dataset.fields);
    });
    dialog.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !event.target.matches("#council-name")) return;
      event.preventDefault(); // else it would send the composer
      this.#keep();
    });
    form.addEventListener("submit", (event) => {
      if (!event.submitter?.matches("[data-council-verb]")) return;
      event.preventDefault();
      this.#keep();
    });
    dialog.addEventListener("submit", (event) => {
      if (!event.target.matches("[data-council-form]")) return;
      event.preventDefault();
      const fields = new URLSearchParams(new FormData(event.target));
      if (event.submitter) fields.set(event.submitter.name, event.submitter.value);
      this.#send(event.target.action, fields, () => this.#place.querySelector("summary"));
    });
  }

  get #place() {
    return this.picker.dialog.querySelector("[data-councils]");
  }

  #keep() {
    const fields = new URLSearchParams(new FormData(this.form));
    fields.delete("prompt"); // it may be long, and belongs to no council
    const { formAction } = this.#place.querySelector("[data-council-verb]");
    this.#send(formAction, fields, () => this.#place.querySelector("#council-name"));
  }

  /** `focus()`: where the person stands afterwards, since the pressed button is another one now. */
  async #send(address, fields, focus) {
    try {
      const response = await post(address, fields);
      const known = response.ok || response.status === 400;
      if (known && response.type !== "opaqueredirect") this.#replace(await response.text());
      else this.#complain(response.type === "opaqueredirect" ? say.signedOut : say.unsaved);
      focus().focus();
    } catch {
      this.#complain(say.unsaved);
    }
  }

  #replace(html) {
    const fresh = document.adoptNode(new DOMParser().parseFromString(html, "text/html").querySelector("[data-councils]"));
    fresh.querySelector("[data-keep]").open = this.#place.querySelector("[data-keep]").open;
    this.#place.replaceWith(fresh);
  }

  #complain(sentence) {
    const place = this.#place.querySelector("[data-council-sentence]");
    place.textContent = sentence;
    place.hidden = false;
  }
}
