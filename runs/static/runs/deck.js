/** The cards of a run: tabs on a phone, a row that snaps elsewhere, a strip of chips once the final answer begins. */
export const PHONE = matchMedia("(width < 820px)");
const KEYS = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1, Home: -Infinity, End: Infinity };

export class Deck {
  #answered;
  #touched = false; // their reader is with the cards: they are not folded behind the back

  /** `run` is the id under which an opened deck is remembered, `unfolded()` what to do once the cards are seen again. */
  constructor(system, run, unfolded) {
    this.system = system;
    this.deck = system.querySelector("[data-deck]");
    this.chips = system.querySelector("[data-chips]");
    this.button = system.querySelector("[data-fold]");
    this.run = run;
    this.unfolded = unfolded;
    this.#answered = this.folded;
    const named = location.hash && this.deck.querySelector(`[id="${CSS.escape(location.hash.slice(1))}"]`);
    if (named || remembered(run)) this.#touch();
    if (this.#touched) this.#fold(false);
    for (const touch of ["pointerdown", "wheel", "keydown"]) this.deck.addEventListener(touch, () => this.#touch(), { passive: true });
    this.button.addEventListener("click", () => this.#choose(!this.folded));
    this.chips.addEventListener("click", (event) => this.#press(event));
    this.chips.addEventListener("keydown", (event) => this.#turn(event));
    this.#watch();
    this.roles();
  }

  get folded() {
    return this.system.hasAttribute("data-folded");
  }

  /** The final answer begins, or there is none any more: the cards give way to it, unless their reader is with them. */
  answer(begun) {
    if (begun === this.#answered) return;
    this.#answered = begun;
    if (!this.#touched && !this.deck.contains(document.activeElement)) this.#fold(begun);
  }

  /** Bring a card into view. */
  show(card) {
    if (this.folded) this.#choose(false);
    const left = card.offsetLeft - this.deck.offsetLeft - this.deck.clientLeft;
    this.deck.scrollTo({ left, behavior: calm() ? "instant" : "smooth" });
    card.scrollIntoView({ block: "nearest", inline: "nearest", behavior: calm() ? "instant" : "smooth" });
  }

  #choose(folded) {
    this.#touched = !folded;
    remember(this.run, !folded);
    this.#fold(folded);
  }

  #touch() {
    if (this.#touched) return;
    this.#touched = true;
    remember(this.run, true);
  }

  #fold(folded) {
    if (folded === this.folded) return;
    this.system.toggleAttribute("data-folded", folded);
    this.button.setAttribute("aria-expanded", String(!folded));
    this.roles();
    if (!folded) this.unfolded();
  }

  #press(event) {
    const chip = event.target.closest("[data-chip]");
    if (!chip) return;
    event.preventDefault();
    this.#touch();
    this.show(document.getElementById(`generation-${chip.dataset.chip}`));
    this.#select(chip);
  }

  #turn(event) {
    const step = KEYS[event.key];
    if (step === undefined || this.chips.getAttribute("role") !== "tablist") return;
    event.preventDefault();
    const chips = [...this.chips.children];
    const from = chips.indexOf(document.activeElement);
    const to = Math.abs(step) === 1 ? (from + step + chips.length) % chips.length : step < 0 ? 0 : chips.length - 1;
    chips[to].focus({ preventScroll: true });
    chips[to].click();
  }

  #select(chip) {
    const tabs = this.chips.getAttribute("role") === "tablist";
    for (const each of this.chips.children) {
      const selected = each === chip;
      each.toggleAttribute("data-shown", selected);
      if (tabs) {
        each.setAttribute("aria-selected", String(selected));
        each.tabIndex = selected ? 0 : -1;
      }
    }
    const { offsetLeft, offsetWidth } = chip;
    this.chips.scrollTo({ left: offsetLeft - (this.chips.clientWidth - offsetWidth) / 2, behavior: "instant" });
  }

  /** One card at a time is what tabs are for; where all are in view, or none, the chips are plain links to them. */
  roles() {
    const tabs = PHONE.matches && !this.folded && this.chips.children.length > 1;
    this.chips.setAttribute("role", tabs ? "tablist" : "group");
    for (const chip of this.chips.children) {
      const card = document.getElementById(`generation-${chip.dataset.chip}`);
      if (tabs) {
        chip.setAttribute("role", "tab");
        chip.setAttribute("aria-controls", card.id);
        card.setAttribute("role", "tabpanel");
      } else {
        for (const name of ["role", "aria-controls", "aria-selected", "tabindex"]) chip.removeAttribute(name);
        card.setAttribute("role", "group");
      }
    }
    if (tabs) this.#select(this.chips.querySelector("[data-shown]") ?? this.chips.firstElementChild);
  }

  #watch() {
    const seen = new IntersectionObserver(
      (entries) => {
        if (this.folded || !PHONE.matches) return;
        const shown = entries.find(({ intersectionRatio }) => intersectionRatio > 0.6);
        if (shown) this.#select(this.chips.querySelector(`[data-chip="${shown.target.dataset.generation}"]`));
      },
      { root: this.deck, threshold: [0.6] },
    );
    for (const card of this.deck.children) seen.observe(card);
  }
}

/** What a reader opened stays open in this tab. A browser may forbid to keep anything. */
function remember(run, open) {
  try {
    if (open) sessionStorage.setItem(`polyphony.open.${run}`, "");
    else sessionStorage.removeItem(`polyphony.open.${run}`);
  } catch {
    // Then it is not remembered.
  }
}

function remembered(run) {
  try {
    return sessionStorage.getItem(`polyphony.open.${run}`) !== null;
  } catch {
    return false;
  }
}

function calm() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}
