/** Versions of a prompt: the pager between them, another version by editing, another answer by asking again. */
import { newKey, send } from "../threads/sending.js";
import { sends } from "./composer.js";

/** `page`: the `form` of the composer, `showBranch(html)`, `complain(sentence)`, `announce(sentence)`, `toEnd()`. */
export function wireBranches(page) {
  document.addEventListener("submit", (event) => takeSubmit(event, page), { capture: true });
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-edit]");
    if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    edit(link.closest("[data-run]"), page);
  });
}

/** What can be done with a prompt, and which version of how many it is, as the server says it now. */
export function freshTools(turn, fresh) {
  const [mine, theirs] = [turn, fresh].map((each) => each.querySelector("[data-prompt-tools]"));
  if (mine && theirs && mine.textContent !== theirs.textContent) mine.replaceWith(theirs);
}

function takeSubmit(event, page) {
  const { submitter } = event;
  const act = submitter?.matches("[data-show]") ? show : submitter?.matches("[data-regenerate]") ? askAgain : null;
  if (!act) return;
  event.preventDefault();
  event.stopImmediatePropagation(); // the composer would send what stands in it
  if (submitter.dataset.sending !== undefined) return; // a double click
  submitter.dataset.sending = "";
  act(submitter, page).finally(() => delete submitter.dataset.sending);
}

/** The other version comes where this one is, and who stood on the button stands on its successor. */
async function show(button, page) {
  const { top } = button.getBoundingClientRect();
  const { ok, text, sentence } = await send(button.form.action, { prompt: button.value });
  if (!ok) return page.complain(sentence);
  page.showBranch(text);
  const pager = document.querySelector(`[data-prompt-id="${button.value}"] [data-pager]`);
  if (!pager) return page.toEnd();
  const next = pager.querySelector(`[data-show="${button.dataset.show}"]:enabled`) ?? pager.querySelector("[data-show]:enabled");
  next.focus({ preventScroll: true });
  scrollBy({ top: next.getBoundingClientRect().top - top, behavior: "instant" });
  page.announce(pager.querySelector(".pager-place").textContent.replace("/", ""));
}

async function askAgain(button, page) {
  const fields = fieldsOf(page.form, { models: button.value, idempotency_key: newKey() });
  const { ok, text, sentence } = await send(button.formAction, fields);
  if (!ok) return page.complain(sentence);
  page.showBranch(text);
  page.toEnd();
}

function edit(turn, page) {
  const asked = turn.querySelector(".asked");
  if (asked.querySelector(".edit-prompt")) return;
  const form = document.querySelector("template[data-edit-form]").content.firstElementChild.cloneNode(true);
  const field = form.elements.prompt;
  const sentence = form.querySelector(".sentence");
  field.id = `edit-${turn.dataset.run}`;
  form.querySelector("label").htmlFor = field.id;
  field.value = asked.querySelector("[data-prompt]").textContent;
  const close = () => {
    form.remove();
    asked.removeAttribute("data-editing");
    asked.querySelector("[data-edit]").focus();
  };
  const complain = (words) => {
    sentence.textContent = words;
    sentence.hidden = !words;
    field.toggleAttribute("aria-invalid", Boolean(words));
  };
  let key = newKey();
  let sent = ""; // the same version keeps its key, so that it is stored once however often it is sent
  const submit = async () => {
    if (form.ariaBusy || !field.value.trim()) return;
    form.ariaBusy = "true";
    const fields = fieldsOf(page.form, { prompt: field.value, instead_of: turn.dataset.promptId });
    if (sent && sent !== fields.toString()) key = newKey();
    sent = fields.toString();
    fields.set("idempotency_key", key);
    const answer = await send(page.form.action, fields);
    form.ariaBusy = null;
    if (!answer.ok) return complain(answer.sentence);
    form.remove();
    asked.removeAttribute("data-editing");
    page.showBranch(answer.text);
    page.toEnd();
    page.form.elements.prompt?.focus({ preventScroll: true });
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  form.addEventListener("input", () => complain(""));
  form.querySelector("[data-cancel]").addEventListener("click", close);
  form.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close();
    if (event.target !== field || !sends(event, page.form.dataset.sendKey)) return;
    event.preventDefault();
    submit();
  });
  asked.toggleAttribute("data-editing", true);
  asked.prepend(form);
  field.focus();
  field.setSelectionRange(field.value.length, field.value.length);
}

/** Whom the composer would ask, and how long they are waited for; never the prompt that stands in it. */
function fieldsOf(form, others) {
  const fields = new URLSearchParams(new FormData(form));
  for (const name of ["prompt", "idempotency_key", "csrfmiddlewaretoken"]) fields.delete(name);
  for (const [name, value] of Object.entries(others)) fields.set(name, value);
  return fields;
}
