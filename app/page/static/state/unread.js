// How many messages of a room are unread, and how many of those are for the reader.

import { isConversation, isMine } from "./initial.js";

/** @typedef {import("../types.d.ts").State} State */
/** @typedef {import("../types.d.ts").Room} Room */
/** @typedef {import("../types.d.ts").LogEvent} LogEvent */
/** @typedef {{ sources: readonly unknown[], count: number, mentions: number }} Unread */

/** Whether an event is something that a person said to others: in a conversation, an invitation is.
 * @param {LogEvent} event
 */
export const isMessage = ({ t: kind, room }) => kind === "msg" || (kind === "invite" && isConversation(room));

/** Whether an event is for the reader in particular.
 * @param {State} state
 * @param {LogEvent} event
 */
export const isForReader = (state, event) =>
  !event.deleted && (isConversation(event.room) || Boolean(state.reading?.isForMe(state, event)));

/** @type {WeakMap<Room, Unread>} */
const counted = new WeakMap();

/** The messages of others after the read marker, and those of them that mention the reader, or are whispers.
 * @param {State} state
 * @param {Room} room
 */
export function unread(state, room) {
  const { names, reading, settings } = state;
  const sources = [names, reading, settings.bareNames];
  const known = counted.get(room);
  if (known && sources.every((source, at) => source === known.sources[at])) return known;
  const found = { ...count(state, room), sources };
  counted.set(room, found);
  return found;
}

/** Of all rooms together.
 * @param {State} state
 */
export function unreadInAll(state) {
  const total = { count: 0, mentions: 0 };
  for (const room of Object.values(state.rooms)) {
    const found = unread(state, room);
    total.count += found.count;
    total.mentions += found.mentions;
  }
  return total;
}

/** @param {State} state @param {Room} room */
function count(state, room) {
  const result = { count: 0, mentions: 0 };
  if (room.status === "left") return result;
  const { entries } = room.log;
  for (let index = entries.length - 1; index >= 0 && entries[index].seq > room.read; index--) {
    const entry = entries[index];
    if (!isMessage(entry) || entry.aside || entry.deleted || isMine(state, entry)) continue;
    result.count += 1;
    if (isForReader(state, entry)) result.mentions += 1;
  }
  if (!room.log.live) result.count += room.behind;
  if (room.conversation) result.mentions = result.count;
  return result;
}
