// The text of a message. Whatever it is, the browser treats it as text, never as HTML.

import { t } from "../i18n/messages.js";
import { cut } from "../text/marks.js";
import { isEmoji, parse } from "../text/markup.js";
import { html } from "../vendor/lit-html.js";

/**
 * @param {string} text
 * @param {readonly string[]} names of the reader, in lower case: mentions of them stand out
 * @param {import("../text/marks.js").Marks} [marks] what to mark in the text
 */
export function textView(text, names, marks = []) {
  if (isEmoji(text)) return html`<span class="text large" dir="auto">${text}</span>`;
  let at = 0;
  const parts = parse(text).map((part) => {
    if (!marks.length) return partView(part, part.text, names);
    // Between the parts are the marks of code.
    at = text.indexOf(part.text, at) + part.text.length;
    const pieces = cut(part.text, at - part.text.length, marks);
    const marked = pieces.map((piece, index) => (index % 2 ? html`<mark>${piece}</mark>` : piece));
    return partView(part, marked, names);
  });
  return html`<span class="text" dir="auto">${parts}</span>`;
}

/** @param {import("../text/markup.js").Part} part @param {unknown} shown its text @param {readonly string[]} names */
function partView(part, shown, names) {
  const { kind, text } = part;
  if (kind === "link") return html`<a href=${part.href} target="_blank" rel="noopener noreferrer">${shown}</a>`;
  if (kind === "code") return html`<code dir="ltr">${shown}</code>`;
  if (kind === "block") return blockView(shown);
  if (kind === "text") return shown;
  const mine = names.includes(text.slice(1).toLowerCase());
  return html`<bdi class=${mine ? "mention mine" : "mention"}>${shown}</bdi>`;
}

/** @param {unknown} shown */
const blockView = (shown) =>
  html`<pre dir="ltr" tabindex="0" role="group" aria-label=${t("message.code")}><code>${shown}</code></pre>`;
