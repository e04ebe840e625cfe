// One person on one connection: what is asked when it begins, what is said, and what is said again after a break.

import { frameOf, waiting } from "../state/outbox.js";
import { ALL_WHISPERS } from "../state/frames.js";
import { PAGE } from "../state/log.js";
import { createRequests, Gone, Refused } from "./requests.js";
import { isConversation, UNKNOWN } from "../state/initial.js";

/** @typedef {import("../types.d.ts").Frame} Frame */
/** @typedef {import("../types.d.ts").Request} Request */
/** @typedef {import("../types.d.ts").State} State */

/** How long to wait before something is tried again that the server gave no time for, in milliseconds. */
const LATER = 1_000;
/** Events after which others may do more, or less: oneself too. */
const APPOINTMENTS = new Set(["owner", "op", "deop"]);
/** How many positions before a message its surroundings begin. */
const BEFORE = 40;

/**
 * @param {object} options
 * @param {import("../types.d.ts").Store} options.store
 * @param {{ send(frame: object): void, restart(): void, stop(): void, start(): void }} options.connection
 * @param {(account: { token: string, id: number, name: string } | null) => void} options.keep for next time
 * @param {() => string} [options.newId]
 * @param {(call: () => void, wait: number) => unknown} [options.later]
 */
export function createSession({ store, connection, keep, newId = randomId, later = setTimeout }) {
  const requests = createRequests((frame) => connection.send(frame));
  /** The `cid`s that were sent on this connection, or wait to be. @type {Set<string>} */
  const sending = new Set();
  /** Rooms in which nothing is said for a while: the server asked to wait. @type {Set<string>} */
  const held = new Set();
  let token = "";
  /** The name that was asked for on the first screen. */
  let wanted = "";
  /** Whether the rooms were joined on this connection. */
  let inside = false;

  const state = () => store.get();

  /** @param {State["connection"]} next */
  function changed(next) {
    if (next.phase !== "open" && next.phase !== "connecting") over();
    if (next.phase === "ended") fail(next.why);
    store.dispatch({ type: "connection", connection: next });
  }

  /** What was on the way when the connection ended for good may be why: it is not sent again unasked.
   * @param {string} why
   */
  function fail(why) {
    for (const { cid, state: is } of state().outbox) if (is === "sent") store.dispatch({ type: "failed", cid, why });
  }

  function over() {
    requests.end();
    sending.clear();
    held.clear();
    inside = false;
  }

  /** @param {Frame} frame */
  function received(frame) {
    if (frame.t === "welcome") return welcomed(frame);
    const request = requests.requestOf(frame);
    const before = state().me;
    store.dispatch({ type: "frame", frame, request });
    if (frame.t === "named") named(frame, before?.id);
    if (frame.t === "joined" && frame.room !== ALL_WHISPERS) arrivedIn(frame, request);
    if (frame.t === "error" && frame.rid === undefined) refused(frame);
    if (frame.t === "ack") sending.delete(frame.cid);
    if (APPOINTMENTS.has(frame.t)) void ask({ t: "room", room: frame.room });
    requests.answer(frame);
    return undefined;
  }

  /** @param {Frame} frame */
  function welcomed(frame) {
    over();
    requests.begin(frame.limits);
    const known = state().me;
    // On a store of its own a server gives the same ids anew.
    const another = known !== null && (known.id !== frame.id || (token !== "" && token !== frame.token));
    token = frame.token;
    store.dispatch({ type: "frame", frame });
    if (!state().current) store.dispatch({ type: "open", room: state().home });
    // A token that is not known any more makes a new guest; one that is registered logged in meanwhile, elsewhere.
    const asked = wanted || (another ? known.name : "");
    if (!asked || same(asked, frame.name) || (frame.registered && !wanted)) enter();
    else if (!wanted) claim(asked);
    // else the error that comes next says why the name can't be had
  }

  /** Goes in, under the name that one has by now. */
  function enter() {
    const { me, current, rooms } = state();
    if (!me) return;
    wanted = "";
    inside = true;
    keep({ token, id: me.id, name: me.name });
    store.dispatch({ type: "entered" });
    const names = [current, ...Object.keys(rooms)].filter((name) => name && !isConversation(name));
    void followWhispers();
    for (const name of new Set(names)) if (state().rooms[name]?.status !== "left") void join(name);
    void ask({ t: "help" });
  }

  /** @param {string} name */
  async function claim(name) {
    try {
      await requests.ask({ t: "nick", name });
    } catch (error) {
      if (error instanceof Refused) store.dispatch({ type: "refused", message: error.message, code: error.code });
    }
  }

  /** @param {Frame} frame @param {number | undefined} before */
  function named(frame, before) {
    // After a login one is somebody else, with other rooms and whispers.
    if (inside && before !== frame.id) return connection.restart();
    if (!inside) return enter();
    return keep({ token, id: frame.id, name: frame.name });
  }

  /** An error that answers no request: of a name that was asked for, or of something said.
   * @param {Frame} frame
   */
  function refused(frame) {
    if (frame.cid !== undefined) {
      sending.delete(frame.cid);
      if (frame.retry) hold(roomOf(frame.cid), frame.after ?? LATER);
    } else if (!inside && wanted) {
      store.dispatch({ type: "refused", message: frame.message, code: frame.code });
    }
  }

  /** @param {string} cid */
  const roomOf = (cid) => state().outbox.find((one) => one.cid === cid)?.room ?? "";

  /** @param {string} room @param {number} wait */
  function hold(room, wait) {
    if (held.has(room)) return;
    held.add(room);
    later(() => {
      if (held.delete(room)) flush(room);
    }, wait);
  }

  async function followWhispers() {
    const { whispers, epoch } = state();
    const after = whispers.position === UNKNOWN ? {} : { epoch, after: whispers.position };
    await ask({ t: "join", room: ALL_WHISPERS, ...after });
    await ask({ t: "conversations" });
    for (const { name, conversation, read, position } of Object.values(state().rooms)) {
      if (!conversation) continue;
      if (read < position) fill(name);
      flush(name);
    }
    if (isConversation(state().current)) fill(state().current);
  }

  /** @param {string} name */
  async function join(name) {
    const room = state().rooms[name];
    const after = !room || room.position === UNKNOWN ? {} : { epoch: state().epoch, after: room.position };
    store.dispatch({ type: "joining", room: name });
    try {
      await requests.ask({ t: "join", room: name, ...after });
    } catch (error) {
      if (error instanceof Refused) store.dispatch({ type: "barred", room: name, why: error.message });
    }
  }

  /** @param {Frame} frame @param {Request | undefined} request */
  function arrivedIn({ room: name, read = 0, head }, request) {
    if (request) void ask({ t: "room", room: name });
    if (state().current === name && request?.after === undefined) seek();
    if (state().current === name || (read && read < head)) fill(name);
    flush(name);
  }

  /** Loads what a room that is looked at lacks: it may have been joined just now.
   * @param {string} name
   */
  function fill(name) {
    const room = state().rooms[name];
    if (room && !room.log.entries.length && !room.log.oldest && state().target?.room !== name)
      void load(name, "before");
  }

  /** Loads the surroundings of a message that is to be shown and is not there. */
  function seek() {
    const { target, rooms } = state();
    const room = target && rooms[target.room];
    if (!room || room.log.entries.some(({ seq, aside }) => seq === target.seq && !aside)) return;
    void load(target.room, "around", Math.max(0, target.seq - BEFORE));
  }

  /** @param {string} name @param {"before" | "after" | "around"} direction @param {number} [after] */
  async function load(name, direction, after = 0) {
    const room = state().rooms[name];
    if (!inside || room?.status !== "joined" || (room.loading && direction !== "around")) return;
    store.dispatch({ type: "loading", room: name, direction });
    const { first, last } = room.log;
    const place = { before: { before: first }, after: { after: last }, around: { after } }[direction];
    const page = await ask({ t: "history", room: name, limit: PAGE, ...place });
    const log = state().rooms[name]?.log;
    // The window may have moved while the page was on its way: then it would leave a hole.
    const fits = { before: log?.first === first, after: log?.last === last, around: true }[direction];
    if (!page || !fits) return store.dispatch({ type: "loading", room: name, direction: "" });
    store.dispatch({ type: "page", room: name, direction, events: page.events, more: page.more, after });
    return direction === "around" ? missing(name) : undefined;
  }

  /** Says so if a message that was looked for is not there, and goes to the end.
   * @param {string} name
   */
  function missing(name) {
    const { target, rooms } = state();
    if (target?.room !== name || rooms[name].log.entries.some(({ seq }) => seq === target.seq)) return;
    latest(name);
    store.dispatch({ type: "note", room: name, problem: true, text: "That message is not here, or no longer." });
  }

  /** Goes to the end of a log, of which only an earlier part may be there.
   * @param {string} room
   */
  function latest(room) {
    store.dispatch({ type: "latest", room });
    fill(room);
  }

  /** Says what waits in a room, or in a conversation.
   * @param {string} name
   */
  function flush(name) {
    const room = state().rooms[name];
    if (!inside || held.has(name) || !room || room.status !== "joined") return;
    for (const pending of waiting(state().outbox, name)) {
      if (sending.has(pending.cid)) continue;
      sending.add(pending.cid);
      requests.send(frameOf(pending), () => store.dispatch({ type: "sent", cid: pending.cid }));
    }
  }

  /** Asks, and gives nothing where the answer is a refusal that nobody waits for.
   * @param {Request} request
   */
  async function ask(request) {
    try {
      return await requests.ask(request);
    } catch (error) {
      if (error instanceof Refused || error instanceof Gone) return null;
      throw error;
    }
  }

  return {
    changed,
    received,
    load,
    seek,
    flush,
    fill,
    /** Asks, and rejects with Refused or Gone. */
    ask: requests.ask,

    /** Who to be on the next connection. */
    identity: () => ({ name: token ? "" : wanted, token }),

    /** @param {string} kept the token of an earlier visit */
    resume(kept) {
      token = kept;
      connection.start();
    },

    /** @param {string} name */
    async enter(name) {
      const connected = state().connection.phase === "open";
      wanted = name;
      store.dispatch({ type: "enter", name });
      if (connected) await claim(name);
      else connection.start();
    },

    /** Connects now, if it is not connected. */
    retry: () => connection.start(),

    /** @param {string} name @param {string} password */
    async login(name, password) {
      store.dispatch({ type: "enter", name });
      try {
        await requests.ask({ t: "login", name, password });
      } catch (error) {
        if (error instanceof Refused) store.dispatch({ type: "refused", message: error.message, code: error.code });
      }
    },

    /** @param {string} room @param {number} [seq] @param {string[]} [others] */
    open(room, seq = 0, others = []) {
      const known = state().rooms[room];
      store.dispatch({ type: "open", room, seq, others });
      if (!inside) return;
      if (!isConversation(room) && (!known || known.status === "left")) void join(room);
      else if (seq) seek();
      else fill(room);
    },

    /** @param {string} room */
    async leave(room) {
      await ask({ t: "part", room });
      store.dispatch({ type: "frame", frame: { t: "parted", room } });
    },

    /** @param {string} room @param {string} text @param {{ me?: boolean, to?: string[] }} [how] */
    say(room, text, how = {}) {
      const pending = { cid: newId(), room, text, at: Date.now(), state: "queued", ...how };
      store.dispatch({ type: "say", pending });
      flush(room);
    },

    /** @param {string} cid */
    sayAgain(cid) {
      store.dispatch({ type: "again", cid });
      flush(roomOf(cid));
    },

    /** @param {string} room @param {number} seq */
    async read(room, seq) {
      store.dispatch({ type: "read", room, seq });
      if (inside) await ask({ t: "read", room, seq });
    },

    /** @param {string} room */
    typing(room) {
      if (inside) requests.hint({ t: "typing", room });
    },

    latest,

    leaveForGood() {
      token = "";
      wanted = "";
      keep(null);
      store.dispatch({ type: "forget" });
      connection.stop();
    },
  };
}

/** Works on pages that came by plain http too, which have no `crypto.randomUUID`. */
const randomId = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");

/** @param {string} one @param {string} other */
const same = (one, other) => one.toLowerCase() === other.toLowerCase();
