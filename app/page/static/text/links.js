// Addresses of the web in a text: where they end, where they lead, and how they are shown. What is shown never hides
// the host that a click leads to.

/** @typedef {{ text: string, href: string, typed: string }} Link how it is shown, where it leads, what was typed */

/** What cannot be seen, or changes the order of a line. */
const HIDDEN = /[\p{Cc}\p{Cf}\p{DI}\u2800]/u;
/** What may be inside an address and does not end one. */
const TRAILING = /[.,;:!?'*_·・–‐‑]/;
const OPENING = new Map([
  [")", "("],
  ["]", "["],
  ["}", "{"],
]);

/** Labels of hosts that nobody takes for others: ASCII with letters that common languages add, or a script that has no
 * letters like those of ASCII. */
const PLAIN_LABEL = /^(?:[a-z0-9äöüßåæøàâçèéêëñôœùû-]+|[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}ー0-9-]+|[\p{Script=Hangul}0-9-]+)$/u;

/** Whether a label reads like an address: letters follow a dot, or a sign that may look like one. */
const ADDRESS_LIKE = /[\p{L}\p{N}](?:\.|(?![’–—‑])[^\0-\x7f\p{L}\p{N}\p{M}\s])\p{L}|:\/|\/\/|^www\b/iu;

/** An address without the punctuation of its sentence, and without brackets that it does not open.
 * @param {string} found
 */
function ended(found) {
  const signs = [...found];
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const sign of signs) counts.set(sign, (counts.get(sign) ?? 0) + 1);
  let end = signs.length;
  for (; end > 0; end--) {
    const last = signs[end - 1];
    if (TRAILING.test(last) || HIDDEN.test(last)) continue;
    const count = counts.get(last) ?? 0;
    const open = OPENING.get(last);
    if (!open || count <= (counts.get(open) ?? 0)) break;
    counts.set(last, count - 1);
  }
  return signs.slice(0, end).join("");
}

/** The link at the beginning of a text without spaces; null if there is none. An address with a name before its host is
 * none, since the name would look like the host.
 * @param {string} found
 * @returns {Link | null}
 */
export function linkTo(found) {
  const typed = ended(found);
  const isShort = /^www\./i.test(typed);
  const href = isShort ? `https://${typed}` : typed;
  const url = urlOf(href);
  if (!url || (isShort && !/^www\.[^.]+\.[^.]/.test(url.hostname))) return null;
  const [, start, host, rest] = /** @type {RegExpExecArray} */ (/^((?:https?:)?[/\\]*)([^/\\?#]*)(.*)$/isu.exec(typed));
  const text = start + (isPlain(host, url.host) ? host : url.host) + rest;
  const shown = text.replace(new RegExp(HIDDEN, "gu"), encodeURIComponent);
  return { text: shown, href, typed };
}

/** The link of `<address|label>`, as Slack and its integrations write it.
 * @param {string} address
 * @param {string} label
 * @returns {Link | null}
 */
export function labelled(address, label) {
  const link = linkTo(address);
  const name = label.trim();
  if (!link) return null;
  const misleads = !name || HIDDEN.test(name) || ADDRESS_LIKE.test(name.normalize("NFKC"));
  return { ...link, text: misleads ? link.text : name };
}

/** @param {string} address */
function urlOf(address) {
  try {
    const url = new URL(address);
    return url.hostname && !url.username && !url.password ? url : null;
  } catch {
    return null;
  }
}

/** Whether a host can be shown as somebody typed it.
 * @param {string} typed
 * @param {string} host where it leads
 */
function isPlain(typed, host) {
  const name = typed.toLowerCase().replace(/:\d*$/, "");
  return name === host.replace(/:\d+$/, "") || (host.includes("xn--") && name.split(".").every((label) => PLAIN_LABEL.test(label)));
}
