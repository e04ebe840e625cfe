// One person on one connection: what to ask for when it opens, what to send, and what to send again after a break.

import { errorText } from "../i18n/errors.js";
import { t } from "../i18n/messages.js";
import { ALL_WHISPERS } from "../state/frames.js";
import { isConversation, UNKNOWN } from "../state/initial.js";
import { isLoaded, PAGE } from "../state/log.js";
import { frameOf, queued } from "../state/outbox.js";
import { createRequests, Gone, Refused } from "./requests.js";

/** @typedef {import("../types.d.ts").Frame} Frame */
/** @typedef {import("../types.d.ts").Request} Request */
/** @typedef {import("../types.d.ts").State} State */

/** Milliseconds before a retry for which the server named no time. */
const RETRY = 1_000;
/** Events that change what people may do in a room, this person too. */
const APPOINTMENTS = new Set(["owner", "op", "deop"]);
/** What holds of a room that this person is not in. */
const AWAY = new Set(["left", "offered"]);
/** How many positions before a message to load with it. */
const CONTEXT = 40;

/**
 * @param {object} options
 * @param {import("../types.d.ts").Store} options.store
 * @param {{ send(frame: object): void, restart(): void, stop(): void, start(): void }} options.connection
 * @param {(account: { token: string, id: number, name: string } | null) => void} options.keep saves it for next time
 * @param {() => string} [options.newId]
 * @param {(call: () => void, wait: number) => unknown} [options.later]
 */
export function createSession({ store, connection, keep, newId = randomId, later = setTimeout }) {
  const requests = createRequests((frame) => connection.send(frame));
  /** The `cid`s that are sent on this connection, or queued for it. @type {Set<string>} */
  const sending = new Set();
  /** Rooms in which the server asked to wait before the next message. @type {Set<string>} */
  const paused = new Set();
  let token = "";
  /** The id of the person whom another tab signed in; 0 if none did. */
  let expected = 0;
  /** The name that was asked for on the first screen. */
  let wanted = "";
  /** Whether the rooms were joined on this connection. */
  let entered = false;

  const state = () => store.get();

  /** The state of the connection changed.
   * @param {State["connection"]} next
   */
  function changed(next) {
    if (next.phase !== "open" && next.phase !== "connecting") reset();
    if (next.phase === "ended") failSent(next.why);
    store.dispatch({ type: "connection", connection: next });
  }

  /** A message that was on its way when the server refused the connection may be the cause, so it is not sent again
   * unless the person wants that.
   * @param {string} why
   */
  function failSent(why) {
    for (const { cid, state: is } of state().outbox) if (is === "sent") store.dispatch({ type: "failed", cid, why });
  }

  function reset() {
    requests.end();
    sending.clear();
    paused.clear();
    entered = false;
  }

  /** @param {Frame} frame */
  function received(frame) {
    if (frame.t === "welcome") return welcomed(frame);
    const request = requests.requestOf(frame);
    store.dispatch({ type: "frame", frame, request });
    if (frame.t === "named") named(frame, request);
    if (frame.t === "joined" && frame.room !== ALL_WHISPERS) joined(frame, request);
    if (frame.t === "error" && frame.rid === undefined) refused(frame);
    if (frame.t === "ack") sending.delete(frame.cid);
    if (APPOINTMENTS.has(frame.t)) void ask({ t: "room", room: frame.room });
    requests.answer(frame);
    return undefined;
  }

  /** @param {Frame} frame */
  function welcomed(frame) {
    reset();
    requests.begin(frame.limits);
    const known = state().me;
    // A server with a new store gives ids that another person had in the old one, so compare the tokens too.
    const isNew = known !== null && (known.id !== frame.id || (token !== "" && token !== frame.token));
    const isOther = isNew && frame.id !== expected;
    expected = 0;
    token = frame.token;
    store.dispatch({ type: "frame", frame });
    if (!state().current) store.dispatch({ type: "open", room: state().home });
    if (!wanted && state().screen === "name") return; // the server refused the name before, and asks for another one
    // The server makes a new guest of somebody whose token it does not know. If the user is registered, somebody logged
    // in with this token in another tab.
    const isUnnamed = frame.name === `user${frame.id - 1}`; // also if the name was free again, since nothing was said
    const name = wanted || (known && (isOther || isUnnamed) ? known.name : "");
    if (!name || isSame(name, frame.name) || (frame.registered && !wanted)) enter();
    else if (!wanted) void claim(name);
    // otherwise the next frame is the error that says why the name can't be used
  }

  /** Leaves the first screen, under the name that the person has by now. */
  function enter() {
    const { me, current, rooms } = state();
    if (!me) return;
    wanted = "";
    entered = true;
    keep({ token, id: me.id, name: me.name });
    store.dispatch({ type: "entered" });
    const names = [current, ...Object.keys(rooms)].filter((name) => name && !isConversation(name));
    void followWhispers();
    for (const name of new Set(names)) if (!AWAY.has(state().rooms[name]?.status)) void join(name);
    void ask({ t: "help" });
  }

  /** Asks for a name on this connection. The first screen has it in its field, if it's refused.
   * @param {string} name
   */
  async function claim(name) {
    store.dispatch({ type: "enter", name });
    try {
      await orRefuse(requests.ask({ t: "nick", name }));
    } catch (error) {
      if (!(error instanceof Gone)) throw error; // the next connection is asked for the name
    }
  }

  /** Waits for an answer. If the server refuses, the first screen says why.
   * @param {Promise<unknown>} answer rejects with Gone, as this does
   */
  async function orRefuse(answer) {
    try {
      await answer;
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      refuse(error.message, error.code, error.reason);
    }
  }

  /** Shows on the first screen why the server refused a name or a password.
   * @param {string} message
   * @param {string} code
   * @param {string | undefined} reason
   */
  const refuse = (message, code, reason = undefined) => store.dispatch({ type: "refused", message, code, reason });

  /** @param {Frame} frame @param {import("../types.d.ts").Request | undefined} request what it answers */
  function named(frame, request) {
    // Who logs in, registers or has a new password gets another token, and the one before ends.
    token = frame.token ?? token;
    if (!entered) return enter();
    keep({ token, id: frame.id, name: frame.name });
    // Someone who logs in is in no room then, and may be another user, with other rooms and whispers.
    return request?.t === "login" ? connection.restart() : undefined;
  }

  /** Handles an error that answers no request: it is about the name in the address of the connection, or a message.
   * @param {Frame} error
   */
  function refused(error) {
    if (error.cid !== undefined) {
      sending.delete(error.cid);
      if (error.retry) pause(roomOf(error.cid), error.after ?? RETRY);
    } else if (!entered && wanted) {
      refuse(errorText(error), error.code, error.reason);
    }
  }

  /** @param {string} cid */
  const roomOf = (cid) => state().outbox.find((one) => one.cid === cid)?.room ?? "";

  /** Sends nothing in a room for a while.
   * @param {string} room
   * @param {number} wait
   */
  function pause(room, wait) {
    if (paused.has(room)) return;
    paused.add(room);
    later(() => {
      if (paused.delete(room)) flush(room);
    }, wait);
  }

  /** Shows a room, unless it is a conversation of others, whose address leads nowhere. It is joined if the person was in
   * it before, or asked to join it, as on the first screen: a link to another room may be anyone's.
   * @param {string} room
   * @param {number} [seq] a message in it
   * @param {{ others?: string[], joins?: boolean }} [how]
   */
  function open(room, seq = 0, { others = [], joins = state().screen === "name" } = {}) {
    const known = state().rooms[room];
    const isIn = room.slice(1).split(",").includes(String(state().me?.id));
    if (entered && isConversation(room) && !known && !isIn) {
      store.dispatch({ type: "note", room: state().current, problem: true, text: t("log.missing") });
      return;
    }
    store.dispatch({ type: "open", room, seq, others, offers: !joins });
    if (joins && known?.status === "offered") store.dispatch({ type: "joining", room });
    if (!entered) return;
    if (!isConversation(room) && (joins ? known?.status !== "joined" : known?.status === "left")) void join(room);
    else if (seq) seek();
    else void fill(room);
  }

  async function followWhispers() {
    const { whispers, epoch } = state();
    const after = whispers.position === UNKNOWN ? {} : { epoch, after: whispers.position };
    await ask({ t: "join", room: ALL_WHISPERS, ...after });
    await ask({ t: "conversations" });
    const conversations = Object.values(state().rooms).filter(({ conversation }) => conversation);
    for (const { name } of conversations) flush(name);
    // The address may name a conversation of somebody else, such as who was here before.
    if (!state().rooms[state().current]) open(state().home, 0, { joins: true });
    if (isConversation(state().current)) void fill(state().current);
    // One after another, so that what the person asks for meanwhile does not wait for all of them.
    for (const { name, read, position } of conversations) if (read < position) await fill(name);
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
  function joined({ room: name, head }, request) {
    if (request) void ask({ t: "room", room: name });
    if (state().current === name && request?.after === undefined) seek();
    if (state().current === name || state().rooms[name].read < head) void fill(name);
    flush(name);
  }

  /** Loads the newest page of a room that has nothing loaded yet.
   * @param {string} name
   */
  async function fill(name) {
    const room = state().rooms[name];
    if (room && !isLoaded(room) && state().target?.room !== name) await load(name, "before");
  }

  /** Loads the surroundings of the message to show, if it is not loaded. */
  function seek() {
    const { target, rooms } = state();
    const room = target && rooms[target.room];
    if (!room || room.log.entries.some(({ seq, aside }) => seq === target.seq && !aside)) return;
    void load(target.room, "around", Math.max(0, target.seq - CONTEXT));
  }

  /** Loads a page of history.
   * @param {string} name
   * @param {"before" | "after" | "around"} direction
   * @param {number} [after]
   */
  async function load(name, direction, after = 0) {
    const room = state().rooms[name];
    if (!entered || room?.status !== "joined" || (room.loading && direction !== "around")) return;
    store.dispatch({ type: "loading", room: name, direction });
    const { first, last } = room.log;
    const place = { before: { before: first }, after: { after: last }, around: { after } }[direction];
    const page = await ask({ t: "history", room: name, limit: PAGE, fold: true, ...place });
    const seq = direction === "around" && page?.more ? (state().target?.seq ?? 0) : 0;
    // A page of long messages is a short one: it may end before the message to show.
    if (page && after < seq - 1 && !page.events.some((/** @type {Frame} */ event) => event.seq >= seq))
      return load(name, direction, seq - 1);
    const log = state().rooms[name]?.log;
    // A page leaves a hole if the window moved while it was on its way.
    const fits = { before: log?.first === first, after: log?.last === last, around: true }[direction];
    if (!page || !fits) return store.dispatch({ type: "loading", room: name, direction: "" });
    store.dispatch({ type: "page", room: name, direction, events: page.events, more: page.more, after });
    return direction === "around" ? reportMissing(name) : undefined;
  }

  /** If the message to show does not exist, says so and goes to the end of the room.
   * @param {string} name
   */
  function reportMissing(name) {
    const { target, rooms } = state();
    if (target?.room !== name || rooms[name].log.entries.some(({ seq }) => seq === target.seq)) return;
    latest(name);
    store.dispatch({ type: "note", room: name, problem: true, text: t("log.missing") });
  }

  /** Goes to the end of a room, also if only an earlier part is loaded.
   * @param {string} room
   */
  function latest(room) {
    store.dispatch({ type: "latest", room });
    void fill(room);
  }

  /** Sends the queued messages of a room or conversation.
   * @param {string} name
   */
  function flush(name) {
    const room = state().rooms[name];
    if (!entered || paused.has(name) || !room || room.status !== "joined") return;
    for (const pending of queued(state().outbox, name)) {
      if (sending.has(pending.cid)) continue;
      sending.add(pending.cid);
      const sent = () => store.dispatch({ type: "sent", cid: pending.cid });
      if (pending.of) void amend(pending, sent);
      else requests.send(frameOf(pending), sent);
    }
  }

  /** Sends the new text of a message. Its answer and its refusal do what those of a message do.
   * @param {import("../types.d.ts").Pending} pending
   * @param {() => void} sent
   */
  async function amend(pending, sent) {
    const { cid } = pending;
    try {
      await requests.ask(frameOf(pending), sent);
      store.dispatch({ type: "discard", cid });
    } catch (error) {
      if (error instanceof Refused) received({ ...error.frame, rid: undefined, cid });
      else if (!(error instanceof Gone)) throw error;
    }
  }

  /** Asks for something whose refusal does not matter: then the answer is null.
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

  /** Forgets who this person is, and goes back to the first screen. */
  function logOut() {
    token = "";
    wanted = "";
    keep(null);
    store.dispatch({ type: "forget" });
    connection.stop();
  }

  return {
    changed,
    received,
    open,
    load,
    logOut,
    /** Asks; rejects with Refused or Gone. */
    ask: requests.ask,

    /** Who to be on the next connection. */
    identity: () => ({ name: token ? "" : wanted, token }),

    /** Connects as the person of an earlier visit. @param {string} saved their token */
    resume(saved) {
      token = saved;
      connection.start();
    },

    /** Asks for a name on the first screen. @param {string} name */
    async enter(name) {
      const connected = state().connection.phase === "open";
      wanted = name;
      if (connected) return claim(name);
      store.dispatch({ type: "enter", name });
      return connection.start();
    },

    /** Connects now, unless it is connected. */
    retry: () => connection.start(),

    /** @param {string} name @param {string} password */
    async login(name, password) {
      store.dispatch({ type: "enter", name });
      try {
        await orRefuse(requests.ask({ t: "login", name, password }));
      } catch (error) {
        if (!(error instanceof Gone)) throw error;
        refuse(t(error.sent ? "status.lost" : "status.not_connected"), "wrong_password");
      }
    },

    /** @param {string} room */
    async leave(room) {
      await ask({ t: "part", room });
      store.dispatch({ type: "frame", frame: { t: "parted", room } });
    },

    /** Sends a message, or its new text.
     * @param {string} room
     * @param {string} text
     * @param {{ me?: boolean, to?: string[], of?: number, epoch?: string }} [how]
     */
    say(room, text, how = {}) {
      const pending = { cid: newId(), room, text, at: Date.now(), state: "queued", ...how };
      store.dispatch({ type: "say", pending });
      flush(room);
    },

    /** Sends a message again that failed. @param {string} cid */
    sayAgain(cid) {
      store.dispatch({ type: "again", cid });
      flush(roomOf(cid));
    },

    /** The person has read a room up to a position. @param {string} room @param {number} seq */
    async read(room, seq) {
      store.dispatch({ type: "read", room, seq });
      if (entered) await ask({ t: "read", room, seq });
    },

    /** @param {string} room */
    typing(room) {
      if (entered) requests.hint({ t: "typing", room });
    },

    latest,

    /** Another tab logged out, or has another token by now: the one of this tab has ended.
     * @param {{ token: string, id: number } | null} account what that tab keeps
     */
    adopt(account) {
      if (!token || account?.token === token) return;
      if (!account) return logOut();
      ({ token, id: expected } = account);
      connection.restart();
    },
  };
}

/** Works on pages from plain http too, where there is no `crypto.randomUUID`. */
const randomId = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");

/** @param {string} one @param {string} other */
const isSame = (one, other) => one.toLowerCase() === other.toLowerCase();
