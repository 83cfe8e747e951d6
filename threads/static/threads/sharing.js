/** The dialog in which a link to a thread is made and revoked. Without this script it is a page of its own. */
import { elementsIn, piece, send } from "./sending.js";
import { say } from "./toasts.js";

const SHOWN = 2000;
const dialog = document.getElementById("share-dialog");
const body = dialog?.querySelector("[data-share-body]");

export async function openSharing(address) {
  const html = await piece(address);
  if (html === null) {
    location.assign(address);
    return;
  }
  show(html);
  dialog.showModal();
}

function show(html) {
  body.replaceChildren(...elementsIn(html));
  const copy = body.querySelector("[data-copy-link]");
  if (copy) copy.hidden = false;
}

async function copyLink(button) {
  const link = body.querySelector("[data-link]");
  link.select();
  try {
    await navigator.clipboard.writeText(link.value);
  } catch {
    document.execCommand("copy"); // plain http knows no clipboard
  }
  button.dataset.copied = "";
  setTimeout(() => delete button.dataset.copied, SHOWN);
}

export function wireSharing() {
  if (!dialog) return;
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close(); // outside of it
    const copy = event.target.closest("[data-copy-link]");
    if (copy) copyLink(copy);
  });
  dialog.addEventListener("submit", async (event) => {
    if (event.target.method === "dialog") return;
    event.preventDefault();
    const { text, sentence } = await send(event.target.action);
    const [fresh] = elementsIn(text);
    if (fresh?.matches("[data-sharing]")) {
      show(text);
      body.querySelector("[data-link], button").focus();
    } else {
      dialog.close();
      say(sentence);
    }
  });
}
