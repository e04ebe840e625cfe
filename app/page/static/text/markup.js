// The markup of messages: links, code and mentions. A text becomes a list of parts, and nothing in it is ever HTML.

/**
 * @typedef {{ kind: "text" | "code" | "block" | "mention", text: string }
 * | { kind: "link", text: string, href: string }} Part
 */

const BLOCK = /```(?:[a-z0-9+-]*\n)?([\s\S]+?)\n?```/gi;
const INLINE = /`([^`\n]+)`|(https?:\/\/[^\s<>"`]+)|(?<![\p{L}\p{N}_@.])@([\p{L}\p{N}][\p{L}\p{N}_.-]*)/giu;
const CLOSING = /** @type {Record<string, string>} */ ({ ")": "(", "]": "[", "}": "{" });

/** @param {string} text @returns {Part[]} */
export function parse(text) {
  return split(text, BLOCK, (found) => [{ kind: "block", text: found[1] }], inline);
}

/** @param {string} text @returns {Part[]} */
function inline(text) {
  return split(text, INLINE, partsOf, (rest) => [{ kind: "text", text: rest }]);
}

/** @param {RegExpMatchArray} found @returns {Part[]} */
function partsOf(found) {
  if (found[1] !== undefined) return [{ kind: "code", text: found[1] }];
  if (found[2] !== undefined) return link(found[2]);
  const name = found[3].replace(/[.-]+$/, "");
  const rest = found[3].slice(name.length);
  return [{ kind: "mention", text: `@${name}` }, ...(rest ? [/** @type {Part} */ ({ kind: "text", text: rest })] : [])];
}

/** A link ends before the punctuation of its sentence, and before a bracket that it does not open.
 * @param {string} address
 * @returns {Part[]}
 */
function link(address) {
  let end = address.length;
  for (; end > 0; end--) {
    const last = address[end - 1];
    if (/[.,;:!?'*_]/.test(last)) continue;
    const open = CLOSING[last];
    const inside = address.slice(0, end);
    if (!open || inside.split(last).length <= inside.split(open).length) break;
  }
  const text = address.slice(0, end);
  const rest = address.slice(end);
  /** @type {Part} */
  const first = isWebAddress(text) ? { kind: "link", text, href: text } : { kind: "text", text };
  return rest ? [first, { kind: "text", text: rest }] : [first];
}

/** @param {string} text */
function isWebAddress(text) {
  try {
    const { protocol, hostname } = new URL(text);
    return (protocol === "http:" || protocol === "https:") && hostname !== "";
  } catch {
    return false;
  }
}

/**
 * @param {string} text
 * @param {RegExp} pattern
 * @param {(found: RegExpMatchArray) => Part[]} match
 * @param {(rest: string) => Part[]} between
 */
function split(text, pattern, match, between) {
  /** @type {Part[]} */
  const parts = [];
  let position = 0;
  for (const found of text.matchAll(pattern)) {
    if (found.index > position) parts.push(...between(text.slice(position, found.index)));
    parts.push(...match(found));
    position = found.index + found[0].length;
  }
  if (position < text.length) parts.push(...between(text.slice(position)));
  return parts;
}

/** Whether a text mentions one of the names (in lower case) as a whole word outside code.
 * @param {string} text
 * @param {readonly string[]} names
 */
export function mentions(text, names) {
  const lower = text.toLowerCase();
  if (!names.some((name) => lower.includes(name))) return false;
  const words = parse(lower)
    .filter(({ kind }) => kind === "text" || kind === "mention")
    .flatMap(({ text: part }) => part.split(/[^\p{L}\p{N}_.-]+/u))
    .map((word) => word.replace(/^[.-]+|[.-]+$/g, ""));
  return names.some((name) => words.includes(name));
}

/** Whether a text is a few emoji and nothing else: those are shown large.
 * @param {string} text
 */
export const isEmoji = (text) =>
  text.length <= 24 &&
  /^(?:(?:\p{Extended_Pictographic}|\p{Regional_Indicator})[\p{Emoji_Modifier}\u200d\ufe0f]*\s*){1,6}$/u.test(text);
