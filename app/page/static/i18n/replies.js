// What the server answered to a command, in words.

import { helpText, usageText } from "../text/commands.js";
import { duration } from "./format.js";
import { find, listed, t } from "./messages.js";

/** @typedef {import("../types.d.ts").Frame} Frame */
/** @typedef {import("../types.d.ts").Usage} Usage */

/** @type {Record<string, (frame: Frame) => string>} */
const WORDS = {
  notice: ({ text }) => text,
  named: ({ name, registered }) => t(registered ? "reply.registered" : "reply.named", { name }),
  who: ({ room, members, people = [] }) =>
    t("reply.who", { room, count: members, names: listed(people.map(personText)) }),
  room: ({ room, topic, owner, operators, slow, mentions, private: isPrivate }) =>
    [
      t("reply.room", { room, visibility: t(isPrivate ? "room.private" : "room.public") }),
      topic ? t("room.topic", { text: topic }) : t("room.topic.none"),
      owner ? t("room.owner", { name: owner }) : t("room.owner.none"),
      operators.length ? t("room.operators", { names: listed(operators) }) : "",
      slow ? t("room.slow", { interval: duration(slow) }) : "",
      mentions ? t("room.mentions") : "",
    ]
      .filter(Boolean)
      .join("\n"),
  conversations: ({ conversations }) =>
    conversations
      .map((/** @type {{ with: string[] }} */ one) => t("reply.conversation", { names: listed(one.with) }))
      .join("\n") || t("reply.conversations.none"),
  ignored: ({ people, more }) =>
    people.length
      ? t(more ? "reply.ignored.more" : "reply.ignored", { names: listed(people.map(personText)) })
      : t("reply.ignored.none"),
  help: ({ commands }) =>
    commands
      .map((/** @type {Usage} */ usage) => t("help.line", { usage: usageText(usage), help: helpText(usage) }))
      .join("\n"),
};

/** @param {Frame} frame
 * @param {string} command that it answers, without the slash
 * @param {string} [name] that followed the command
 * @returns {string} nothing where the page shows the result anyway
 */
export function replyText(frame, command, name = "") {
  if (frame.t === "named" && command === "password") return t("reply.password");
  if (frame.t === "done") return find([`done.${command}`], { name }) || (frame.note ?? "");
  return Object.hasOwn(WORDS, frame.t) ? WORDS[frame.t](frame) : "";
}

/** @param {{ name: string, away?: string }} person */
const personText = ({ name, away }) => (away === undefined ? name : t("reply.who.away", { name, why: away }));
