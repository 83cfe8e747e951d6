/** The page of a thread: what comes over the socket goes to the turns, what is typed goes to the server. */
import { wireThreads, showTitle } from "../threads/threads.js";
import { Composer } from "./composer.js";
import { bringTurn, fetchTurn, pause, turnIn } from "./fetching.js";
import { pageIsAtEnd, pageToEnd } from "./painting.js";
import { Picker } from "./picker.js";
import { ThreadSocket } from "./socket.js";
import { Turn } from "./turn.js";

const { body } = document;
const skew = Date.parse(body.dataset.now) - Date.now();
const say = {
  offline: body.dataset.sayOffline,
  signedOut: body.dataset.saySignedOut,
  stale: body.dataset.sayStale,
  gone: body.dataset.sayGone,
  tooLarge: body.dataset.sayTooLarge,
  broken: body.dataset.sayBroken,
  final: body.dataset.sayFinal,
  failed: body.dataset.sayFailed,
  stopped: body.dataset.sayStopped,
  synthesizing: body.dataset.saySynthesizing,
};

/** Turns by run, in the order of the page. */
const turns = new Map();
const coming = new Set();
const holder = document.querySelector("[data-turns]");
const form = document.getElementById("composer");
const picker = document.getElementById("picker");
const composer = picker && new Composer(form, { say, sent: insert });
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

const words = {
  snapshot(frame) {
    showTitle(frame.thread);
    for (const run of frame.runs) show(run, frame.messages);
  },
  "run.started": (frame) => show(frame.run, []),
  "run.synthesizing": (frame) => show(frame.run, []),
  "run.completed": (frame) => show(frame.run, [frame.message]),
  "run.failed": (frame) => show(frame.run, []),
  "run.cancelled": (frame) => show(frame.run, []),
  "generation.started": (frame) => turns.get(frame.run)?.begin(frame),
  "generation.restarted": (frame) => turns.get(frame.run)?.begin(frame),
  "generation.requeued": (frame) => turns.get(frame.run)?.generation(frame.generation),
  "generation.delta": (frame) => turns.get(frame.run)?.delta(frame),
  "generation.completed": (frame) => turns.get(frame.run)?.generation(frame.generation),
  "generation.failed": (frame) => turns.get(frame.run)?.generation(frame.generation),
  "generation.cancelled": (frame) => turns.get(frame.run)?.generation(frame.generation),
  "thread.updated": (frame) => showTitle(frame.thread),
};

function show(run, messages) {
  const turn = turns.get(run.id);
  if (!turn) {
    bring(run.id);
    return;
  }
  const answer = messages.find((message) => message.id === run.final);
  turn.run(run, answer?.content);
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
  const { run, created } = element.dataset;
  if (turns.has(run)) return;
  const follow = pageIsAtEnd();
  const later = [...turns.values()].find((turn) => turn.element.dataset.created > created);
  holder.insertBefore(element, later?.element ?? null);
  turns.set(run, new Turn(element, page));
  changed();
  socket?.ask(run);
  if (follow) pageToEnd();
}

function activeRun() {
  for (const turn of turns.values()) if (turn.active) return turn.id;
  return "";
}

function changed() {
  if (composer) composer.activeRun = activeRun();
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

function tick() {
  const now = page.now();
  for (const turn of turns.values()) if (turn.active) turn.tick(now);
  socket?.watch();
}

wireThreads();
if (picker) new Picker(picker, document.querySelector("[data-open-picker]"));
for (const element of document.querySelectorAll("[data-run]")) turns.set(element.dataset.run, new Turn(element, page));
document.addEventListener("submit", (event) => {
  if (!composer || !event.target.matches("[data-quiet]")) return;
  event.preventDefault();
  composer.quietly(event.target.action, new URLSearchParams(new FormData(event.target)));
});
if (body.dataset.socket) {
  const connection = document.querySelector("[data-connection]");
  const address = new URL(body.dataset.socket, location.href);
  address.protocol = address.protocol.replace("http", "ws");
  socket = new ThreadSocket(address, {
    frame: (frame) => words[frame.type]?.(frame),
    state: (word) => (connection.dataset.connection = word),
    active: activeRun,
  });
  socket.connect();
  addEventListener("online", () => socket.hurry());
  document.addEventListener("visibilitychange", () => document.hidden || socket.hurry());
  setInterval(tick, 1000);
  tick();
}
if (holder && !location.hash) pageToEnd();
