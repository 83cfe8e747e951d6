/** The keys of the page of a thread. Single characters act only where nobody types, and can be switched off. */
const OPEN = "dialog[open], details.menu[open], :popover-open";
const TYPING = "input, textarea, select, [contenteditable]";

/** `stop()` stops what is being written; returns whether there was something. */
export function wireKeys({ stop, keys, opener }) {
  if (opener && !("commandForElement" in opener)) opener.addEventListener("click", () => keys.showModal());
  // Before anybody else: what Escape closes would be closed already, and nobody could tell.
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !event.isComposing && !document.querySelector(OPEN) && stop()) event.preventDefault();
  }, { capture: true });
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.metaKey || document.querySelector("dialog[open]")) return;
    const by = step(event);
    if (by && goTo(by, event.target)) event.preventDefault();
    if (event.key === "?" && single(event)) {
      event.preventDefault();
      keys.showModal();
    }
  });
}

function step(event) {
  if (single(event)) return { "[": -1, "]": 1 }[event.key] ?? arrow(event);
  return arrow(event);
}

/** Arrows turn the cards where they scroll nothing sideways. */
function arrow(event) {
  if (event.ctrlKey || event.altKey || event.shiftKey || !event.target.matches("[data-scroller]")) return 0;
  return { ArrowLeft: -1, ArrowRight: 1 }[event.key] ?? 0;
}

function single(event) {
  const withAltGr = event.getModifierState("AltGraph") || (event.ctrlKey && event.altKey); // how some keyboards write [
  const plain = withAltGr || !(event.ctrlKey || event.altKey);
  return plain && "singleKeys" in document.body.dataset && !event.target.matches(TYPING);
}

/** To the next card of the turn in which one stands, or of the newest one. */
function goTo(by, from) {
  const here = from.closest(".card");
  const turn = here?.closest("[data-run]") ?? [...document.querySelectorAll("[data-run]:has(.card)")].at(-1);
  const cards = [...(turn?.querySelectorAll(".card") ?? [])];
  const next = here ? cards[cards.indexOf(here) + by] : cards.at(by > 0 ? 0 : -1);
  if (!next) return false;
  document.getElementById(next.id.replace("generation", "chip"))?.click(); // brings it forth where it is folded or a tab
  next.querySelector("[data-scroller]").focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest", inline: "start", behavior: "instant" });
  return true;
}
