/** The page of a thread: what comes over the socket goes to the turns, what is typed goes to the server. */
import { piece } from "../threads/sending.js";
import { say } from "../threads/texts.js";
import { wireThreads, showTitle } from "../threads/threads.js";
import { freshTools, wireBranches } from "./branches.js";
import { Banner } from "./banner.js";
import { Composer } from "./composer.js";
import { Councils } from "./councils.js";
import { PHONE } from "./deck.js";
import { Draft, forgetDrafts } from "./draft.js";
import { Estimate } from "./estimate.js";
import { bringTurn, fetchTurn, pause, turnIn } from "./fetching.js";
import { wireKeys } from "./keys.js";
import { pageIsAtEnd, pageToEnd } from "./painting.js";
import { Picker } from "./picker.js";
import { ThreadSocket } from "./socket.js";
import { Streams } from "./streams.js";
import { Another, pressThumb } from "./tools.js";
import { Turn } from "./turn.js";

const ACTIVE = new Set(["queued", "answering", "synthesizing"]);
const ARRIVES = 400; // a prompt of this page is here by then
const ASLEEP = 10_000; // a second that took so long: the machine slept, and the socket may be dead without knowing it

const { body } = document;
const skew = Date.parse(body.dataset.now) - Date.now();

/** Turns by run, in the order of the page. */
const turns = new Map();
const coming = new Set();
const holder = document.querySelector("[data-turns]");
const branch = document.querySelector("[data-branch]");
let tip = branch?.dataset.tip ?? ""; // the prompt with which the branch ends that is to be shown
let elsewhere = branch?.querySelector("[data-elsewhere]")?.dataset.elsewhere ?? ""; // a run that is active on another one
let following = false;
const form = document.getElementById("composer");
const dialog = document.getElementById("picker");
const estimate = dialog && new Estimate(form, document.querySelectorAll("[data-estimate]"));
const picker = dialog && new Picker(dialog, document.querySelector("[data-open-picker]"), chosen);
let composer = null;
if (picker) composer = new Composer(form, composing());
let socket = null;

const page = {
  say,
  announce,
  fetchTurn,
  pause,
  changed,
  ask: (run) => socket?.ask(run),
  now: () => Date.now() + skew,
};

const streams = new Streams(() => {
  for (const run of ["", ...liveRuns()]) socket?.ask(run);
});

function begin(frame) {
  streams.begin(frame);
  turns.get(frame.run)?.begin(frame);
}

function generation({ run, generation: view }) {
  streams.generation(view);
  turns.get(run)?.generation(view);
}

function delta(piece) {
  const frame = streams.delta(piece);
  if (frame) turns.get(frame.run)?.delta(frame);
}

const words = {
  snapshot(frame) {
    showTitle(frame.thread);
    follow(frame.thread);
    for (const run of frame.runs) show(run, frame.messages);
    if (elsewhere && !frame.runs.some(({ id }) => id === elsewhere)) socket.ask(elsewhere);
  },
  "run.started": (frame) => show(frame.run, []),
  "run.synthesizing": (frame) => show(frame.run, []),
  "run.revising": (frame) => show(frame.run, []),
  "run.completed": (frame) => show(frame.run, [frame.message]),
  "run.failed": (frame) => show(frame.run, []),
  "run.cancelled": (frame) => show(frame.run, []),
  "generation.started": begin,
  "generation.restarted": begin,
  "generation.waiting": generation,
  "generation.requeued": generation,
  "generation.reasoning": (frame) => turns.get(frame.run)?.reasoning(frame),
  "generation.block": (frame) => turns.get(frame.run)?.block(frame),
  "generation.completed": generation,
  "generation.failed": generation,
  "generation.cancelled": generation,
  "thread.updated"(frame) {
    showTitle(frame.thread);
    follow(frame.thread);
  },
};

function show(run, messages) {
  streams.run(run);
  const turn = turns.get(run.id);
  if (!turn) {
    if (run.prompt === tip) bring(run.id);
    else besides(run);
    return;
  }
  const answer = messages.find((message) => message.id === run.final);
  turn.run(run, answer?.content);
}

/** The branch that ends with another prompt is to be shown: chosen in another tab, or grown by a prompt from elsewhere. */
function follow(thread) {
  if (!thread.tip || (thread.tip === tip && isShown(tip))) return;
  tip = thread.tip;
  setTimeout(async () => {
    if (following) return;
    following = true;
    for (let tries = 0; tries < 3 && !isShown(tip); tries += 1) {
      const html = await piece(`/threads/${thread.id}/branch/`);
      if (html === null) break; // the next snapshot says it again
      showBranch(html);
    }
    following = false;
  }, ARRIVES);
}

function isShown(prompt) {
  return lastTurn()?.element.dataset.promptId === prompt;
}

/** A run of another branch: it matters only as long as nothing else can be asked because of it. */
function besides(run) {
  if (ACTIVE.has(run.status)) elsewhere = run.id;
  else if (run.id === elsewhere) {
    elsewhere = "";
    branch.querySelector("[data-elsewhere]")?.remove();
  }
  changed();
}

/** Show a branch as the server has it: turns that stand on it stay as they are, the others go. */
function showBranch(html) {
  const fresh = new DOMParser().parseFromString(html, "text/html").querySelector("[data-branch]");
  const shown = [...fresh.querySelectorAll("[data-run]")].map((element) => document.adoptNode(element));
  const wanted = new Set(shown.map((element) => element.dataset.run));
  for (const [run, turn] of turns) {
    if (wanted.has(run)) continue;
    turn.element.remove();
    turns.delete(run);
  }
  const known = new Map(turns);
  turns.clear();
  for (const element of shown) {
    const { run } = element.dataset;
    const turn = known.get(run) ?? new Turn(holder.appendChild(element), page);
    if (known.has(run)) freshTools(turn.element, element);
    else socket?.ask(run);
    turns.set(run, turn);
  }
  for (const part of [".more-turns", ".elsewhere"]) {
    branch.querySelector(`:scope > ${part}`)?.remove();
    const theirs = fresh.querySelector(`:scope > ${part}`);
    if (theirs) branch.insertBefore(document.adoptNode(theirs), part === ".elsewhere" ? null : holder);
  }
  elsewhere = branch.querySelector("[data-elsewhere]")?.dataset.elsewhere ?? "";
  changed();
}

/** The branch that somebody chose here. */
function choose(html) {
  showBranch(html);
  tip = lastTurn()?.element.dataset.promptId ?? "";
}

function lastTurn() {
  return [...turns.values()].at(-1);
}

/** A run that began elsewhere: the server renders its turn. */
async function bring(run) {
  if (coming.has(run)) return;
  coming.add(run);
  const element = await bringTurn(run);
  coming.delete(run);
  if (element) place(element);
}

function insert(html) {
  place(turnIn(html));
  pageToEnd();
}

function place(element) {
  const { run, after, promptId } = element.dataset;
  if (turns.has(run) || after !== (lastTurn()?.element.dataset.promptId ?? "")) return;
  const atEnd = pageIsAtEnd();
  tip = promptId;
  holder.append(element);
  turns.set(run, new Turn(element, page));
  changed();
  socket?.ask(run);
  if (atEnd) pageToEnd();
}

/** What the composer needs of the page. */
function composing() {
  const draft = new Draft(form.dataset.user, form.dataset.thread);
  return { say, picker, draft, sent: insert, changed: () => estimate.soon() };
}

function chosen() {
  estimate.soon();
  composer?.keep();
}

function activeRun() {
  for (const turn of turns.values()) if (turn.active) return turn.id;
  return elsewhere;
}

/** Of whom something is to come, also after the final answer. */
function liveRuns() {
  const live = [...turns.values()].filter((turn) => turn.live).map((turn) => turn.id);
  return elsewhere ? [...live, elsewhere] : live;
}

function changed() {
  if (composer) composer.activeRun = activeRun();
}

/** An example of the empty page goes into the composer, to be changed or sent. */
function wireExamples() {
  for (const example of document.querySelectorAll("[data-example]")) {
    example.addEventListener("click", (event) => {
      if (!composer || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      composer.prompt.value = example.textContent;
      composer.prompt.dispatchEvent(new Event("input"));
      composer.prompt.focus();
    });
  }
}

const announcer = document.querySelector("[data-announcer]");
let sentences = [];
function announce(sentence) {
  if (!sentences.length) {
    setTimeout(() => {
      announcer.textContent = sentences.join(". ");
      sentences = [];
    }, 400);
  }
  sentences.push(sentence);
}

let lastTick = Date.now();

function tick() {
  const now = page.now();
  if (!document.hidden && Date.now() - lastTick > ASLEEP) socket?.hurry();
  lastTick = Date.now();
  for (const turn of turns.values()) if (turn.live) turn.tick(now);
  socket?.watch();
}

wireThreads();
if (branch && composer) {
  wireBranches({ form, showBranch: choose, announce, toEnd: pageToEnd, complain: (sentence) => composer.complain(sentence) });
}
wireExamples();
if (composer) {
  new Councils(picker, form);
  picker.opener.addEventListener("click", () => estimate.soon());
  if (form.elements.prompt.value) estimate.soon();
}
wireKeys({
  stop: () => Boolean(composer && form.dataset.activeRun && (composer.stop(), true)),
  keys: document.getElementById("keys"),
  opener: document.querySelector("[data-open-keys]"),
});
document.querySelector("[data-sign-out]")?.addEventListener("submit", forgetDrafts);
// Asked here, and not by each deck: a list of the browser's would keep the decks of turns that are gone.
PHONE.addEventListener("change", () => {
  for (const turn of turns.values()) turn.deck?.roles();
});
const another = document.getElementById("another");
if (another) new Another(another);
for (const element of document.querySelectorAll("[data-run]")) turns.set(element.dataset.run, new Turn(element, page));
document.addEventListener("submit", async (event) => {
  if (!composer || !event.target.matches("[data-quiet]")) return;
  event.preventDefault();
  const { dataset } = event.submitter;
  const address = event.submitter.getAttribute("formaction") ?? event.target.action;
  const { run } = (event.submitter.closest("[data-run]") ?? event.target).dataset;
  if (dataset.sending !== undefined) return; // a double click
  dataset.sending = "";
  const taken = await composer.quietly(address, new URLSearchParams(new FormData(event.target, event.submitter)));
  delete dataset.sending;
  if (dataset.thumb) {
    if (taken) pressThumb(event.submitter);
    return;
  }
  socket?.ask(run); // that somebody asked for it is told by no word
});
const connection = document.querySelector("[data-connection]");
const banner = connection && new Banner(connection);
if (body.dataset.socket) {
  const address = new URL(body.dataset.socket, location.href);
  address.protocol = address.protocol.replace("http", "ws");
  socket = new ThreadSocket(address, {
    frame: (frame) => (Array.isArray(frame) ? delta(frame) : words[frame.type]?.(frame)),
    state: (word) => banner.connection(word),
    live: liveRuns,
  });
  socket.connect();
  addEventListener("online", () => socket.hurry());
  document.addEventListener("visibilitychange", () => document.hidden || socket.hurry());
  setInterval(tick, 1000);
  tick();
}
if (holder && !location.hash) pageToEnd();
