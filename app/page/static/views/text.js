// The text of a message. Whatever it is, the browser treats it as text, never as HTML.

import { t } from "../i18n/messages.js";
import { isEmoji, parse } from "../text/markup.js";
import { html } from "../vendor/lit-html.js";

/** @param {string} text @param {readonly string[]} names of the reader, in lower case: mentions of them stand out */
export function textView(text, names) {
  if (isEmoji(text)) return html`<span class="text large" dir="auto">${text}</span>`;
  return html`<span class="text" dir="auto">${parse(text).map((part) => partView(part, names))}</span>`;
}

/** @param {import("../text/markup.js").Part} part @param {readonly string[]} names */
function partView(part, names) {
  const { kind, text } = part;
  if (kind === "link") return html`<a href=${part.href} target="_blank" rel="noopener noreferrer">${text}</a>`;
  if (kind === "code") return html`<code dir="ltr">${text}</code>`;
  if (kind === "block") return blockView(text);
  if (kind === "text") return text;
  const mine = names.includes(text.slice(1).toLowerCase());
  return html`<bdi class=${mine ? "mention mine" : "mention"}>${text}</bdi>`;
}

/** @param {string} text */
const blockView = (text) =>
  html`<pre dir="ltr" tabindex="0" role="group" aria-label=${t("message.code")}><code>${text}</code></pre>`;
