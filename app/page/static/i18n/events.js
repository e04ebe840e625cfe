// What somebody changed in a room, in words.

import { dateTime, duration } from "./format.js";
import { isConversation } from "../state/initial.js";
import { rich, t } from "./messages.js";

/** @typedef {import("../types.d.ts").LogEvent} LogEvent */
/** @typedef {import("../types.d.ts").MessageKey} MessageKey */

/** The sentence for an event, as parts: `nameView` shows the names in it, `quoteView` what somebody wrote.
 * @param {LogEvent} event
 * @param {(name: string) => unknown} nameView
 * @param {(text: string) => unknown} quoteView
 * @param {object} [invitation]
 * @param {boolean} [invitation.mine] this person invited another
 * @param {(room: string) => unknown} [invitation.roomView] shows the room that somebody is invited to
 */
export function eventText(event, nameView, quoteView, { mine = false, roomView = (room) => `#${room}` } = {}) {
  const { from, whom = "", text = "", until, seconds = 0 } = event;
  return rich(keyOf(event, mine), {
    name: nameView(from),
    whom: nameView(whom),
    text: quoteView(text),
    room: roomView(text),
    why: text && quoteView(text),
    until: dateTime(until),
    interval: duration(seconds),
  });
}

/** @param {LogEvent} event @param {boolean} mine */
function keyOf({ t: kind, room, text, seconds, deleted }, mine) {
  if (kind === "invite" && isConversation(room)) return mine ? "event.invite.conversation" : "event.invite.you";
  if (kind === "slow" && !seconds) return "event.slow.off";
  if (kind === "mentions" && text !== "all") return "event.mentions.operators";
  if (kind === "topic" && deleted) return "event.topic.deleted";
  if (kind === "topic" && !text) return "event.topic.cleared";
  return /** @type {MessageKey} */ (`event.${kind}`);
}

/** Why this person is not in a room any more.
 * @param {LogEvent} event the kick or ban
 */
export const expelledText = ({ t: kind, from, text, until }) =>
  t(kind === "ban" ? "expelled.ban" : "expelled.kick", { name: from, why: text, until: dateTime(until) });

/** What was said or happened, as text. @param {LogEvent} event */
export const contentOf = (event) => (event.t === "msg" ? (event.text ?? "") : eventText(event, String, String).join(""));

/** An event as a line of its own. @param {LogEvent} event */
export function lineOf(event) {
  if (event.t !== "msg") return contentOf(event);
  const values = { name: event.from, text: event.text };
  return t(isConversation(event.room) ? "announcement.whisper" : "announcement.message", values);
}
