// What each frame from the server does to the state. See docs/protocol.md for what they say.

import { amend, append, aside, opened } from "./log.js";
import { acked, arrived, delayed, dropped, failed, inherited, interrupted } from "./outbox.js";
import { moved } from "./people.js";
import { isConversation, isMine, LIMITS, LOBBY, newRoom, NO_WHISPERS, UNKNOWN } from "./initial.js";
import { unread } from "./unread.js";

/** @typedef {import("../types.d.ts").State} State */
/** @typedef {import("../types.d.ts").Room} Room */
/** @typedef {import("../types.d.ts").Frame} Frame */
/** @typedef {import("../types.d.ts").LogEvent} LogEvent */
/** @typedef {import("../types.d.ts").Action} Action */

export const ALL_WHISPERS = "@";
/** For how long somebody is shown to be typing, in milliseconds. */
export const TYPING = 5_000;

/** @param {State} state @param {string} name @param {(room: Room) => Partial<Room>} change @returns {State} */
export function withRoom(state, name, change) {
  const room = Object.hasOwn(state.rooms, name) ? state.rooms[name] : null;
  return room ? { ...state, rooms: { ...state.rooms, [name]: { ...room, ...change(room) } } } : state;
}

/** @type {Record<string, (state: State, frame: Frame, action: Action) => State>} */
const FRAMES = {
  welcome(state, { id, name, registered = false, epoch, limits: told, room: home = LOBBY }) {
    const me = { id, name, registered };
    const same = state.me?.id === id;
    const names = same ? named(state.names, name) : [name.toLowerCase()];
    // An older server does not tell its limit of a frame, in which the longest message must have had its place.
    const limits = { frame: Math.max(LIMITS.frame, told.message), ...told };
    const next = { ...state, me, names, epoch, limits, home };
    if (same && state.epoch === epoch) return next;
    return { ...anew(next), outbox: same ? interrupted(state.outbox) : inherited(state.outbox) };
  },

  named(state, { id, name, registered = false }) {
    const names = state.me?.id === id ? named(state.names, name) : [name.toLowerCase()];
    return { ...state, me: { id, name, registered }, names };
  },

  joined(state, frame, { request, at }) {
    const asked = request?.after !== undefined;
    if (frame.room === ALL_WHISPERS) return followed(state, frame, asked);
    const { room: name, topic = "", members, people, read = 0, head } = frame;
    const known = state.rooms[name] ?? newRoom(name);
    const told = { status: /** @type {const} */ ("joined"), why: "", topic, closed: Boolean(frame.private), members };
    const room = { ...known, ...told, head, people: people ?? (members ? null : []) };
    const next = asked && frame.recovered ? resumed(room, read) : begun(room, read);
    const joined = { ...state, rooms: { ...state.rooms, [name]: next } };
    return frame.recovered ? joined : noted(joined, name, LOST, "problem", at);
  },

  parted(state, { room, why = "" }) {
    if (why) return withRoom(state, room, () => ({ status: "left", why, people: [], members: 0 }));
    const { [room]: _, ...rooms } = state.rooms;
    return { ...state, rooms };
  },

  presence: (state, frame) =>
    withRoom(state, frame.room, ({ people }) => ({ members: frame.members, people: moved(people, frame) })),

  who: (state, { room, members, people }) => withRoom(state, room, () => ({ members, people: people ?? null })),

  room: (state, { room, topic, owner, operators, slow, members, rank = "", ...frame }) =>
    withRoom(state, room, () => ({ topic, owner, operators, slow, members, rank, closed: frame.private })),

  typing: (state, { room, from }, { at }) =>
    withRoom(state, room, ({ typing }) => ({ typing: { ...typing, [from]: at + TYPING } })),

  read: (state, { room, seq }) => withRoom(state, room, ({ read }) => ({ read: Math.max(read, seq) })),

  ack(state, frame) {
    const pending = state.outbox.find(({ cid }) => cid === frame.cid);
    return pending ? { ...state, outbox: acked(state.outbox, frame, shownUpTo(state, pending)) } : state;
  },

  error(state, { cid, message, retry, code }) {
    if (cid === undefined) return state;
    if (retry) return { ...state, outbox: delayed(state.outbox, cid, code === "rate_limited" ? "" : message) };
    const seen = state.outbox.find((one) => one.cid === cid)?.seen;
    return { ...state, outbox: seen ? dropped(state.outbox, cid) : failed(state.outbox, cid, message) };
  },

  conversations(state, { conversations }) {
    const rooms = { ...state.rooms };
    for (const { room: name, with: others, head, read = 0 } of conversations) {
      const known =
        rooms[name] && rooms[name].position !== UNKNOWN ? rooms[name] : begun(newRoom(name, { head }), read);
      rooms[name] = { ...known, others, status: "joined", read: Math.max(known.read, read) };
    }
    return { ...state, rooms };
  },

  help: (state, { commands }, { request }) => (request?.command ? state : { ...state, commands }),

  rooms: (state, { rooms }) => ({ ...state, directory: rooms }),
};

const KINDS = new Set([
  "msg",
  "edit",
  "delete",
  "owner",
  "topic",
  "private",
  "public",
  "invite",
  "uninvite",
  "op",
  "deop",
  "kick",
  "ban",
  "unban",
  "mute",
  "unmute",
  "slow",
]);

const LOST = "What was said in between is no longer kept, or the history is another one now.";

/** @param {State} state @param {Action} action @returns {State} */
export function receive(state, action) {
  const frame = /** @type {Frame} */ (action.frame);
  if (Object.hasOwn(FRAMES, frame.t)) return FRAMES[frame.t](state, frame, action);
  return KINDS.has(frame.t) ? happened(state, /** @type {LogEvent} */ (frame)) : state;
}

/** With words for this person alone, in the log of a room.
 * @param {State} state
 * @param {string} name
 * @param {string} text
 * @param {"notice" | "problem"} kind
 * @param {number} at
 */
export function noted(state, name, text, kind, at) {
  const ts = new Date(at).toISOString();
  return withRoom(state, name, ({ log }) => ({
    log: aside(log, { t: "msg", room: name, seq: 0, id: `note ${++notes}`, ts, from: "", text, aside: kind }),
  }));
}

let notes = 0;

/** All that a history of another epoch or user left is forgotten; the rooms are still to be joined.
 * @param {State} state
 * @returns {State}
 */
function anew(state) {
  const rooms = Object.values(state.rooms).filter(({ conversation }) => !conversation);
  return {
    ...state,
    rooms: Object.fromEntries(rooms.map(({ name }) => [name, newRoom(name)])),
    whispers: NO_WHISPERS,
    lastWhisper: "",
  };
}

/** @param {readonly string[]} names @param {string} name */
const named = (names, name) => [...new Set([...names, name.toLowerCase()])];

/** @param {Room} room @param {number} read @returns {Room} */
function resumed(room, read) {
  const { position, head } = room;
  const missed = head > position ? { after: room.missed?.after ?? position, upto: head } : room.missed;
  return { ...room, missed, read: Math.max(room.read, read) };
}

/** @param {Room} room @param {number} read @returns {Room} */
function begun(room, read) {
  const { head } = room;
  const position = { position: head, delivered: 0, read: read || head, marker: read && read < head ? read : UNKNOWN };
  return { ...room, ...position, missed: null, behind: 0, loading: "", log: opened(head) };
}

/** @param {State} state @param {Frame} joined @param {boolean} asked @returns {State} */
function followed(state, { head, recovered }, asked) {
  if (asked && recovered) return { ...state, whispers: { ...state.whispers, head } };
  const rooms = Object.entries(state.rooms).filter(([, { conversation }]) => !conversation);
  return { ...state, rooms: Object.fromEntries(rooms), whispers: { position: head, head, delivered: 0 } };
}

/** Up to where the events are known that a pending message may be among.
 * @param {State} state
 * @param {import("../types.d.ts").Pending} pending
 */
function shownUpTo(state, { room, to }) {
  const log = state.rooms[room]?.log;
  if (to || isConversation(room) || !log) return state.whispers.position;
  return log.live ? log.last : state.rooms[room].position;
}

/** @param {State} state @param {LogEvent} event @returns {State} */
function happened(state, event) {
  const whisper = isConversation(event.room);
  const before = whisper ? withConversation(state, event) : state;
  const room = before.rooms[event.room];
  if (!room || event.seq <= (whisper ? state.whispers.position : room.position)) return state;
  const next = withRoom(before, room.name, () => ({ ...logged(before, room, event), ...settled(room, event) }));
  const outbox = isMine(state, event) ? arrived(state.outbox, event) : state.outbox;
  return whisper ? whispered({ ...next, outbox }, event) : { ...next, outbox };
}

/** @param {State} state @param {LogEvent} event */
function withConversation(state, event) {
  if (Object.hasOwn(state.rooms, event.room)) return state;
  const to = (event.to ?? []).filter((name) => !state.names.includes(name.toLowerCase()));
  const others = isMine(state, event) ? to : [event.from, ...to];
  const begin = { status: /** @type {const} */ ("joined"), others, head: event.seq - 1 };
  return { ...state, rooms: { ...state.rooms, [event.room]: begun(newRoom(event.room, begin), 0) } };
}

/** @param {State} state @param {Room} room @param {LogEvent} event @returns {Partial<Room>} */
function logged(state, room, event) {
  const current = state.current === room.name;
  const log = append(room.log, event, room.following || !current);
  const position = { position: event.seq, delivered: event.seq, log };
  if (event.t !== "msg") return position;
  const { [event.from]: _, ...typing } = room.typing;
  const behind = log.live ? 0 : room.behind + 1;
  const watched = current && state.watching && room.following;
  const begins = !isMine(state, event) && !watched && !unread(state, room).count;
  return { ...position, typing, behind, marker: begins ? event.seq - 1 : room.marker };
}

/** What an event changes in what is set for its room.
 * @param {Room} room
 * @param {LogEvent} event
 * @returns {Partial<Room>}
 */
function settled(room, { t, text = "", whom = "", seconds = 0 }) {
  if (t === "topic") return { topic: text };
  if (t === "slow") return { slow: seconds };
  if (t === "private" || t === "public") return { closed: t === "private" };
  if (t === "owner") return { owner: whom };
  if (t === "op") return { operators: [...room.operators, whom] };
  if (t === "deop") return { operators: room.operators.filter((name) => name !== whom) };
  return {};
}

/** A whisper is shown where it came too, and what changes in it changes there.
 * @param {State} state
 * @param {LogEvent} event
 * @returns {State}
 */
function whispered(state, event) {
  const { seq, room: name, t, id } = event;
  const whispers = { ...state.whispers, position: seq, delivered: seq };
  const next = { ...state, whispers };
  if (t !== "msg") return { ...next, rooms: amendedAsides(next.rooms, event) };
  const here = next.rooms[next.current];
  const inline = here && !here.conversation && seq > whispers.head;
  const shown = inline
    ? withRoom(next, here.name, ({ log }) => ({
        log: aside(log, { ...event, id: `${id} here`, of: seq, aside: "whisper" }),
      }))
    : next;
  return { ...shown, lastWhisper: name };
}

/** @param {State["rooms"]} rooms @param {LogEvent} event */
function amendedAsides(rooms, event) {
  const changed = { ...rooms };
  for (const [name, { log }] of Object.entries(rooms)) {
    const concerns = (/** @type {import("../types.d.ts").Entry} */ one) =>
      one.aside === "whisper" && one.room === event.room && one.of === event.of;
    if (!log.entries.some(concerns)) continue;
    const entries = log.entries.map((one) => (concerns(one) ? amend(one, event) : one));
    changed[name] = { ...changed[name], log: { ...log, entries } };
  }
  return changed;
}
