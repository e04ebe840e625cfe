// The markup of messages: links, code, mentions and rooms. A text becomes a list of parts, and nothing in it is ever HTML.

import { labelled, linkTo } from "./links.js";
import { fold, nameIn } from "./mentions.js";

/**
 * @typedef {object} Part
 * @property {"text" | "emoji" | "code" | "block" | "mention" | "link" | "room"} kind
 * @property {string} text what is shown
 * @property {string} source where that differs from what was typed: that
 * @property {string} [to] the address that a link leads to, or the name of a room
 */
/** @typedef {(name: string) => boolean} Knows whether there is somebody of that name, as names are compared, or with # a
 * room */

const BLOCK = /```(?:[a-z0-9+-]*\n)?([\s\S]+?)\n?```/gi;
/** The characters of an address. Punctuation of other scripts than ASCII is around addresses, unless it joins words. */
const ADDRESS =
  "(?:[!#-;=?-_a-~·・]|(?![\\p{Pi}\\p{Pf}\\p{Ps}\\p{Pe}\\p{Po}—―⸺⸻〜])[^\\s\\0-\\x7f])+";
const NAME = "[\\p{L}0-9][\\p{L}\\p{M}0-9_.-]*";
const INLINE = new RegExp(
  [
    "`([^`\\n]+)`",
    "<(https?:\\/\\/[^\\s<>|\"`]+)\\|([^<>\\n]+)>",
    `((?:https?:\\/\\/|(?<![a-z0-9_.@/-])www\\.)${ADDRESS})`,
    `(?<![a-z0-9_.@-])@(${NAME})`,
    "(?<![a-z0-9_.@#&/-])#([a-z0-9][a-z0-9._-]{0,63})(?![\\p{Script=Latin}\\p{M}0-9_])",
  ].join("|"),
  "giu",
);
const WORD = new RegExp(`(?<![\\p{L}\\p{M}0-9_.@-])${NAME}(?![\\p{L}\\p{M}0-9_.@-])`, "gu");
/** Colours are written like rooms. */
const COLOUR = /^(?:[0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})$/;
/** A few emoji and nothing else: those are shown large. */
const EMOJI = /^(?:(?:\p{Extended_Pictographic}|\p{Regional_Indicator})[\p{Emoji_Modifier}\u200d\ufe0f]*\s*){1,6}$/u;
const LONGEST_EMOJI = 24;

/** @type {Knows} */
const nobody = () => false;

/** @param {string} text @param {Knows} [knows] @returns {Part[]} */
export function parse(text, knows = nobody) {
  if (text.length <= LONGEST_EMOJI && EMOJI.test(text)) return [part("emoji", text)];
  const inline = (/** @type {string} */ rest) => split(rest, INLINE, (found) => partsOf(found, knows), plain);
  return split(text, BLOCK, (found) => [part("block", found[1])], inline);
}

/** @param {Part["kind"]} kind @param {string} text @param {string} [to] @param {string} [source] @returns {Part} */
const part = (kind, text, to, source = text) => ({ kind, text, source, to });

/** @param {string} text */
const plain = (text) => [part("text", text)];

/** @param {RegExpMatchArray} found @param {Knows} knows @returns {Part[]} */
function partsOf([all, code, labelledAddress, label, address, name, room], knows) {
  if (code !== undefined) return [part("code", code)];
  if (name !== undefined) {
    const known = nameIn(name, knows);
    return withRest(known ? part("mention", `@${known}`) : null, all);
  }
  if (room !== undefined) {
    const wanted = room.toLowerCase().replace(/\.+$/, "");
    const isRoom = /[a-z]/.test(wanted) && (!COLOUR.test(wanted) || knows(`#${wanted}`));
    return withRest(isRoom ? part("room", all.slice(0, wanted.length + 1), wanted) : null, all);
  }
  const link = label === undefined ? linkTo(address) : labelled(labelledAddress, label);
  return withRest(link && part("link", link.text, link.href, label === undefined ? link.typed : all), all);
}

/** A part, and what follows it in the text that was found.
 * @param {Part | null} first
 * @param {string} all
 */
function withRest(first, all) {
  const rest = all.slice(first?.source.length ?? 0);
  return [...(first ? [first] : []), ...(rest ? plain(rest) : [])];
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

/** The names that a text mentions, as they are compared, in their order.
 * @param {string} text
 * @param {Knows} knows
 * @param {Knows} [bare] the names that are also mentioned without @
 */
export function mentions(text, knows, bare = nobody) {
  return parse(text, knows).flatMap(({ kind, text: part }) => {
    if (kind === "mention") return [fold(part.slice(1))];
    if (kind !== "text" || bare === nobody) return [];
    return Array.from(part.matchAll(WORD), ([word]) => fold(nameIn(word, bare))).filter(Boolean);
  });
}
