// What each frame from the server does to the state; docs/protocol.md describes the frames.

import { errorText } from "../i18n/errors.js";
import { expelledText } from "../i18n/events.js";
import { t } from "../i18n/messages.js";
import { isConversation, isMine, LIMITS, LOBBY, newRoom, NO_MODERATION, NO_WHISPERS, UNKNOWN } from "./initial.js";
import { amend, append, aside, isShown, opened } from "./log.js";
import { acked, arrived, delayed, dropped, failed, inherited, interrupted, placed } from "./outbox.js";
import { withChanged, withPresence } from "./people.js";
import { table, tableOf, without } from "./table.js";
import { isMessage, unread } from "./unread.js";

/** @typedef {import("../types.d.ts").State} State */
/** @typedef {import("../types.d.ts").Room} Room */
/** @typedef {import("../types.d.ts").Frame} Frame */
/** @typedef {import("../types.d.ts").LogEvent} LogEvent */
/** @typedef {import("../types.d.ts").Action} Action */

/** The room in which a client follows all its whispers. */
export const ALL_WHISPERS = "@";
/** How long somebody is shown as typing, in milliseconds. */
export const TYPING = 5_000;

/** With a change of one room; nothing changes if there is no such room.
 * @param {State} state
 * @param {string} name
 * @param {(room: Room) => Partial<Room>} change
 * @returns {State}
 */
export function withRoom(state, name, change) {
  const room = state.rooms[name];
  return room ? { ...state, rooms: table(state.rooms, { [name]: { ...room, ...change(room) } }) } : state;
}

/** @type {Record<string, (state: State, frame: Frame, action: Action) => State>} */
const FRAMES = {
  welcome(state, { id, name, registered = false, epoch, limits: allowed, features = [], room: home = LOBBY }) {
    const me = { id, name, registered };
    const same = state.me?.id === id;
    const names = same ? withName(state.names, name) : [name.toLowerCase()];
    // An older server does not send its limit of a frame, but the longest message must fit into it.
    const limits = { frame: Math.max(LIMITS.frame, allowed.message), ...allowed };
    const next = { ...state, me, names, epoch, limits, features, home };
    if (same && state.epoch === epoch) return next;
    const outbox = same ? interrupted(state.outbox) : inherited(state.outbox);
    return { ...withoutHistory(next, same), outbox: placed(outbox, epoch, t("log.missing")) };
  },

  named(state, { id, name, registered = false }) {
    const names = state.me?.id === id ? withName(state.names, name) : [name.toLowerCase()];
    return { ...state, me: { id, name, registered }, names };
  },

  joined(state, frame, { request, at }) {
    const resumes = request?.after !== undefined && frame.recovered;
    if (frame.room === ALL_WHISPERS) return followedWhispers(state, frame, resumes);
    const { room: name, topic = "", members, people, read = 0, head } = frame;
    const known = state.rooms[name] ?? newRoom(name);
    const status = /** @type {const} */ ("joined");
    const current = { status, why: "", topic, isPrivate: Boolean(frame.private), members, head };
    const room = { ...known, ...current, people: people ?? (members ? null : []) };
    const next = resumes ? resumed(room, read) : started(room, read);
    const joined = { ...state, rooms: table(state.rooms, { [name]: next }) };
    return frame.recovered ? joined : withNote(joined, name, t("log.not_kept"), "problem", at);
  },

  parted(state, { room, why = "" }) {
    if (why) return withRoom(state, room, (left) => ({ ...LEFT, why: expulsionText(state, left) || why }));
    return { ...state, rooms: without(state.rooms, room) };
  },

  presence(state, { changed = [], ...frame }) {
    const told = withRoom(state, frame.room, ({ people, typing }) => {
      const here = withPresence(people, { changed, ...frame });
      const gone = [...(frame.went ?? []), ...renamed(people, changed)];
      return { members: frame.members, people: here, typing: stillTyping(typing, people, gone) };
    });
    const others = Object.entries(changed.length ? told.rooms : {}).map(([name, room]) => {
      const typing = stillTyping(room.typing, room.people, renamed(room.people, changed));
      return /** @type {const} */ ([name, { ...room, people: withChanged(room.people, changed), typing }]);
    });
    return others.length ? { ...told, rooms: tableOf(others) } : told;
  },

  who: (state, { room, members, people = null }, { request }) =>
    withRoom(state, room, () => (request?.limit ? { members } : { members, people })),

  room(state, { room, topic, owner, operators, slow, members, rank = "", mentions = "operators", ...frame }) {
    const { private: isPrivate, owner_user: ownerUser = 0, operator_users: ids = ownerUser ? [] : null } = frame;
    const settings = { topic, owner, operators, slow, members, rank, mentions, isPrivate, ownerUser, operatorUsers: ids };
    return withRoom(state, room, () => settings);
  },

  typing: (state, { room, from }, { at }) =>
    withRoom(state, room, ({ typing }) => ({ typing: table(typing, { [from]: at + TYPING }) })),

  read: (state, { room, seq }) =>
    room === ALL_WHISPERS ? withWhispersRead(state, seq) : withRoom(state, room, readUpTo(seq)),

  ack(state, frame) {
    const pending = state.outbox.find(({ cid }) => cid === frame.cid);
    return pending ? { ...state, outbox: acked(state.outbox, frame, shownUpTo(state, pending)) } : state;
  },

  error(state, frame) {
    const { cid, retry, code } = frame;
    if (cid === undefined) return state;
    const why = errorText(frame);
    if (retry) return { ...state, outbox: delayed(state.outbox, cid, code === "rate_limited" ? "" : why) };
    const seen = state.outbox.find((one) => one.cid === cid)?.seen;
    return { ...state, outbox: seen ? dropped(state.outbox, cid) : failed(state.outbox, cid, why) };
  },

  conversations(state, { conversations }) {
    const found = /** @type {Frame[]} */ (conversations).map(({ room: name, with: others, head, read: marker = 0 }) => {
      const read = Math.max(marker, state.whispers.read);
      const room = state.rooms[name];
      const known = room && room.position !== UNKNOWN ? room : started(newRoom(name, { head }), read);
      return /** @type {[string, Room]} */ ([name, { ...known, others, status: "joined", ...readUpTo(read)(known) }]);
    });
    return { ...state, rooms: table(state.rooms, tableOf(found)) };
  },

  done(state, _frame, { request }) {
    const line = request?.t === "command" ? String(request.line) : "";
    const name = request?.t === "ignore" ? request.name : /^\/?ignore\s+(\S+)/i.exec(line)?.[1];
    return name ? withoutTyping(state, name.toLowerCase()) : state;
  },

  /** Only the answer to a request for all commands has them all. */
  help: (state, { commands }, { request }) =>
    request?.t === "help" && !request.command ? { ...state, commands } : state,

  rooms(state, { rooms, more = false }, { request }) {
    const find = request?.find ?? "";
    if (find !== "" && find !== state.sought) return state; // more letters were typed meanwhile
    return { ...state, directory: rooms, manyRooms: find === "" ? more : state.manyRooms };
  },

  moderation: (state, { room, bans, mutes, invitations }, { request }) =>
    withRoom(state, room, ({ moderation }) => {
      const newer = request?.before && moderation ? moderation : NO_MODERATION;
      return {
        moderation: {
          bans: [...newer.bans, ...bans],
          mutes: [...newer.mutes, ...mutes],
          invitations: [...newer.invitations, ...invitations],
        },
      };
    }),
};

/** The types of events: everything that has a position in the log of a room. */
const EVENTS = new Set([
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
  "mentions",
]);

/** What holds of a room that this person is not in. */
export const LEFT = Object.freeze({ status: /** @type {const} */ ("left"), people: [], members: 0 });

/** @param {State} state @param {Action} action @returns {State} */
export function receive(state, action) {
  const frame = /** @type {Frame} */ (action.frame);
  if (Object.hasOwn(FRAMES, frame.t)) return FRAMES[frame.t](state, frame, action);
  return EVENTS.has(frame.t) ? withEvent(state, /** @type {LogEvent} */ (frame)) : state;
}

/** With a line in the log of a room that only this person sees.
 * @param {State} state
 * @param {string} name
 * @param {string} text
 * @param {"notice" | "problem"} kind
 * @param {number} at
 */
export function withNote(state, name, text, kind, at) {
  const ts = new Date(at).toISOString();
  return withRoom(state, name, ({ log }) => ({
    log: aside(log, { t: "msg", room: name, seq: 0, id: `note ${++notes}`, ts, from: "", text, aside: kind }),
  }));
}

let notes = 0;

/** Without what came from a history of another epoch or user. The rooms stay, and are to be joined.
 * @param {State} state
 * @param {boolean} same the user is the same
 * @returns {State}
 */
function withoutHistory(state, same) {
  const rooms = Object.values(state.rooms).filter(({ conversation }) => !conversation);
  const anew = (/** @type {Room} */ { name, returning, status }) =>
    newRoom(name, { returning: same && returning, status: status === "offered" ? status : "joining" });
  return {
    ...state,
    rooms: tableOf(rooms.map((room) => [room.name, anew(room)])),
    whispers: NO_WHISPERS,
    lastWhisper: "",
  };
}

/** Without the sign that somebody is typing, in all rooms.
 * @param {State} state
 * @param {string} name in lower case
 */
function withoutTyping(state, name) {
  const typed = Object.values(state.rooms).filter(({ typing }) => Object.keys(typing).length);
  return typed.reduce((next, room) => {
    const others = Object.entries(room.typing).filter(([one]) => one.toLowerCase() !== name);
    return withRoom(next, room.name, () => ({ typing: tableOf(others) }));
  }, state);
}

/** Those of these people who had another name before.
 * @param {Room["people"]} people as it was known before
 * @param {readonly import("../types.d.ts").Person[]} changed
 */
const renamed = (people, changed) =>
  changed.filter(({ id, name }) => people?.some((known) => known.id === id && known.name !== name));

/** Those who are typing, without people who left or have another name now.
 * @param {Room["typing"]} typing
 * @param {Room["people"]} people as it was known before
 * @param {readonly import("../types.d.ts").Person[]} gone
 */
function stillTyping(typing, people, gone) {
  const ids = new Set(gone.map(({ id }) => id));
  const names = new Set(people?.filter(({ id, name }) => ids.has(id) && Object.hasOwn(typing, name)).map(({ name }) => name));
  return names.size ? tableOf(Object.entries(typing).filter(([name]) => !names.has(name))) : typing;
}

/** @param {readonly string[]} names @param {string} name */
const withName = (names, name) => [...new Set([...names, name.toLowerCase()])];

/** A room that is followed on from where it was; what was missed in between comes next.
 * @param {Room} room
 * @param {number} read
 * @returns {Room}
 */
function resumed(room, read) {
  const { position, head } = room;
  const missed = head > position ? { after: room.missed?.after ?? position, upto: head } : room.missed;
  return { ...room, missed, read: Math.max(room.read, read) };
}

/** A room that is followed from its head on. Who comes into a room for the first time has missed nothing there. Without a
 * read marker, who was there before has missed all of it, and a whisper is for its reader, however long ago it came.
 * @param {Room} room
 * @param {number} read
 * @returns {Room}
 */
function started(room, read) {
  const { head, conversation, returning } = room;
  const known = read || (conversation || returning ? 0 : head);
  const position = { position: head, delivered: 0, read: known, marker: known < head ? known : UNKNOWN };
  return { ...room, ...position, missed: null, behind: 0, loading: "", log: opened(head) };
}

/** @param {number} seq */
const readUpTo =
  (seq) =>
  (/** @type {{ read: number }} */ { read }) => ({ read: Math.max(read, seq) });

/** @param {State} state @param {Frame} joined @param {boolean} resumes @returns {State} */
function followedWhispers(state, { head, read = 0 }, resumes) {
  if (resumes) return withWhispersRead({ ...state, whispers: { ...state.whispers, head } }, read);
  const rooms = Object.entries(state.rooms).filter(([, { conversation }]) => !conversation);
  return { ...state, rooms: tableOf(rooms), whispers: { position: head, head, delivered: 0, read } };
}

/** With all whispers read up to a position: clients of text show each of them as it comes.
 * @param {State} state
 * @param {number} seq
 */
function withWhispersRead(state, seq) {
  const whispers = { ...state.whispers, ...readUpTo(seq)(state.whispers) };
  const conversations = Object.values(state.rooms).filter(({ conversation }) => conversation);
  return conversations.reduce((next, { name }) => withRoom(next, name, readUpTo(seq)), { ...state, whispers });
}

/** Why this person is not in the room any more, if its last event is a kick or ban of them.
 * @param {State} state
 * @param {Room} room
 */
function expulsionText({ names }, { log }) {
  const event = log.entries.findLast(({ aside }) => !aside);
  const isExpulsion = event && (event.t === "kick" || event.t === "ban");
  return isExpulsion && names.includes((event.whom ?? "").toLowerCase()) ? expelledText(event) : "";
}

/** The position up to which the events are known that may be the pending message.
 * @param {State} state
 * @param {import("../types.d.ts").Pending} pending
 */
function shownUpTo(state, { room, to }) {
  const log = state.rooms[room]?.log;
  if (to || isConversation(room) || !log) return state.whispers.position;
  return log.live ? log.last : state.rooms[room].position;
}

/** @param {State} state @param {LogEvent} event @returns {State} */
function withEvent(state, event) {
  const isWhisper = isConversation(event.room);
  const before = isWhisper ? withConversation(state, event) : state;
  const room = before.rooms[event.room];
  if (!room || event.seq <= (isWhisper ? state.whispers.position : room.position)) return state;
  const heard = event.notify === "here" && event.seq > room.head ? { ...event, heard: true } : event;
  const next = withRoom(before, room.name, () => ({ ...logged(before, room, heard), ...settingsAfter(room, event) }));
  const outbox = isMine(state, event) ? arrived(state.outbox, event) : state.outbox;
  const changed = { ...next, outbox, search: searchAfter(state.search, event) };
  return isWhisper ? withWhisper(changed, event) : changed;
}

/** Results of a search after an edit or a delete of one: its hits are in a text that is gone.
 * @param {State["search"]} search
 * @param {LogEvent} event
 */
function searchAfter(search, event) {
  const isAffected = (/** @type {LogEvent} */ { room, seq }) => room === event.room && seq === event.of;
  if (isShown(event) || !search.events.some(isAffected)) return search;
  const events = search.events.map((one) => (isAffected(one) ? { ...amend(one, event), marks: [] } : one));
  return { ...search, events: events.filter(({ deleted }) => !deleted) };
}

/** With the conversation that a whisper begins.
 * @param {State} state
 * @param {LogEvent} event
 */
function withConversation(state, event) {
  if (state.rooms[event.room]) return state;
  const to = (event.to ?? [event.whom ?? ""]).filter((name) => name && !state.names.includes(name.toLowerCase()));
  const others = isMine(state, event) ? to : [event.from, ...to];
  const room = newRoom(event.room, { status: "joined", others, head: event.seq - 1 });
  return { ...state, rooms: table(state.rooms, { [event.room]: started(room, 0) }) };
}

/** What an event changes in the log of its room, and in what is new there.
 * @param {State} state
 * @param {Room} room
 * @param {LogEvent} event
 * @returns {Partial<Room>}
 */
function logged(state, room, event) {
  const current = state.current === room.name;
  const log = append(room.log, event, room.following || !current);
  const position = { position: event.seq, delivered: event.seq, log };
  if (!isMessage(event)) return position;
  const behind = log.live ? 0 : room.behind + 1;
  const watched = current && state.watching && room.following;
  const isFirstNew = !isMine(state, event) && !watched && !unread(state, room).count;
  return { ...position, typing: without(room.typing, event.from), behind, marker: isFirstNew ? event.seq - 1 : room.marker };
}

/** What an event changes in the settings of its room.
 * @param {Room} room
 * @param {LogEvent} event
 * @returns {Partial<Room>}
 */
function settingsAfter(room, event) {
  const { t: kind, text = "", whom = "", about = 0, seconds = 0 } = event;
  const { operators, operatorUsers: ids } = room;
  if (Object.hasOwn(LISTS, kind)) return { moderation: moderationAfter(room.moderation, event) };
  if (kind === "topic") return { topic: text };
  if (kind === "slow") return { slow: seconds };
  if (kind === "mentions") return { mentions: text };
  if (kind === "private" || kind === "public") return { isPrivate: kind === "private" };
  if (kind === "owner") return { owner: whom, ownerUser: about };
  if (kind === "op") return { operators: [...operators, whom], operatorUsers: ids && [...ids, about] };
  if (kind === "deop") {
    const rest = operators.filter((name) => name !== whom);
    return { operators: rest, operatorUsers: ids && ids.filter((id) => id !== about) };
  }
  return {};
}

/** The list that an event adds somebody to, or takes them from.
 * @type {Record<string, keyof import("../types.d.ts").Moderation>}
 */
const LISTS = {
  ban: "bans",
  unban: "bans",
  mute: "mutes",
  unmute: "mutes",
  invite: "invitations",
  uninvite: "invitations",
};

/** @param {Room["moderation"]} moderation @param {LogEvent} event @returns {Room["moderation"]} */
function moderationAfter(moderation, { t: kind, about, whom: name = "", from: by, text: why, until, ts }) {
  if (!moderation || !about) return moderation;
  const others = moderation[LISTS[kind]].filter(({ id }) => id !== about);
  const added = kind.startsWith("un") ? [] : [{ id: about, name, by, why, until, ts }];
  return { ...moderation, [LISTS[kind]]: [...added, ...others] };
}

/** With a whisper in the room that is open too, where a change of it has to arrive as well. Who invites somebody sees that in
 * the room that it is about.
 * @param {State} state
 * @param {LogEvent} event
 * @returns {State}
 */
function withWhisper(state, event) {
  const { seq, room: name, id } = event;
  const whispers = { ...state.whispers, position: seq, delivered: seq };
  const next = { ...state, whispers };
  if (!isMessage(event)) return { ...next, rooms: withAmendedAsides(next.rooms, event) };
  const here = next.rooms[next.current];
  const invites = event.t === "invite" && isMine(state, event);
  const inline = here && !here.conversation && seq > whispers.head && !invites;
  const shown = inline
    ? withRoom(next, here.name, ({ log }) => ({
        log: aside(log, { ...event, id: `${id} here`, of: seq, aside: "whisper" }),
      }))
    : next;
  return { ...shown, lastWhisper: name };
}

/** @param {State["rooms"]} rooms @param {LogEvent} event */
function withAmendedAsides(rooms, event) {
  const isAffected = (/** @type {import("../types.d.ts").Entry} */ one) =>
    one.aside === "whisper" && one.room === event.room && one.of === event.of;
  const changed = Object.values(rooms).filter(({ log }) => log.entries.some(isAffected));
  const amended = changed.map((room) => {
    const entries = room.log.entries.map((one) => (isAffected(one) ? amend(one, event) : one));
    return /** @type {[string, Room]} */ ([room.name, { ...room, log: { ...room.log, entries } }]);
  });
  return table(rooms, tableOf(amended));
}
