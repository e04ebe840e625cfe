// The one function that makes the next state. It is pure: the same actions always lead to the same state.

import { LEFT, receive, withNote, withRoom } from "./frames.js";
import { around, extend, isLoaded, opened, prepend } from "./log.js";
import { added, dropped, failed, interrupted, sent } from "./outbox.js";
import { initial, isConversation, newRoom, UNKNOWN } from "./initial.js";
import { table, tableOf, without } from "./table.js";
import { NOBODY } from "./people.js";
import { unread } from "./unread.js";

/** @typedef {import("../types.d.ts").State} State */
/** @typedef {import("../types.d.ts").Room} Room */
/** @typedef {import("../types.d.ts").Action} Action */

/** @type {Record<string, (state: State, action: Action) => State>} */
const ACTIONS = {
  frame: receive,

  /** A change that concerns the view only. */
  set: (state, { change }) => ({ ...state, ...change }),

  connection(state, { connection }) {
    const broke = state.connection.phase === "open" && connection.phase !== "open";
    const finding = connection.phase === "open" ? state.finding : NOBODY;
    return { ...state, connection, finding, outbox: broke ? interrupted(state.outbox) : state.outbox };
  },

  enter: (state, { name }) => ({ ...state, entering: { busy: true, name, problem: "", asksPassword: false } }),

  /** The server refused a name. An older server does not say whether it is registered. */
  refused(state, { message, code, reason = "registered" }) {
    const asksPassword = code === "wrong_password" || (code === "name_taken" && reason === "registered");
    return { ...state, screen: "name", entering: { ...state.entering, busy: false, problem: message, asksPassword } };
  },

  entered: (state) => ({ ...state, screen: "chat", entering: initial().entering }),

  /** Somebody logs out: nothing of theirs stays. */
  forget: ({ settings, connection, current, commands }) => initial({ settings, connection, current, commands }),

  open(state, { room: name, seq, others = [], offers = false }) {
    const left = state.current && state.current !== name ? withoutView(state) : state;
    const status = offers ? /** @type {const} */ ("offered") : /** @type {const} */ ("joining");
    const begins = isConversation(name) ? { others, status: /** @type {const} */ ("joined"), log: opened(0) } : { status };
    const rooms = left.rooms[name] ? left.rooms : table(left.rooms, { [name]: newRoom(name, begins) });
    const next = { ...left, rooms, current: name, target: seq ? { room: name, seq } : null };
    const dialog = state.current === name ? state.dialog : null; // what it does, it does in the room in view
    const view = { drawer: false, active: "", completion: null, refusal: "", dialog };
    return withRoom({ ...next, ...view }, name, (room) => ({
      marker: unread(state, room).count || !isLoaded(room) ? room.marker : UNKNOWN,
      following: !seq,
    }));
  },

  joining: (state, { room }) => withRoom(state, room, () => ({ status: "joining", why: "" })),

  barred: (state, { room, why }) => withRoom(state, room, () => ({ ...LEFT, why })),

  say(state, { pending }) {
    const next = { ...state, outbox: added(state.outbox, pending), active: "" };
    if (pending.of) return next;
    return withRoom({ ...next, target: null }, pending.room, () => ({ marker: UNKNOWN, missed: null }));
  },

  sent: (state, { cid }) => ({ ...state, outbox: sent(state.outbox, cid) }),

  failed: (state, { cid, why }) => ({ ...state, outbox: failed(state.outbox, cid, why) }),

  again: (state, { cid }) => ({
    ...state,
    outbox: state.outbox.map((one) => (one.cid === cid ? { ...one, state: "queued", why: "" } : one)),
  }),

  discard: (state, { cid }) => ({ ...state, outbox: dropped(state.outbox, cid) }),

  draft: (state, { room, text }) => ({ ...state, drafts: table(state.drafts, { [room]: text }), refusal: "" }),

  loading: (state, { room, direction }) => withRoom(state, room, () => ({ loading: direction })),

  page(state, { room: name, direction, events, more, after }) {
    return withRoom(state, name, (room) => {
      const delivered = room.delivered;
      const log =
        direction === "before"
          ? prepend(room.log, events, more)
          : direction === "after"
            ? extend(room.log, events, more, delivered)
            : around(events, more, after, delivered);
      return { log, loading: "", behind: log.live ? 0 : room.behind };
    });
  },

  latest: (state, { room }) =>
    withRoom({ ...state, target: null }, room, ({ log, position }) =>
      log.live ? { following: true } : emptied(position),
    ),

  following: (state, { room, on }) => withRoom(state, room, () => ({ following: on })),

  read: (state, { room, seq }) => withRoom(state, room, ({ read }) => ({ read: Math.max(read, seq) })),

  note: (state, { room, text, problem, at }) => withNote(state, room, text, problem ? "problem" : "notice", at),

  tick(state, { at }) {
    const rooms = Object.values(state.rooms).filter(({ typing }) => Object.values(typing).some((until) => until <= at));
    return rooms.reduce((next, { name }) => withRoom(next, name, stillTyping(at)), { ...state, now: at });
  },
};

/**
 * @param {State} state
 * @param {Action} action
 * @returns {State}
 */
export const reduce = (state, action) => ACTIONS[action.type](state, action);

/** After somebody leaves the view of a room. One that was offered was not taken. @param {State} state */
const withoutView = (state) =>
  state.rooms[state.current]?.status === "offered"
    ? { ...state, rooms: without(state.rooms, state.current) }
    : withRoom(state, state.current, unviewed);

/** A room after somebody leaves its view: nothing in it is new any more, and it follows its end again.
 * @param {Room} room
 * @returns {Partial<Room>}
 */
function unviewed(room) {
  const seen = { marker: UNKNOWN, missed: null, following: true };
  return room.log.live ? seen : { ...seen, ...emptied(room.position) };
}

/** A room whose log is loaded anew from its end.
 * @param {number} position
 * @returns {Partial<Room>}
 */
const emptied = (position) => ({ log: opened(position), behind: 0, loading: "", following: true });

/** @param {number} at */
const stillTyping =
  (at) =>
  (/** @type {Room} */ { typing }) => ({
    typing: tableOf(Object.entries(typing).filter(([, until]) => until > at)),
  });
