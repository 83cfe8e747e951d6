/** What can be done with one text: copy it, see it as it came, say what one thinks of it, ask somebody else. */
const TOLD_FOR = 2000;

/** The tools of a card or of the final answer. `painted` has its text. */
export function wireTools(element, painted, page) {
  element.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button?.matches("[data-copy]")) copy(button, painted, page);
    if (button?.matches("[data-raw]")) showRaw(element, painted, button.getAttribute("aria-pressed") !== "true");
  });
}

async function copy(button, painted, page) {
  await navigator.clipboard.writeText(painted.read());
  button.dataset.copied = "";
  page.announce(page.say.copied);
  setTimeout(() => delete button.dataset.copied, TOLD_FOR);
}

/** Every character as the model gave it. */
export function showRaw(element, painted, raw) {
  painted.showRaw(raw);
  for (const button of element.querySelectorAll("[data-raw]")) button.setAttribute("aria-pressed", String(raw));
}

/** A verdict was taken: press its thumb, and release the other one. */
export function pressThumb(thumb) {
  const given = thumb.value;
  for (const each of thumb.parentElement.querySelectorAll("[data-thumb]")) {
    const pressed = each.dataset.thumb === given;
    each.setAttribute("aria-pressed", String(pressed));
    each.value = pressed ? "none" : each.dataset.thumb;
  }
}

/** The dialog in which another model, or another master, is chosen. */
export class Another {
  constructor(dialog) {
    this.dialog = dialog;
    this.form = dialog.querySelector("form");
    dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
    this.form.addEventListener("submit", () => dialog.close());
    document.addEventListener("click", (event) => {
      const button = event.target.closest?.("[data-another]");
      if (button) this.#ask(button);
    });
  }

  #ask(button) {
    this.form.action = button.dataset.another;
    this.form.dataset.run = button.closest("[data-run]").dataset.run;
    this.dialog.dataset.asks = button.dataset.anotherMaster === undefined ? "model" : "master";
    this.dialog.showModal();
  }
}
