// What a slash command was answered, in words.

import { listed } from "../views/hues.js";

/** @typedef {import("../types.d.ts").Frame} Frame */

/** @type {Record<string, (frame: Frame) => string>} */
const WORDS = {
  done: ({ note = "" }) => (note ? `${note[0].toUpperCase()}${note.slice(1)}.` : ""),
  notice: ({ text }) => text,
  named: ({ name, registered }) => `You are ${name} now${registered ? ", and a password protects the name" : ""}.`,
  who({ room, members, people = [] }) {
    const names = people.length ? `: ${listed(people.map(named))}` : "";
    return `${room}: ${members} ${members === 1 ? "person" : "people"}${names}`;
  },
  room: ({ room, topic, owner, operators, slow, private: closed }) =>
    [
      `${room}: ${closed ? "private" : "public"}`,
      `topic: ${topic || "none"}`,
      `owner: ${owner || "nobody"}`,
      operators.length ? `operators: ${listed(operators)}` : "",
      slow ? `slow: a message every ${slow} s` : "",
    ]
      .filter(Boolean)
      .join("\n"),
  conversations: ({ conversations }) =>
    conversations.map((/** @type {{ with: string[] }} */ one) => `with ${listed(one.with)}`).join("\n") ||
    "No whispers yet.",
  help: ({ commands }) =>
    commands.map((/** @type {Record<string, string>} */ one) => `/${one.command} ${one.usage}: ${one.help}`).join("\n"),
};

/** @param {{ name: string, away?: string }} person */
const named = ({ name, away }) => (away === undefined ? name : `${name} (away${away ? `: ${away}` : ""})`);

/** @param {Frame} frame @returns {string} nothing where the answer is to be seen anyway */
export const wordsOf = (frame) => WORDS[frame.t]?.(frame) ?? "";
