/** The list of threads: titles, and the dialogs that rename and delete. Without this script they are pages of their own. */
export function wireThreads() {
  for (const link of document.querySelectorAll("[data-dialog]")) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      open(document.getElementById(link.dataset.dialog), link);
    });
  }
  for (const button of document.querySelectorAll("[data-close]")) {
    button.addEventListener("click", () => button.closest("dialog").close());
  }
  document.addEventListener("click", (event) => closeMenus(event.target.closest(".menu")));
  document.addEventListener("keydown", (event) => event.key === "Escape" && closeMenus(null));
}

/** A thread is called so now. */
export function showTitle(thread) {
  if (!thread.title) return;
  const row = document.querySelector(`[data-thread="${thread.id}"].thread-row [data-title]`);
  const heading = document.querySelector(".topbar [data-title]");
  for (const place of [row, heading]) if (place && place.textContent !== thread.title) place.textContent = thread.title;
  document.title = `${thread.title} · Polyphony`;
}

function open(dialog, link) {
  const row = link.closest(".thread-row");
  const form = dialog.querySelector("form");
  const current = row.querySelector('[aria-current="page"]') !== null;
  const deletes = dialog.id === "delete-dialog";
  const title = row.querySelector("[data-title]").textContent;
  form.action = link.href;
  form.elements.next.value = deletes && current ? "" : location.pathname;
  if (deletes) dialog.querySelector("[data-title]").textContent = title;
  else form.elements.title.value = title;
  closeMenus(null);
  document.getElementById("sidebar").hidePopover?.();
  dialog.showModal();
  form.elements.title?.select();
}

function closeMenus(except) {
  for (const menu of document.querySelectorAll(".menu[open]")) if (menu !== except) menu.open = false;
}
