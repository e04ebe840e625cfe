// What may complete the word before the caret: a command, a name, or an emoji.

import { namesOf, withoutAliases } from "./commands.js";

/** @typedef {import("../types.d.ts").Completion} Completion */
/** @typedef {import("../types.d.ts").Candidate} Candidate */

export const MOST = 8;

/**
 * @typedef {object} Known
 * @property {readonly import("../types.d.ts").Usage[]} commands
 * @property {readonly string[]} names of people, the likeliest first
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

/** Whether the emoji are needed for what is typed.
 * @param {string} text
 * @param {number} caret
 */
export const wantsEmoji = (text, caret) => /(?:^|\s):[a-z0-9_+-]{2,}$/i.test(text.slice(0, caret));

/** The text with the candidate in it, and where the caret is then.
 * @param {string} text
 * @param {Completion} completion
 * @param {number} index
 */
export function insert(text, { from, to, items }, index) {
  const { insert: inserted } = items[index];
  return { text: text.slice(0, from) + inserted + text.slice(to), caret: from + inserted.length };
}

/** @param {string} before @param {string} word @param {Known} known @returns {Candidate[]} */
function candidates(before, word, { commands, names, rooms, emoji }) {
  if (before === word && word.startsWith("/") && !word.startsWith("//")) return ofCommands(commands, word.slice(1));
  if (
    /^\/(?:w|whisper|msg|tell|kick|ban|unban|mute|unmute|op|deop|invite|uninvite|ignore|unignore)\s\S*$/i.test(before)
  ) {
    return ofRecipients(names, word);
  }
  if (/^\/join\s\S*$/i.test(before)) return beginning(rooms, word.replace("#", "")).map((room) => plain(room, "room"));
  if (word.startsWith("@")) {
    return beginning(names, word.slice(1)).map((name) => ({ insert: `@${name} `, label: name, hint: "" }));
  }
  return /^:[a-z0-9_+-]{2,}$/i.test(word) ? ofEmoji(emoji, word.slice(1).toLowerCase()) : [];
}

/** @param {Known["commands"]} commands @param {string} start @returns {Candidate[]} */
function ofCommands(commands, start) {
  const wanted = start.toLowerCase();
  return commands
    .filter((usage) => namesOf(usage).some((name) => name.startsWith(wanted)))
    .sort((a, b) => Number(b.command.startsWith(wanted)) - Number(a.command.startsWith(wanted)))
    .map((usage) => ({
      insert: `/${usage.command} `,
      label: `/${usage.command} ${usage.usage}`.trim(),
      hint: withoutAliases(usage),
    }));
}

/** @param {readonly string[]} names @param {string} word @returns {Candidate[]} */
function ofRecipients(names, word) {
  const [, given, start] = /^(.*,)?(.*)$/.exec(word) ?? ["", "", word];
  return beginning(names, start.replace("@", "")).map((name) => ({
    insert: `${given ?? ""}${name} `,
    label: name,
    hint: "",
  }));
}

/** @param {Known["emoji"]} emoji @param {string} word @returns {Candidate[]} */
function ofEmoji(emoji, word) {
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
function beginning(words, start) {
  const wanted = start.toLowerCase();
  return words.filter((word) => word.toLowerCase().startsWith(wanted));
}

/** @param {string} word @param {string} hint @returns {Candidate} */
const plain = (word, hint) => ({ insert: `${word} `, label: word, hint });
