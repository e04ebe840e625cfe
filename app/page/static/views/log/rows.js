// The rows of a room from top to bottom: messages in groups, and the lines between them.

import { dayKey } from "../../i18n/format.js";
import { isMine, UNKNOWN } from "../../state/initial.js";
import { positionOf } from "../../state/log.js";
import { amendment } from "../../state/outbox.js";
import { isMessage } from "../../state/unread.js";

/** @typedef {import("../../types.d.ts").State} State */
/** @typedef {import("../../types.d.ts").Room} Room */
/** @typedef {import("../../types.d.ts").Entry} Entry */
/** @typedef {import("../../types.d.ts").Pending} Pending */
/**
 * @typedef {{ kind: "message" | "event" | "note", key: string, entry: Entry, first: boolean, amendment?: Pending }
 * | { kind: "pending", key: string, pending: Pending, first: boolean }
 * | { kind: "day", key: string, ts: string }
 * | { kind: "missed", key: string, count: number }
 * | { kind: "new", key: string }} Row
 */

/** Messages of one author are one group while they are no further apart than this, in milliseconds. */
const GROUP_GAP = 5 * 60_000;

/** @param {State} state @param {Room} room @returns {Row[]} */
export function rowsOf(state, room) {
  /** @type {Row[]} */
  const rows = [];
  const dividerBefore = createDivider(state, room);
  let day = "";
  /** @type {Entry | null} */
  let previous = null;
  for (const entry of room.log.entries) {
    if (dayKey(entry.ts) !== day) {
      day = dayKey(entry.ts);
      rows.push({ kind: "day", key: `day ${day}`, ts: entry.ts });
      previous = null;
    }
    const divider = dividerBefore(entry);
    if (divider) rows.push(divider);
    rows.push({
      kind: kindOf(entry),
      key: entry.id,
      entry,
      first: divider !== null || !continues(previous, entry),
      amendment: amendment(state.outbox, entry.room, positionOf(entry)),
    });
    previous = entry;
  }
  return [...rows, ...pendingRows(state, room, previous)];
}

/** @param {Entry} entry */
function kindOf({ aside, t }) {
  if (aside && aside !== "whisper") return "note";
  return t === "msg" ? "message" : "event";
}

/** Whether an entry belongs to the group of the one before it.
 * @param {Entry | null} previous
 * @param {Entry} entry
 */
function continues(previous, entry) {
  if (!previous || previous.t !== "msg" || entry.t !== "msg") return false;
  if (previous.user !== entry.user || previous.from !== entry.from) return false;
  if (previous.aside !== entry.aside || previous.me || entry.me || String(previous.to) !== String(entry.to))
    return false;
  return Date.parse(entry.ts) - Date.parse(previous.ts) < GROUP_GAP;
}

/** Gives the line above the first missed or new message, once.
 * @param {State} state
 * @param {Room} room
 */
function createDivider(state, { log, marker, missed }) {
  let done = false;
  const isNew = (/** @type {Entry} */ entry, /** @type {number} */ after) =>
    entry.seq > after && isMessage(entry) && !entry.aside && !isMine(state, entry);
  return (/** @type {Entry} */ entry) => {
    if (done) return null;
    if (missed && isNew(entry, missed.after) && entry.seq <= missed.upto) {
      done = true;
      const count = log.entries.filter((one) => isNew(one, missed.after) && one.seq <= missed.upto).length;
      return /** @type {Row} */ ({ kind: "missed", key: "missed", count });
    }
    if (!missed && marker !== UNKNOWN && isNew(entry, marker)) {
      done = true;
      return /** @type {Row} */ ({ kind: "new", key: "new" });
    }
    return null;
  };
}

/** What is pending comes last, but for new texts of messages, which are shown in those.
 * @param {State} state
 * @param {Room} room
 * @param {Entry | null} previous
 * @returns {Row[]}
 */
function pendingRows(state, { name, log }, previous) {
  const isIn = (/** @type {number} */ of) => log.entries.some((entry) => entry.room === name && positionOf(entry) === of);
  const shown = state.outbox.filter((one) => one.room === name && !one.seen && !(one.of && isIn(one.of)));
  const before = previous && isOwn(state, previous) ? previous : null;
  return shown.map((pending, index) => {
    const above = index ? shown[index - 1] : before;
    return { kind: "pending", key: pending.cid, pending, first: !above || String(above.to) !== String(pending.to) };
  });
}

/** Whether an entry is a message that this person sent under the current name.
 * @param {State} state
 * @param {Entry} entry
 */
const isOwn = (state, entry) => entry.t === "msg" && isMine(state, entry) && entry.from === state.me?.name;
