// Suggestions for the word before the caret: commands, names, rooms and emoji.

import { t } from "../i18n/messages.js";
import { helpText, namesOf, usageText } from "./commands.js";

/** @typedef {import("../types.d.ts").Completion} Completion */
/** @typedef {import("../types.d.ts").Candidate} Candidate */

export const MOST = 8;

/**
 * @typedef {object} Known
 * @property {readonly import("../types.d.ts").Usage[]} commands
 * @property {readonly string[]} names of people, the likeliest first
 * @property {readonly string[]} groups words that mention all of them
 * @property {readonly string[]} rooms
 * @property {readonly (readonly [string, string])[]} emoji names and characters
 */

/**
 * @param {string} text
 * @param {number} caret
 * @param {Known} known
 * @returns {Completion | null}
 */
export function complete(text, caret, known) {
  const before = text.slice(0, caret);
  const [word] = /\S*$/.exec(before) ?? [""];
  const items = candidates(before, word, known).slice(0, MOST);
  return items.length ? { from: caret - word.length, to: caret, items } : null;
}

/** Whether suggestions need the names of emoji.
 * @param {string} text
 * @param {number} caret
 */
export const wantsEmoji = (text, caret) => /(?:^|\s):[a-z0-9_+-]{2,}$/i.test(text.slice(0, caret));

/** The text with a candidate in place of the word, and the new position of the caret.
 * @param {string} text
 * @param {Completion} completion
 * @param {number} index
 */
export function insert(text, { from, to, items }, index) {
  const { insert: inserted } = items[index];
  return { text: text.slice(0, from) + inserted + text.slice(to), caret: from + inserted.length };
}

/** @param {string} before @param {string} word @param {Known} known @returns {Candidate[]} */
function candidates(before, word, { commands, names, groups, rooms, emoji }) {
  if (before === word && word.startsWith("/") && !word.startsWith("//")) return commandCandidates(commands, word.slice(1));
  if (
    /^\/(?:w|whisper|msg|tell|kick|ban|unban|mute|unmute|op|deop|invite|uninvite|ignore|unignore)\s\S*$/i.test(before)
  ) {
    return recipientCandidates(names, word);
  }
  if (/^\/join\s\S*$/i.test(before)) {
    const hint = t("composer.suggestions.room");
    return startingWith(rooms, word.replace("#", "")).map((room) => ({ insert: `${room} `, label: room, hint }));
  }
  if (word.startsWith("@")) {
    return startingWith([...names, ...groups], word.slice(1)).map((name) => ({ insert: `@${name} `, label: name, hint: "" }));
  }
  return /^:[a-z0-9_+-]{2,}$/i.test(word) ? emojiCandidates(emoji, word.slice(1).toLowerCase()) : [];
}

/** @param {Known["commands"]} commands @param {string} start @returns {Candidate[]} */
function commandCandidates(commands, start) {
  const wanted = start.toLowerCase();
  const isWhole = (/** @type {import("../types.d.ts").Usage} */ usage) => namesOf(usage).includes(wanted);
  const rank = (/** @type {import("../types.d.ts").Usage} */ usage) =>
    isWhole(usage) ? 0 : usage.command.startsWith(wanted) ? 1 : 2;
  return commands
    .filter((usage) => namesOf(usage).some((name) => name.startsWith(wanted)))
    .sort((a, b) => rank(a) - rank(b))
    .map((usage) => ({
      insert: `/${usage.command} `,
      label: usageText(usage),
      hint: helpText(usage),
      whole: isWhole(usage),
    }));
}

/** @param {readonly string[]} names @param {string} word @returns {Candidate[]} */
function recipientCandidates(names, word) {
  const [, given, start] = /^(.*,)?(.*)$/.exec(word) ?? ["", "", word];
  return startingWith(names, start.replace("@", "")).map((name) => ({
    insert: `${given ?? ""}${name} `,
    label: name,
    hint: "",
  }));
}

/** @param {Known["emoji"]} emoji @param {string} word @returns {Candidate[]} */
function emojiCandidates(emoji, word) {
  const start = word.replace(/:$/, "");
  const [first, rest] = [[], []].map(() => /** @type {Candidate[]} */ ([]));
  for (const [name, character] of emoji) {
    const candidate = { insert: `${character} `, label: `${character} :${name}:`, hint: "" };
    if (name.startsWith(start)) first.push(candidate);
    else if (name.includes(start)) rest.push(candidate);
  }
  return [...first, ...rest];
}

/** @param {readonly string[]} words @param {string} start */
function startingWith(words, start) {
  const wanted = start.toLowerCase();
  return words.filter((word) => word.toLowerCase().startsWith(wanted));
}
