/** The list of threads: search, older ones, and what can be done with one. Without this script each has its own page. */
import { elementsIn, piece, send } from "./sending.js";
import { openSharing, wireSharing } from "./sharing.js";
import { dismiss, offerUndo, say } from "./toasts.js";

const TYPING = 250;
const verbs = document.getElementById("thread-verbs");
const list = document.querySelector("[data-threads]");
const search = document.querySelector("[data-thread-search]");
let newestSearch = 0;

export function wireThreads() {
  wireSharing();
  document.addEventListener("click", ({ target }) => closeMenus(target.closest(".menu-list :is(a, button)") ? null : target.closest(".menu")));
  document.addEventListener("keydown", (event) => event.key === "Escape" && escapeMenu());
  document.addEventListener("click", takeVerb);
  wireSearch();
  markOpen();
  watchForOlder();
  if (new URLSearchParams(location.search).has("deleted")) history.replaceState(null, "", location.pathname);
}

/** A thread is called so now. */
export function showTitle(thread) {
  if (!thread.title) return;
  for (const menu of document.querySelectorAll(`[data-thread-menu="${thread.id}"]`)) showIn("[data-menu-title]", thread.title, menu);
  showIn(`[data-thread="${thread.id}"].thread-row [data-title]`, thread.title);
  if (document.body.dataset.thread !== thread.id) return;
  showIn(".topbar [data-title]", thread.title);
  document.title = `${thread.title} · Polyphony`;
}

function showIn(selector, title, within = document) {
  const place = within.querySelector(selector);
  if (place && place.textContent !== title) place.textContent = title;
}

const DONE_BY = {
  "[data-rename]": (link) => rename(link),
  "[data-pin]": (button) => pin(button),
  "[data-share]": (link) => openSharing(link.href),
  "[data-delete]": (link, event) => remove(link, event.detail === 0),
  "[data-undo]": (button) => undo(button),
  "[data-older]": (link) => showOlder(link),
};

function takeVerb(event) {
  if (event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  for (const [selector, act] of Object.entries(DONE_BY)) {
    const element = event.target.closest(selector);
    if (!element) continue;
    event.preventDefault();
    act(element, event);
  }
}

/** The name becomes a field in its place: Enter or going elsewhere keeps what was typed, Escape does not. */
function rename(link) {
  const menu = link.closest("[data-thread-menu]");
  const id = menu.dataset.threadMenu;
  const place = menu.closest(".thread-row")?.querySelector(".thread-link") ?? document.querySelector(".topbar .title");
  const title = place.querySelector("[data-title]") ?? place;
  const input = Object.assign(document.createElement("input"), { value: title.textContent, maxLength: 200, className: "rename" });
  input.setAttribute("aria-label", verbs.dataset.sayTitle);
  input.autocomplete = "off";
  let over = false;
  const close = (focus) => {
    if (over) return;
    over = true;
    input.remove();
    place.hidden = false;
    if (focus) menu.querySelector("summary").focus();
  };
  const keep = async (focus) => {
    const wanted = input.value.trim().replace(/\s+/g, " ");
    if (over || (!focus && !wanted) || wanted === title.textContent) return close(focus);
    const { ok, sentence } = await send(link.href, { title: wanted });
    if (over) return undefined;
    input.toggleAttribute("aria-invalid", !ok);
    if (!ok) return say(sentence);
    showTitle({ id, title: wanted });
    return close(focus);
  };
  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "Enter") keep(true);
    if (event.key === "Escape") close(true);
    if (event.key === "Enter" || event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
    }
  });
  input.addEventListener("blur", () => keep(false));
  place.hidden = true;
  place.before(input);
  input.select();
  input.focus();
}

async function pin(button) {
  const { ok, sentence } = await send(button.formAction, { pinned: button.value });
  if (!ok) {
    say(sentence);
    return;
  }
  const { threadMenu: id } = button.closest("[data-thread-menu]").dataset;
  const [there] = document.querySelectorAll(`.topbar [data-thread-menu="${id}"] [data-pin]`);
  await reload();
  const here = rowOf(id)?.querySelector("[data-pin]");
  if (there && here) there.replaceWith(here.cloneNode(true));
  (button.closest(".topbar") ? document.querySelector(".topbar summary") : rowOf(id)?.querySelector("summary"))?.focus();
}

/** `byKeyboard`: then the way back is where the focus is. */
async function remove(link, byKeyboard) {
  const menu = link.closest("[data-thread-menu]");
  const id = menu.dataset.threadMenu;
  const { ok, sentence } = await send(link.href);
  if (!ok) {
    say(sentence);
    return;
  }
  if (document.body.dataset.thread === id) {
    location.assign(`/?deleted=${id}`);
    return;
  }
  const row = menu.closest(".thread-row");
  const next = row.nextElementSibling ?? row.previousElementSibling;
  document.getElementById("sidebar").hidePopover?.();
  row.remove();
  const button = offerUndo(id, row.querySelector("[data-title]").textContent);
  (byKeyboard ? button : next?.querySelector("a"))?.focus();
}

async function undo(button) {
  const { ok, sentence } = await send(button.formAction);
  if (!ok) {
    say(sentence);
    return;
  }
  if (button.dataset.open) {
    location.assign(button.dataset.open);
    return;
  }
  dismiss(button.closest("[data-toast]"));
  await reload();
  const back = rowOf(button.dataset.undo)?.querySelector("a");
  (back?.checkVisibility() ? back : document.querySelector(".topbar button"))?.focus();
}

function wireSearch() {
  let typing = 0;
  search?.addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(typing);
    reload({ tell: true });
  });
  search?.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => reload({ tell: true }), TYPING);
  });
}

/** The first part of the list as it stands now; the answer to an older question gives way to a newer one. */
async function reload({ tell = false } = {}) {
  const mine = (newestSearch += 1);
  const html = await piece(`${verbs.dataset.list}?${new URLSearchParams({ q: search.elements.q.value })}`);
  if (mine !== newestSearch || html === null) return;
  list.replaceChildren(...elementsIn(html));
  markOpen();
  watchForOlder();
  const count = document.querySelector("[data-thread-count]");
  if (tell) count.textContent = `${count.dataset.threadCount} ${list.querySelectorAll(".thread-row").length}`;
}

async function showOlder(link) {
  const item = link.closest(".older");
  if (item.dataset.coming !== undefined) return;
  item.dataset.coming = "";
  const html = await piece(verbs.dataset.list + link.search);
  delete item.dataset.coming;
  if (html === null || !item.isConnected) return;
  const held = item.contains(document.activeElement);
  const rows = elementsIn(html).filter((row) => !rowOf(row.dataset.thread));
  item.replaceWith(...rows);
  if (held) rows[0]?.querySelector("a")?.focus();
  markOpen();
  watchForOlder();
}

/** The next part comes when the end of this one comes into view. */
function watchForOlder() {
  const item = list?.querySelector(".older");
  if (!item) return;
  const seen = new IntersectionObserver(
    (entries) => {
      if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
      seen.disconnect();
      showOlder(item.querySelector("a"));
    },
    { root: list },
  );
  seen.observe(item);
}

function markOpen() {
  rowOf(document.body.dataset.thread)?.querySelector(".thread-link").setAttribute("aria-current", "page");
}

function rowOf(id) {
  return id && document.querySelector(`.thread-row[data-thread="${id}"]`);
}

function escapeMenu() {
  const open = document.querySelector(".menu[open]");
  if (open?.contains(document.activeElement)) open.querySelector("summary").focus();
  closeMenus(null);
}

function closeMenus(except) {
  for (const menu of document.querySelectorAll(".menu[open]")) if (menu !== except) menu.open = false;
}
