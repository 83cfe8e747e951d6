/** The picker: its inputs belong to the composer's form, so what is chosen is what is sent. */
export class Picker {
  #waits;

  /** `changed()`: something else is chosen. */
  constructor(dialog, opener, changed = () => {}) {
    this.dialog = dialog;
    this.opener = opener;
    this.changed = changed;
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
      this.changed();
    });
    dialog.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !event.target.matches("input") || event.target.closest("[data-councils]")) return;
      event.preventDefault(); // else it would send the composer
      dialog.close();
    });
    this.#waits = this.#wait(dialog.querySelector("[data-patience]"));
    dialog.querySelector("[data-search]").addEventListener("input", (event) => this.#search(event.target.value));
    this.#show();
  }

  /** What is chosen now, as a council keeps it. */
  get choice() {
    const chosen = (name) => this.dialog.querySelector(`[name=${name}]:checked`)?.value;
    return {
      master: chosen("master"),
      secondaries: this.#options.flatMap((option) => Array(copiesOf(option)).fill(option.dataset.option)),
      wait: chosen("wait"),
      seconds: this.dialog.querySelector("[name=soft_deadline]").value,
      answers: this.dialog.querySelector("[name=minimum]").value,
    };
  }

  /** Choose all at once; who cannot be asked any more is left out. */
  set choice({ master, secondaries, wait, seconds, answers }) {
    for (const option of this.#options) {
      option.querySelector("[name=master]").checked = option.dataset.option === master;
      this.#copies(option, secondaries.filter((model) => model === option.dataset.option).length);
    }
    this.dialog.querySelector(`[name=wait][value=${wait === "some" ? "some" : "all"}]`).checked = true;
    this.dialog.querySelector("[name=soft_deadline]").value = seconds;
    this.dialog.querySelector("[name=minimum]").value = answers;
    this.#waits();
    this.#show();
    this.changed();
  }

  get #options() {
    return [...this.dialog.querySelectorAll("[data-option]")];
  }

  #step(option, by) {
    this.#copies(option, copiesOf(option) + by);
    const check = option.querySelector("[type=checkbox]");
    if (!check.checked) check.focus();
    this.#show();
    this.changed();
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
    const options = this.#options;
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

  /** Whoever types a number means it: the choice above it goes over to it. Returns what shows the wait outside. */
  #wait(patience) {
    const [all, some] = patience.querySelectorAll("[name=wait]");
    const [seconds] = patience.querySelectorAll("[inputmode]");
    const shown = this.opener.querySelector("[data-wait-shown]");
    const show = () => {
      shown.hidden = all.checked || !seconds.value.trim();
      shown.querySelector("[data-wait-seconds]").textContent = seconds.value.trim();
    };
    patience.addEventListener("input", (event) => {
      if (event.target.matches("[inputmode]")) some.checked = true;
      show();
    });
    show();
    return show;
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
