// What a person can do: each is called by a view, and changes the state or asks the server.

import { wordsOf } from "./answers.js";
import { parse } from "./commands.js";
import { complete, insert, wantsEmoji } from "./completion.js";
import { Gone, Refused } from "./requests.js";
import { format, isRoomName, parse as parseRoute } from "./routes.js";
import { isConversation, isMe, NO_SEARCH } from "./state.js";

/** @typedef {import("./types.d.ts").State} State */
/** @typedef {import("./types.d.ts").Entry} Entry */
/** @typedef {import("./types.d.ts").Request} Request */
/** @typedef {ReturnType<typeof createActions>} Actions */

/** How often others are told that one types, in milliseconds. */
const TYPING = 2_500;
const TOAST = 2_500;
const FOUND = 20;

/**
 * @param {object} options
 * @param {import("./types.d.ts").Store} options.store
 * @param {ReturnType<typeof import("./session.js").createSession>} options.session
 * @param {() => Promise<string>} options.permit asks whether notifications may be shown
 */
export function createActions({ store, session, permit }) {
  const state = () => store.get();
  /** @param {Partial<State>} change */
  const set = (change) => store.dispatch({ type: "set", change });
  let typedAt = 0;
  let searches = 0;
  let suggestions = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let toasting;

  /** @param {string} text */
  function toast(text) {
    clearTimeout(toasting);
    set({ toast: text });
    toasting = setTimeout(() => set({ toast: "" }), TOAST);
  }

  /** @param {string} text @param {boolean} [problem] */
  const note = (text, problem = false) => store.dispatch({ type: "note", room: state().current, text, problem });

  /** Asks, and says in the dialog or else as a passing word what was refused.
   * @param {Request} request
   * @returns {Promise<import("./types.d.ts").Frame | null>}
   */
  async function ask(request) {
    set({ problem: "" });
    try {
      return await session.ask(request);
    } catch (error) {
      const text = problemOf(error);
      if (state().dialog) set({ problem: text });
      else note(text, true);
      return null;
    }
  }

  /** @param {string} room @param {number} [seq] */
  function go(room, seq = 0) {
    if (location.hash === format(room, seq)) act.route();
    else location.hash = format(room, seq);
  }

  /** @param {string} line */
  async function command(line) {
    const room = state().current;
    const answer = await ask({ t: "command", room, line });
    if (answer?.t === "found") act.found(answer);
    else if (answer) note(wordsOf(answer) || "");
  }

  /** @type {Record<string, (asked: any) => void>} */
  const typed = {
    say: ({ text, me }) => session.say(state().current, text, me ? { me } : {}),
    whisper: ({ to, text }) => session.say(state().current, text, { to }),
    reply({ text }) {
      if (state().lastWhisper) session.say(state().lastWhisper, text);
      else note("There is no whisper to reply to.", true);
    },
    join({ room }) {
      if (isRoomName(room)) go(room);
      else note("A room's name has 1 to 64 of a to z, 0 to 9, and . _ - inside.", true);
    },
    part: () => void act.leave(state().current),
    search({ words }) {
      act.search();
      if (words) void act.find(words);
    },
    rooms: () => act.rooms(),
    help: () => act.dialog({ kind: "help" }),
    logout: () => void act.logout(),
    command: ({ line }) => void command(line),
  };

  const act = {
    set,
    go,

    /** Shows what the address says. */
    route() {
      const route = parseRoute(location.hash) ?? { room: state().current || "lobby", seq: 0 };
      session.open(route.room, route.seq);
    },

    /** @param {string} name */
    enter: (name) => void session.enter(name.trim()),
    /** @param {string} name @param {string} password */
    login: (name, password) => void session.login(name.trim(), password),
    reconnect: () => session.retry(),

    /** @param {string} text @param {number} caret */
    input(text, caret) {
      const { current, editing } = state();
      if (editing) set({ editing: { ...editing, text } });
      else store.dispatch({ type: "draft", room: current, text });
      suggest(text, caret);
      if (text && !text.startsWith("/") && !editing && Date.now() - typedAt > TYPING) {
        typedAt = Date.now();
        session.typing(current);
      }
    },

    /** @param {number} by */
    choose(by) {
      const { completion } = state();
      if (!completion) return;
      const { length } = completion.items;
      set({ completion: { ...completion, index: (completion.index + by + length) % length } });
    },

    /** Puts the chosen candidate in; gives the new text and caret.
     * @param {string} text
     * @param {number} [index]
     */
    accept(text, index) {
      const { completion } = state();
      if (!completion) return { text, caret: text.length };
      const next = insert(text, completion, index ?? completion.index);
      act.input(next.text, next.caret);
      set({ completion: null });
      return next;
    },

    /** @param {string} text */
    submit(text) {
      const { current, editing, commands } = state();
      if (editing) return act.change(text);
      const asked = parse(text, commands);
      if (asked.kind === "nothing") return undefined;
      if (asked.kind === "problem") return note(asked.text, true);
      store.dispatch({ type: "draft", room: current, text: "" });
      set({ completion: null });
      return typed[asked.kind](asked);
    },

    /** @param {string} text */
    change(text) {
      const { editing } = state();
      set({ editing: null });
      if (!editing) return;
      const { room, seq } = editing;
      if (!text.trim()) act.dialog({ kind: "delete", room, seq, text: editing.original });
      else if (text !== editing.original) void ask({ t: "edit", room, seq, text: text.replace(/\s+$/, "") });
    },

    /** @param {Entry} entry */
    edit({ room, seq, of, aside, text = "" }) {
      set({ editing: { room, seq: aside ? (of ?? 0) : seq, text, original: text }, active: "" });
    },

    editLast() {
      const { rooms, current } = state();
      const entries = rooms[current]?.log.entries ?? [];
      const mine = [...entries].reverse().find((one) => one.t === "msg" && !one.deleted && !isNote(one) && isMe(state(), one.from));
      if (mine) act.edit(mine);
    },

    stopEditing: () => set({ editing: null }),

    /** @param {Entry} entry */
    askToDelete({ room, seq, of, aside, text = "" }) {
      act.dialog({ kind: "delete", room, seq: aside ? (of ?? 0) : seq, text });
    },

    /** @param {string} room @param {number} seq */
    async remove(room, seq) {
      if (await ask({ t: "delete", room, seq })) act.closeDialog();
    },

    /** @param {string} room @param {number} [seq] */
    async copyLink(room, seq) {
      const { href } = new URL(format(room, seq), location.href);
      toast((await copied(href)) ? "Link copied" : `The browser lets nothing be copied: ${href}`);
    },

    /** Whispers to somebody: in the conversation where it is known, or else by a command.
     * @param {string} name
     */
    whisper(name) {
      act.closeDialog();
      const { me, current, rooms, drafts } = state();
      const id = idOf(state(), name);
      if (id && me && id !== me.id) {
        const room = `@${[id, me.id].sort((a, b) => a - b).join(",")}`;
        session.open(room, 0, [name]);
        return go(room);
      }
      if (!rooms[current]) return undefined;
      const text = drafts[current]?.startsWith("/w ") ? drafts[current] : `/w ${name} ${drafts[current] ?? ""}`;
      store.dispatch({ type: "draft", room: current, text });
      return undefined;
    },

    /** @param {string} name */
    mention(name) {
      act.closeDialog();
      const { current, drafts } = state();
      const text = drafts[current] ?? "";
      store.dispatch({ type: "draft", room: current, text: `${text}${text && !text.endsWith(" ") ? " " : ""}@${name} ` });
    },

    /** @param {string} cid */
    again: (cid) => session.sayAgain(cid),
    /** @param {string} cid */
    discard: (cid) => store.dispatch({ type: "discard", cid }),

    /** @param {string} room */
    async leave(room) {
      if (!isConversation(room)) await session.leave(room);
      if (state().current !== room) return;
      const next = Object.values(state().rooms).find((one) => !one.private_ && one.name !== room);
      act.closeDialog();
      go(next?.name ?? "lobby");
    },

    /** @param {string} room */
    rejoin: (room) => session.open(room),

    /** The beginning of what is loaded comes near. */
    nearTop() {
      const room = state().rooms[state().current];
      if (room && !room.log.oldest && !room.loading) void session.load(room.name, "before");
    },

    /** The end of what is loaded comes near. */
    nearEnd() {
      const room = state().rooms[state().current];
      if (room && !room.log.live && !room.loading) void session.load(room.name, "after");
    },

    /** To the end of the room. */
    latest() {
      const { current } = state();
      history.replaceState(null, "", format(current));
      session.latest(current);
    },

    /** @param {boolean} on */
    follow(on) {
      const { current, rooms } = state();
      if (rooms[current] && rooms[current].following !== on) store.dispatch({ type: "following", room: current, on });
    },

    /** @param {string} id */
    activate: (id) => state().active !== id && set({ active: id }),

    /** @param {import("./types.d.ts").Dialog} dialog */
    dialog: (dialog) => set({ dialog, problem: "", drawer: false }),
    closeDialog: () => set({ dialog: null, problem: "" }),
    drawer: (/** @type {boolean} */ drawer) => set({ drawer }),
    people: () => set({ people: !state().people || state().searching, searching: false }),

    rooms() {
      act.dialog({ kind: "rooms" });
      void ask({ t: "rooms" });
    },

    room() {
      act.dialog({ kind: "room" });
      void ask({ t: "room", room: state().current });
    },

    /** A change of the room, or of what somebody may do in it.
     * @param {Request} request
     */
    async moderate(request) {
      const done = await ask({ room: state().current, ...request });
      if (done) toast("Done");
      return Boolean(done);
    },

    /** A request about oneself; its answer is said.
     * @param {Request} request
     */
    async account(request) {
      const answer = await ask(request);
      if (answer) toast(wordsOf(answer) || "Done");
      return Boolean(answer);
    },

    async logout() {
      await session.ask({ t: "logout" }).catch(() => null);
      session.leaveForGood();
    },

    search() {
      set({ searching: true, search: { ...NO_SEARCH, room: state().current } });
    },
    stopSearching: () => set({ searching: false }),

    /** @param {string} words @param {number} [before] */
    async find(words, before = 0) {
      const mine = ++searches;
      const room = state().current;
      const known = before ? state().search.events : [];
      set({ search: { ...NO_SEARCH, words, room, events: known, busy: true } });
      const page = before ? { before } : {};
      try {
        const found = await session.ask({ t: "search", room, words, limit: FOUND, ...page });
        if (mine === searches) act.found(found, known);
      } catch (error) {
        if (mine === searches) set({ search: { ...NO_SEARCH, words, room, problem: problemOf(error), done: true } });
      }
    },

    /** @param {import("./types.d.ts").Frame} frame @param {State["search"]["events"]} [known] */
    found({ room, words, events, more }, known = []) {
      set({ searching: true, search: { ...NO_SEARCH, room, words, more, done: true, events: [...events, ...known] } });
    },

    /** @param {Partial<import("./types.d.ts").Settings>} change */
    settings: (change) => set({ settings: { ...state().settings, ...change } }),

    /** Turns notifications on if the person lets the browser show them, or off. @param {boolean} on */
    async notify(on) {
      set({ asking: false });
      const permission = on ? await permit() : state().permission;
      set({ permission });
      act.settings({ notifications: on && permission === "granted", asked: true });
    },
  };

  /** @param {string} text @param {number} caret */
  function suggest(text, caret) {
    const { emoji, commands } = state();
    const mine = ++suggestions;
    if (wantsEmoji(text, caret) && !emoji.length) {
      void import("./emoji.js").then(({ EMOJI }) => {
        set({ emoji: EMOJI });
        if (mine === suggestions) suggest(text, caret);
      });
    }
    const known = { commands, emoji, names: namesAround(state()), rooms: roomsAround(state()) };
    const completion = complete(text, caret, known);
    set({ completion: completion && { ...completion, index: 0 } });
  }

  return act;
}

/** Whether a text could be put into the clipboard, which pages that came by plain http may not.
 * @param {string} text
 */
const copied = async (text) => navigator.clipboard?.writeText(text).then(() => true, () => false) ?? false;

/** @param {Entry} entry */
const isNote = ({ aside }) => aside === "notice" || aside === "problem";

/** @param {unknown} error */
function problemOf(error) {
  if (error instanceof Refused) return error.message;
  if (error instanceof Gone) return "The connection was lost before the server answered.";
  throw error;
}

/** The id of somebody who is in a room that one is in; 0 if nobody is known to be called so.
 * @param {State} state
 * @param {string} name
 */
function idOf({ rooms }, name) {
  for (const { people } of Object.values(rooms)) {
    const found = people?.find((person) => person.name.toLowerCase() === name.toLowerCase());
    if (found) return found.id;
  }
  return 0;
}

/** Names to complete: of who spoke last, then of all who are there. @param {State} state */
function namesAround(state) {
  const room = state.rooms[state.current];
  if (!room) return [];
  const spoke = [...room.log.entries].reverse().filter((one) => one.t === "msg" && one.from).map(({ from }) => from);
  const all = [...spoke, ...room.others, ...(room.people ?? []).map(({ name }) => name)];
  return [...new Set(all)].filter((name) => !isMe(state, name));
}

/** @param {State} state */
const roomsAround = ({ rooms, directory }) => [
  ...new Set([...Object.keys(rooms), ...directory.map(({ room }) => room)].filter((name) => !isConversation(name))),
];
