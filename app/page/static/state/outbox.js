// Messages, and changes of messages, that are not known to be stored. They are shown as pending, survive a reload, and
// are sent again after a reconnect: a message with the same `cid`, so that the server stores it once, and a new text of a
// message because it stays the same however often it is set.

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

/** With what a person just wrote. A new text of a message takes the place of those that are not on their way.
 * @param {Outbox} outbox
 * @param {Pending} pending
 * @returns {Outbox}
 */
export function added(outbox, pending) {
  const { room, of } = pending;
  const stays = (/** @type {Pending} */ one) => !of || one.of !== of || one.room !== room || one.state === "sent";
  return [...outbox.filter(stays), pending];
}

/** The newest text of a message that is not known to be stored.
 * @param {Outbox} outbox
 * @param {string} room
 * @param {number} seq the position of the message
 */
export const amendment = (outbox, room, seq) => outbox.findLast((one) => one.of === seq && one.room === room);

/** After a welcome to a history: positions in another one mean nothing, so what was to be changed there can't be.
 * @param {Outbox} outbox
 * @param {string} epoch
 * @param {string} why
 * @returns {Outbox}
 */
export const placed = (outbox, epoch, why) =>
  outbox.map((one) => (one.of && one.epoch !== epoch ? { ...one, of: undefined, state: "failed", why } : one));

/** After an `ack`. The message stays until its event comes, unless that is there already: `position` is the one up to
 * which the room is known.
 * @param {Outbox} outbox
 * @param {Frame} ack
 * @param {number} position
 * @returns {Outbox}
 */
export function acked(outbox, ack, position) {
  if (ack.seq <= position) return dropped(outbox, ack.cid);
  return changed(outbox, ack.cid, { state: "stored", seq: ack.seq, id: ack.id, why: "" });
}

/** After an event of this person. If the message was acked, it goes. If its ack got lost, it is found by its text, hidden,
 * and kept for the ack of its retry.
 * @param {Outbox} outbox
 * @param {LogEvent} event
 * @returns {Outbox}
 */
export function arrived(outbox, event) {
  const known = outbox.find((one) => one.id === event.id);
  if (known) return dropped(outbox, known.cid);
  const same = outbox.find((one) => one.state === "sent" && !one.seen && isSame(one, event));
  if (same?.of) return dropped(outbox, same.cid);
  return same ? changed(outbox, same.cid, { seen: true }) : outbox;
}

/** After a break: messages that were sent without an answer are queued again.
 * @param {Outbox} outbox
 * @returns {Outbox}
 */
export const interrupted = (outbox) =>
  outbox
    .filter((one) => one.state !== "stored")
    .map((one) => (one.state === "sent" ? { ...one, state: "queued" } : one));

/** After a change of user. The server does not know the `cid`s of the user before, so what it has seen is not sent again.
 * @param {Outbox} outbox
 * @returns {Outbox}
 */
export const inherited = (outbox) => interrupted(outbox).filter((one) => !one.seen);

/** The messages to send in a room, in the order in which they were written.
 * @param {Outbox} outbox
 * @param {string} room
 */
export const queued = (outbox, room) => outbox.filter((one) => one.room === room && one.state === "queued");

/** The frame that sends a message or its new text.
 * @param {Pending} pending
 */
export function frameOf({ cid, room, text, me, to, of }) {
  if (of) return { t: "edit", room, seq: of, text };
  if (to) return { t: "whisper", cid, to, text };
  return me ? { t: "msg", room, cid, text, me } : { t: "msg", room, cid, text };
}

/** @param {Pending} pending @param {LogEvent} event */
function isSame({ room, text, me, to, of }, event) {
  if (text !== event.text || (of ?? 0) !== (event.of ?? 0) || Boolean(me) !== Boolean(event.me)) return false;
  if (of) return room === event.room && event.t === "edit";
  if (event.t !== "msg") return false;
  if (!to) return room === event.room;
  const names = (event.to ?? []).map((name) => name.toLowerCase());
  return to.length === names.length && to.every((name) => names.includes(name.toLowerCase()));
}
