/** The sentences that scripts say, in the language of the page (`runs/texts.py`). */
export const say = JSON.parse(document.getElementById("texts")?.textContent ?? "{}");

/** A sentence with `{names}` filled in. */
export function fill(sentence, values) {
  return sentence.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}
