// What a room shows, from top to bottom: messages in groups, and what stands between them.

import { isMine, UNKNOWN } from "../../state/initial.js";
import { day } from "../../i18n/time.js";

/** @typedef {import("../../types.d.ts").State} State */
/** @typedef {import("../../types.d.ts").Room} Room */
/** @typedef {import("../../types.d.ts").Entry} Entry */
/** @typedef {import("../../types.d.ts").Pending} Pending */
/**
 * @typedef {{ kind: "message" | "event" | "note", key: string, entry: Entry, first: boolean }
 * | { kind: "pending", key: string, pending: Pending, first: boolean }
 * | { kind: "day", key: string, ts: string }
 * | { kind: "missed", key: string, count: number }
 * | { kind: "new", key: string }} Row
 */

/** Messages of one author that are no further apart than this, in milliseconds, are one group. */
const TOGETHER = 5 * 60_000;

/** @param {State} state @param {Room} room @returns {Row[]} */
export function rowsOf(state, room) {
  /** @type {Row[]} */
  const rows = [];
  const divide = divider(state, room);
  let today = "";
  /** @type {Entry | null} */
  let before = null;
  for (const entry of room.log.entries) {
    if (day(entry.ts) !== today) {
      today = day(entry.ts);
      rows.push({ kind: "day", key: `day ${today}`, ts: entry.ts });
      before = null;
    }
    const division = divide(entry);
    if (division) rows.push(division);
    rows.push({ kind: kindOf(entry), key: entry.id, entry, first: division !== null || !goesOn(before, entry) });
    before = entry;
  }
  return [...rows, ...pendingRows(state, room, before)];
}

/** @param {Entry} entry */
function kindOf({ aside, t }) {
  if (aside && aside !== "whisper") return "note";
  return t === "msg" ? "message" : "event";
}

/** @param {Entry | null} before @param {Entry} entry */
function goesOn(before, entry) {
  if (!before || before.t !== "msg" || entry.t !== "msg") return false;
  if (before.user !== entry.user || before.from !== entry.from) return false;
  if (before.aside !== entry.aside || before.me || entry.me || String(before.to) !== String(entry.to)) return false;
  return Date.parse(entry.ts) - Date.parse(before.ts) < TOGETHER;
}

/** Gives the line above the first message that was missed or is new, once.
 * @param {State} state
 * @param {Room} room
 */
function divider(state, { log, marker, missed }) {
  let done = false;
  const isNews = (/** @type {Entry} */ entry, /** @type {number} */ after) =>
    entry.seq > after && entry.t === "msg" && !entry.aside && !isMine(state, entry);
  return (/** @type {Entry} */ entry) => {
    if (done) return null;
    if (missed && isNews(entry, missed.after) && entry.seq <= missed.upto) {
      done = true;
      const count = log.entries.filter((one) => isNews(one, missed.after) && one.seq <= missed.upto).length;
      return /** @type {Row} */ ({ kind: "missed", key: "missed", count });
    }
    if (!missed && marker !== UNKNOWN && isNews(entry, marker)) {
      done = true;
      return /** @type {Row} */ ({ kind: "new", key: "new" });
    }
    return null;
  };
}

/** @param {State} state @param {Room} room @param {Entry | null} before @returns {Row[]} */
function pendingRows(state, room, before) {
  const shown = state.outbox.filter((one) => one.room === room.name && !one.seen);
  return shown.map((pending, index) => ({
    kind: "pending",
    key: pending.cid,
    pending,
    first: index === 0 && !(before && isOwn(state, before) && Boolean(before.to) === Boolean(pending.to)),
  }));
}

/** Whether it is a message of one's own, under the name of now.
 * @param {State} state
 * @param {Entry} entry
 */
const isOwn = (state, entry) => entry.t === "msg" && isMine(state, entry) && entry.from === state.me?.name;
