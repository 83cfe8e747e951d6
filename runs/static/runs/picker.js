/** The picker: its inputs belong to the composer's form, so what is chosen is what is sent. */
export class Picker {
  constructor(dialog, opener) {
    this.dialog = dialog;
    this.opener = opener;
    this.limit = Number(dialog.dataset.limit);
    if (!("commandForElement" in opener)) opener.addEventListener("click", () => dialog.showModal());
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog) dialog.close(); // outside of it
      const step = event.target.closest("[data-more], [data-fewer]");
      if (step) this.#step(step.closest("[data-option]"), step.matches("[data-more]") ? 1 : -1);
    });
    dialog.addEventListener("change", (event) => {
      const option = event.target.closest("[data-option]");
      if (event.target.type === "checkbox") this.#copies(option, event.target.checked ? 1 : 0);
      this.#show();
    });
    dialog.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !event.target.matches("input")) return;
      event.preventDefault(); // else it would send the composer
      dialog.close();
    });
    dialog.querySelector("[data-search]").addEventListener("input", (event) => this.#search(event.target.value));
    this.#show();
  }

  #step(option, by) {
    this.#copies(option, copiesOf(option) + by);
    const check = option.querySelector("[type=checkbox]");
    if (!check.checked) check.focus();
    this.#show();
  }

  /** So many of this model among the secondaries: the check is the first, hidden inputs are the others. */
  #copies(option, count) {
    const check = option.querySelector("[type=checkbox]");
    check.checked = count > 0;
    for (const copy of option.querySelectorAll("[data-copy]")) copy.remove();
    for (let copy = 1; copy < count; copy += 1) {
      const input = document.createElement("input");
      Object.assign(input, { type: "hidden", name: check.name, value: check.value });
      input.setAttribute("form", "composer");
      input.dataset.copy = "";
      option.append(input);
    }
  }

  #show() {
    const options = [...this.dialog.querySelectorAll("[data-option]")];
    const secondaries = options.reduce((sum, option) => sum + copiesOf(option), 0);
    const master = this.dialog.querySelector("[name=master]:checked");
    const count = secondaries + (master ? 1 : 0);
    const full = count >= this.limit;
    for (const option of options) {
      const copies = copiesOf(option);
      option.querySelector("[data-stepper]").hidden = !copies;
      option.querySelector("[data-copies]").textContent = `×${Math.max(copies, 1)}`;
      option.querySelector("[type=checkbox]").disabled = full && !copies;
      option.querySelector("[data-more]").disabled = full;
    }
    this.dialog.querySelector("[data-count]").textContent = count;
    this.dialog.querySelector("[data-full]").hidden = !full;
    if (master) this.opener.querySelector("[data-master-label]").textContent = master.dataset.label;
    this.opener.querySelector("[data-secondaries]").textContent = secondaries;
    this.opener.querySelector("[data-plus]").hidden = !secondaries;
  }

  #search(words) {
    const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
    let found = false;
    for (const provider of this.dialog.querySelectorAll("[data-provider]")) {
      const options = [...provider.querySelectorAll("[data-option]")];
      for (const option of options) option.hidden = !wanted.every((word) => option.dataset.searchText.includes(word));
      provider.hidden = options.every((option) => option.hidden);
      found ||= !provider.hidden;
    }
    this.dialog.querySelector("[data-nothing]").hidden = found;
  }
}

function copiesOf(option) {
  const first = option.querySelector("[type=checkbox]").checked ? 1 : 0;
  return first && first + option.querySelectorAll("[data-copy]").length;
}
