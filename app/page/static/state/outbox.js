// What was said and is not known to be stored: it is shown as pending, kept over reloads, and sent again after a
// reconnect with the same `cid`, by which the server stores it once.

/** @typedef {import("../types.d.ts").Pending} Pending */
/** @typedef {import("../types.d.ts").LogEvent} LogEvent */
/** @typedef {import("../types.d.ts").Frame} Frame */
/** @typedef {readonly Pending[]} Outbox */

/** @param {Outbox} outbox @param {string} cid @param {Partial<Pending>} change @returns {Outbox} */
const changed = (outbox, cid, change) => outbox.map((one) => (one.cid === cid ? { ...one, ...change } : one));

/** @param {Outbox} outbox @param {string} cid @returns {Outbox} */
export const sent = (outbox, cid) => changed(outbox, cid, { state: "sent", why: "" });

/** @param {Outbox} outbox @param {string} cid @param {string} why @returns {Outbox} */
export const failed = (outbox, cid, why) => changed(outbox, cid, { state: "failed", why });

/** @param {Outbox} outbox @param {string} cid @param {string} why @returns {Outbox} */
export const delayed = (outbox, cid, why) => changed(outbox, cid, { state: "queued", why });

/** @param {Outbox} outbox @param {string} cid @returns {Outbox} */
export const dropped = (outbox, cid) => outbox.filter((one) => one.cid !== cid);

/** After an ack. It stays in view until its event comes, unless that came already: `position` is up to where the room
 * is known.
 * @param {Outbox} outbox
 * @param {Frame} ack
 * @param {number} position
 * @returns {Outbox}
 */
export function acked(outbox, ack, position) {
  if (ack.seq <= position) return dropped(outbox, ack.cid);
  return changed(outbox, ack.cid, { state: "stored", seq: ack.seq, id: ack.id, why: "" });
}

/** After an event of one's own. One that was acked goes; one that was sent, but whose ack got lost, is taken for the
 * event that says the same, is hidden, and waits for the ack of its retry.
 * @param {Outbox} outbox
 * @param {LogEvent} event
 * @returns {Outbox}
 */
export function arrived(outbox, event) {
  const known = outbox.find((one) => one.id === event.id);
  if (known) return dropped(outbox, known.cid);
  const same = outbox.find((one) => one.state === "sent" && !one.seen && isSame(one, event));
  return same ? changed(outbox, same.cid, { seen: true }) : outbox;
}

/** After a break: what was sent without an answer waits to be sent again.
 * @param {Outbox} outbox
 * @returns {Outbox}
 */
export const interrupted = (outbox) =>
  outbox
    .filter((one) => one.state !== "stored")
    .map((one) => (one.state === "sent" ? { ...one, state: "queued" } : one));

/** For somebody else: the server knows nothing of a `cid` of the user before, so what it has seen is not said again.
 * @param {Outbox} outbox
 * @returns {Outbox}
 */
export const inherited = (outbox) => interrupted(outbox).filter((one) => !one.seen);

/** What to send now that the room can be spoken in, in the order in which it was said.
 * @param {Outbox} outbox
 * @param {string} room
 */
export const waiting = (outbox, room) => outbox.filter((one) => one.room === room && one.state === "queued");

/** The frame that says it.
 * @param {Pending} pending
 */
export function frameOf({ cid, room, text, me, to }) {
  if (to) return { t: "whisper", cid, to, text };
  return me ? { t: "msg", room, cid, text, me } : { t: "msg", room, cid, text };
}

/** @param {Pending} pending @param {LogEvent} event */
function isSame({ room, text, me, to }, event) {
  if (text !== event.text || Boolean(me) !== Boolean(event.me)) return false;
  if (!to) return room === event.room;
  const names = (event.to ?? []).map((name) => name.toLowerCase());
  return to.length === names.length && to.every((name) => names.includes(name.toLowerCase()));
}
