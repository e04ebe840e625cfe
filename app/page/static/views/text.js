// The text of a message. Everything in it is text to the browser, whatever it is.

import { html } from "../vendor/lit-html.js";
import { isEmoji, parse } from "../text/markup.js";

/** @param {string} text @param {readonly string[]} names of the person, in lower case */
export function textOf(text, names) {
  if (isEmoji(text)) return html`<span class="text large" dir="auto">${text}</span>`;
  return html`<span class="text" dir="auto">${parse(text).map((part) => partOf(part, names))}</span>`;
}

/** @param {import("../text/markup.js").Part} part @param {readonly string[]} names */
function partOf(part, names) {
  switch (part.kind) {
    case "link":
      return html`<a href=${part.href} target="_blank" rel="noopener noreferrer">${part.text}</a>`;
    case "code":
      return html`<code dir="ltr">${part.text}</code>`;
    case "block":
      return html`<pre dir="ltr" tabindex="0" role="group" aria-label="Code"><code>${part.text}</code></pre>`;
    case "mention":
      return html`<bdi class=${names.includes(part.text.slice(1).toLowerCase()) ? "mention mine" : "mention"}
        >${part.text}</bdi
      >`;
    default:
      return part.text;
  }
}
