/** Turns as the server renders them. */
const FIRST_WAIT = 500;
const LONGEST_WAIT = 8000;
const TRIES = 6;

/** The turn in a piece of HTML. */
export function turnIn(html) {
  return document.adoptNode(new DOMParser().parseFromString(html, "text/html").querySelector("[data-run]"));
}

/** The `element` of a turn, or null when it could not be had now; `gone` when there is no such turn. */
export async function fetchTurn(run) {
  try {
    const response = await fetch(`/runs/${run}/turn/`, { redirect: "manual", headers: { "X-Requested-With": "fetch" } });
    return { element: response.ok ? turnIn(await response.text()) : null, gone: response.status === 404 };
  } catch {
    return { element: null, gone: false };
  }
}

/** The element of a turn, tried for again some times; null when it is given up. `parts` is what a test replaces. */
export async function bringTurn(run, parts = { fetchTurn, pause }) {
  for (let tries = 0; tries < TRIES; tries += 1) {
    if (tries) await parts.pause(tries - 1);
    const { element, gone } = await parts.fetchTurn(run);
    if (element || gone) return element;
  }
  return null;
}

/** A wait that is longer after each try. */
export function pause(tries) {
  return new Promise((goOn) => setTimeout(goOn, Math.min(FIRST_WAIT * 2 ** tries, LONGEST_WAIT)));
}
