// The part of a room's log that the page holds: a window that slides over it. It has no holes, and at most MOST entries.

/** @typedef {import("../types.d.ts").Log} Log */
/** @typedef {import("../types.d.ts").Entry} Entry */
/** @typedef {import("../types.d.ts").LogEvent} LogEvent */

export const MOST = 300;
export const PAGE = 100;

/** @type {Log} */
export const EMPTY = Object.freeze({ entries: [], first: 1, last: 0, oldest: false, live: true });

/** The window of a log that has reached `head`: empty, and open to what comes next.
 * @param {number} head
 * @returns {Log}
 */
export const opened = (head) => ({ entries: [], first: head + 1, last: head, oldest: head === 0, live: true });

/** With an event that just happened; an event that the window has changes nothing. A full window drops its oldest entries
 * if its end is `followed`, and otherwise its end, since somebody reads the older ones.
 * @param {Log} log
 * @param {LogEvent} event
 * @param {boolean} followed
 * @returns {Log}
 */
export function append(log, event, followed) {
  if (event.seq <= log.last && log.live) return log;
  const changed = amended(log, event);
  if (!log.live) return changed;
  if (!isShown(event)) return { ...changed, last: event.seq };
  if (!followed && log.entries.length >= MOST) return { ...changed, live: false };
  return withoutOldest({ ...changed, entries: [...changed.entries, event], last: event.seq });
}

/** With an entry that has no position in the log, at the current end.
 * @param {Log} log
 * @param {Entry} entry
 * @returns {Log}
 */
export function aside(log, entry) {
  if (log.entries.some(({ id }) => id === entry.id)) return log;
  return withoutOldest({ ...log, entries: [...log.entries, { ...entry, seq: log.last }] });
}

/** With the page of history before the window; `more` says whether there is more before that.
 * @param {Log} log
 * @param {readonly LogEvent[]} events
 * @param {boolean} more
 * @returns {Log}
 */
export function prepend(log, events, more) {
  const older = events.filter(({ seq }) => seq < log.first);
  const first = older.length ? older[0].seq : log.first;
  const oldest = !more || !older.length;
  return withoutNewest({ ...log, entries: [...older.filter(isShown), ...log.entries], first, oldest });
}

/** With the page of history after the window. The window is live again if the page is the last one and reaches
 * `delivered`: an event may have come while the page was on its way.
 * @param {Log} log
 * @param {readonly LogEvent[]} events
 * @param {boolean} more
 * @param {number} delivered
 * @returns {Log}
 */
export function extend(log, events, more, delivered) {
  const newer = events.filter(({ seq }) => seq > log.last);
  const last = newer.length ? newer[newer.length - 1].seq : log.last;
  const live = !more && (last >= delivered || !newer.length);
  const changed = newer.reduce(amended, log);
  return withoutOldest({ ...changed, entries: [...changed.entries, ...newer.filter(isShown)], last, live });
}

/** A new window: the page of history after `after`.
 * @param {readonly LogEvent[]} events
 * @param {boolean} more
 * @param {number} after
 * @param {number} delivered
 * @returns {Log}
 */
export function around(events, more, after, delivered) {
  const first = events.length ? events[0].seq : after + 1;
  const start = { entries: [], first, last: after, oldest: after <= 0, live: false };
  return extend(start, events, more, delivered);
}

/** Whether a room's log was read from the server, as far as it is shown.
 * @param {{ log: Log }} room
 */
export const isLoaded = ({ log }) => log.oldest || log.entries.length > 0;

/** Whether an event is a row of its own: an edit or a delete changes another row.
 * @param {LogEvent} event
 */
export const isShown = ({ t }) => t !== "edit" && t !== "delete";

/** The position of a message in its own log; a whisper may be shown in another one.
 * @param {Entry} entry
 */
export const positionOf = ({ seq, of, aside }) => (aside ? (of ?? 0) : seq);

/** With what an edit or a delete changes in its message.
 * @param {Log} log
 * @param {LogEvent} event
 * @returns {Log}
 */
function amended(log, event) {
  if (isShown(event)) return log;
  const index = log.entries.findIndex(({ seq, t, aside }) => seq === event.of && (t === "msg" || event.what) && !aside);
  if (index < 0) return log;
  return { ...log, entries: log.entries.map((entry, at) => (at === index ? amend(entry, event) : entry)) };
}

/** A message after an edit or a delete. An edit whose text a later one replaced changes nothing.
 * @template {LogEvent} T
 * @param {T} message
 * @param {LogEvent} event
 * @returns {T}
 */
export function amend(message, event) {
  if (event.t === "delete") return { ...message, text: "", deleted: true };
  return message.deleted || !event.text ? message : { ...message, text: event.text, edited: true };
}

/** @param {Log} log @returns {Log} */
function withoutOldest(log) {
  if (log.entries.length <= MOST) return log;
  const entries = log.entries.slice(-MOST);
  return { ...log, entries, first: entries[0].seq, oldest: false };
}

/** @param {Log} log @returns {Log} */
function withoutNewest(log) {
  if (log.entries.length <= MOST) return log;
  const entries = log.entries.slice(0, MOST);
  return { ...log, entries, last: entries[MOST - 1].seq, live: false };
}
