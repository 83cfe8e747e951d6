/** What every page sends and reads. */
const form = () => document.getElementById("thread-verbs");

/** Send some fields, with the token that forms carry; rejects when the server cannot be reached. */
export function post(address, fields) {
  const body = new URLSearchParams(fields);
  body.set("csrfmiddlewaretoken", token());
  return fetch(address, { method: "POST", body, redirect: "manual", headers: { "X-Requested-With": "fetch" } });
}

/** Why something was refused, in the server's own words or in the one of these that fits. */
export function sentenceOf(response, text, { signedOut, tooLarge, stale, gone, broken }) {
  if (response.type === "opaqueredirect") return signedOut;
  if (response.headers.get("Content-Type")?.startsWith("text/plain")) return text;
  return { 400: tooLarge, 413: tooLarge, 403: stale, 404: gone }[response.status] ?? broken;
}

/** Send some fields and never throw; `ok`, the `text` of the answer, and a `sentence` for people when it was refused. */
export async function send(address, fields = {}) {
  const { sayOffline, saySignedOut: signedOut, sayStale: stale, sayGone: gone, sayBroken: broken } = form().dataset;
  try {
    const response = await post(address, fields);
    const text = await response.text();
    return { ok: response.ok, text, sentence: response.ok ? "" : sentenceOf(response, text, { signedOut, stale, gone, broken }) };
  } catch {
    return { ok: false, text: "", sentence: sayOffline };
  }
}

/** A word that nobody else has sent: what is sent again with it is stored once. */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16)); // randomUUID is missing on plain http
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** A piece of a page, or null when it could not be had now. */
export async function piece(address) {
  try {
    const response = await fetch(address, { redirect: "manual", headers: { "X-Requested-With": "fetch" } });
    return response.ok ? await response.text() : null;
  } catch {
    return null;
  }
}

/** The elements in a piece of HTML of our own. */
export function elementsIn(html) {
  const { body } = new DOMParser().parseFromString(html, "text/html");
  return [...body.children].map((element) => document.adoptNode(element));
}

/** A sign-in in another tab gave this browser a new token; the one in the page is then too old. */
function token() {
  const name = `${form().dataset.csrfCookie}=`;
  const cookie = document.cookie.split("; ").find((each) => each.startsWith(name));
  return cookie ? cookie.slice(name.length) : form().elements.csrfmiddlewaretoken.value;
}
