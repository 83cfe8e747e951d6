/** Short words at the edge of the page. They go by themselves, but not while somebody points at them or stands on them. */
const STAYS = 12_000;
const toasts = document.querySelector("[data-toasts]");

/** Say one sentence. */
export function say(sentence) {
  const toast = fresh("data-toast-says");
  toast.querySelector("p").textContent = sentence;
  show(toast);
}

/** Say that a thread was deleted; returns the button that takes it back. */
export function offerUndo(id, title) {
  const toast = fresh("data-toast-undo");
  const button = toast.querySelector("[data-undo]");
  toast.querySelector(".toast-title").textContent = title;
  button.setAttribute("formaction", button.getAttribute("formaction").replace("00000000-0000-0000-0000-000000000000", id));
  button.dataset.undo = id;
  show(toast);
  return button;
}

export function dismiss(toast) {
  toast.remove();
}

function fresh(template) {
  return document.querySelector(`template[${template}]`).content.firstElementChild.cloneNode(true);
}

function show(toast) {
  toasts.replaceChildren(toast);
  letGo(toast);
}

function letGo(toast) {
  let timer = 0;
  const hold = () => clearTimeout(timer);
  const start = () => {
    hold();
    if (!toast.matches(":hover, :focus-within")) timer = setTimeout(() => toast.remove(), STAYS);
  };
  for (const kind of ["pointerenter", "focusin"]) toast.addEventListener(kind, hold);
  for (const kind of ["pointerleave", "focusout"]) toast.addEventListener(kind, () => setTimeout(start));
  setTimeout(start);
}

for (const toast of toasts?.children ?? []) letGo(toast);
