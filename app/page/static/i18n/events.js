// What somebody changed in a room, in words.

import { duration } from "./time.js";

/** @typedef {import("../types.d.ts").LogEvent} LogEvent */

/** @type {Record<string, (event: LogEvent) => string>} */
const WORDS = {
  owner: () => "owns the room now",
  topic: ({ text }) => (text ? `set the topic: ${text}` : "cleared the topic"),
  private: () => "made the room private",
  public: () => "opened the room to everybody",
  invite: ({ whom }) => `invited ${whom}`,
  uninvite: ({ whom }) => `took back the invitation of ${whom}`,
  op: ({ whom }) => `made ${whom} an operator`,
  deop: ({ whom }) => `made ${whom} an operator no longer`,
  kick: ({ whom }) => `put ${whom} out of the room`,
  ban: ({ whom }) => `banned ${whom}`,
  unban: ({ whom }) => `lets ${whom} in again`,
  mute: ({ whom }) => `muted ${whom}`,
  unmute: ({ whom }) => `lets ${whom} speak again`,
  slow: ({ seconds = 0 }) =>
    seconds ? `slowed the room down: a message every ${duration(seconds)}` : "ended slow mode",
};

/** Who did it, and what. @param {LogEvent} event */
export function wordsOf(event) {
  const { t, from, whom = "", text = "", until } = event;
  const who = t === "owner" ? whom : from;
  const end = until ? ` until ${UNTIL.format(new Date(until))}` : "";
  const why = t !== "topic" && text ? `: ${text}` : "";
  return { who, what: `${WORDS[t](event)}${end}${why}` };
}

const UNTIL = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
