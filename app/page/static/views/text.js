// The text of a message. Whatever it is, the browser treats it as text, never as HTML.

import { format, inPlace } from "../browser/address.js";
import { t } from "../i18n/messages.js";
import { cut } from "../text/marks.js";
import { html, nothing } from "../vendor/lit-html.js";

/** @typedef {import("../text/markup.js").Part & { mine?: boolean }} Part */

/**
 * @param {string} text
 * @param {import("../types.d.ts").State} state
 * @param {import("../text/reading.js").Place} place the event that it is from, or at least the room
 * @param {import("../text/marks.js").Marks} [marks] what to mark in the text
 */
export function textView(text, state, place, marks = []) {
  let at = 0;
  /** @type {Part[]} */
  const parts = state.reading?.partsOf(state, place, text) ?? [{ kind: "text", text, source: text }];
  const shown = parts.map((part) => {
    if (!marks.length) return partView(part, part.text);
    const { source } = part;
    // Between the parts are the marks of code.
    at = text.indexOf(source, at) + source.length;
    const pieces = cut(source, at - source.length, marks);
    // What is shown in other characters is marked as a whole.
    return partView(part, marked(source === part.text || pieces.length < 2 ? pieces : ["", part.text]));
  });
  return html`<span class=${parts[0]?.kind === "emoji" ? "text large" : "text"} dir="auto">${shown}</span>`;
}

/** @param {readonly string[]} pieces */
const marked = (pieces) => pieces.map((piece, index) => (index % 2 ? html`<mark>${piece}</mark>` : piece));

/** @param {Part} part @param {unknown} shown its text */
function partView({ kind, source, to = "", mine }, shown) {
  switch (kind) {
    case "link":
      return linkView(to, source, shown);
    case "room":
      return html`<a href=${format(to)}>${shown}</a>`;
    case "code":
      return html`<code dir="ltr">${shown}</code>`;
    case "block":
      return blockView(shown);
    case "mention":
      return html`<bdi class=${mine ? "mention mine" : "mention"}>${shown}</bdi>`;
    default:
      return shown;
  }
}

/** A link into this chat is followed in place.
 * @param {string} to
 * @param {string} source
 * @param {unknown} shown
 */
function linkView(to, source, shown) {
  const hash = inPlace(to, document.baseURI);
  const [title, direction] = source.startsWith("<") ? [to, "auto"] : [nothing, "ltr"];
  return hash
    ? html`<a href=${hash} dir=${direction} title=${title}>${shown}</a>`
    : html`<a href=${to} dir=${direction} title=${title} target="_blank" rel="noopener noreferrer">${shown}</a>`;
}

/** @param {unknown} shown */
const blockView = (shown) =>
  html`<pre dir="ltr" tabindex="0" role="group" aria-label=${t("message.code")}><code>${shown}</code></pre>`;
