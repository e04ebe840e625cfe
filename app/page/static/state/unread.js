// How many messages of a room are unread, and how many of those are for the reader.

import { mentions } from "../text/markup.js";
import { isMine } from "./initial.js";

/** @typedef {import("../types.d.ts").State} State */
/** @typedef {import("../types.d.ts").Room} Room */
/** @typedef {{ names: readonly string[], count: number, mentions: number }} Unread */

/** @type {WeakMap<Room, Unread>} */
const counted = new WeakMap();

/** The messages of others after the read marker, and those of them that mention the reader, or are whispers.
 * @param {State} state
 * @param {Room} room
 */
export function unread(state, room) {
  const known = counted.get(room);
  if (known && known.names === state.names) return known;
  const found = count(state, room);
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

/** @param {State} state @param {Room} room @returns {Unread} */
function count(state, room) {
  const result = { names: state.names, count: 0, mentions: 0 };
  if (room.status === "left") return result;
  const { entries } = room.log;
  for (let index = entries.length - 1; index >= 0 && entries[index].seq > room.read; index--) {
    const entry = entries[index];
    if (entry.t !== "msg" || entry.aside || entry.deleted || isMine(state, entry)) continue;
    result.count += 1;
    if (room.conversation || mentions(entry.text ?? "", state.names)) result.mentions += 1;
  }
  if (!room.log.live) result.count += room.behind;
  if (room.conversation) result.mentions = result.count;
  return result;
}
