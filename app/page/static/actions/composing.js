// What a person writes: drafts, messages, commands, and changes of messages.

import { format, isRoomName } from "../browser/address.js";
import { t } from "../i18n/messages.js";
import { replyText } from "../i18n/replies.js";
import { editingOf, isConversation, isMine } from "../state/initial.js";
import { isShown, positionOf } from "../state/log.js";
import { amendment } from "../state/outbox.js";
import { holdsPassword, isBlank, withoutLead } from "../text/typed.js";
import { parse } from "../text/commands.js";
import { bytesLeft } from "../text/size.js";
import { problemText } from "./tools.js";

/** @typedef {import("../types.d.ts").State} State */
/** @typedef {import("../types.d.ts").Entry} Entry */

/** How often others learn that somebody is typing, in milliseconds. */
const TYPING = 2_500;

/**
 * @param {import("./tools.js").Tools} tools
 * @param {import("./navigation.js").Navigation} navigation
 * @param {ReturnType<typeof import("./search.js").createSearch>} search
 * @param {{ logout(): Promise<void> }} account
 */
export function createComposing({ store, session, state, set, toast, note, ask }, navigation, search, account) {
  let typedAt = 0;
  /** Only the last suggestions are shown: those of emoji come later, since they are loaded first. */
  let suggestions = 0;

  /** @param {string} room @param {string} text */
  const draft = (room, text) => store.dispatch({ type: "draft", room, text });

  /** Sends a message, and shows it: the end of the room comes into view. Only a whisper begins a conversation.
   * @param {string} room
   * @param {string} text
   * @param {{ me?: boolean, to?: string[] }} [how]
   */
  function say(room, text, how) {
    const { conversation, head, log, others } = state().rooms[room] ?? {};
    const begins = conversation && !head && !log.entries.length && others.length > 0;
    session.say(room, text, begins ? { ...how, to: [...others] } : how);
    navigation.latest();
  }

  /** Asks the server for what a line says. If that is not done, the line comes back into the field with the reason, or
   * is quoted with it if the field is in use.
   * @param {string} line
   * @param {import("../types.d.ts").Request} request
   */
  async function carryOut(line, request) {
    const room = state().current;
    try {
      return await session.ask(request);
    } catch (error) {
      const why = problemText(error);
      const { current, drafts, editing } = state();
      const isFree = !drafts[room];
      if (isFree) draft(room, line);
      if (isFree && current === room && !editing) set({ refusal: why });
      else store.dispatch({ type: "note", room, problem: true, text: t("composer.not_done", { line, why }) });
      return null;
    }
  }

  /** What to do with each kind of parsed text; gives why nothing is done with it.
   * @type {Record<string, (parsed: any, line: string) => string | void>}
   */
  const handlers = {
    problem: ({ text }) => text,
    say: ({ text, me }) => say(state().current, text, me ? { me } : {}),
    whisper: ({ to, text }) => say(state().current, text, { to }),
    reply({ text }) {
      if (!state().lastWhisper) return t("error.not_found.whisper");
      return say(state().lastWhisper, text);
    },
    join({ room }) {
      if (!isRoomName(room)) return t("error.bad_room", { room });
      return navigation.join(room);
    },
    part: () => void navigation.leave(state().current),
    room() {
      if (isConversation(state().current)) return t("error.bad_room.conversation");
      return navigation.room();
    },
    history: ({ count }, line) => void showHistory(count, line),
    login: ({ name, password }) => navigation.dialog({ kind: "login", name, password }),
    register: ({ password }) => navigation.dialog({ kind: "register", password }),
    password({ old, next }) {
      if (!state().features.includes("password")) return t("error.unknown_command", { command: "password" });
      return navigation.dialog({ kind: "password", old, next });
    },
    search({ words }) {
      search.search();
      if (words) search.find({ words });
    },
    rooms: () => navigation.rooms(),
    help: () => navigation.dialog({ kind: "help" }),
    logout: () => void account.logout(),
    command: ({ line }) => void runCommand(line),
  };

  /** Goes back by some messages. @param {number} count @param {string} line */
  async function showHistory(count, line) {
    const room = state().current;
    const page = await carryOut(line, { t: "history", room, limit: count });
    const first = page?.events.find(isShown);
    if (first) navigation.go(room, first.seq);
    else if (page) note(t("log.empty"));
  }

  /** @param {string} line */
  async function runCommand(line) {
    const room = state().current;
    const answer = await carryOut(line, { t: "command", room, line });
    if (!answer) return;
    if (state().current === room) {
      navigation.latest();
      if (answer.t === "moderation") navigation.room(); // that is where the lists are
    }
    const [command, name] = line.slice(1).split(/\s+/);
    const text = replyText(answer, command.toLowerCase(), name);
    if (text) note(text);
  }

  /** @param {string} text @param {number} caret */
  function suggest(text, caret) {
    const mine = ++suggestions;
    const { emoji, commands, reading } = state();
    if (!reading) return;
    const { complete, wantsEmoji } = reading.completing;
    if (wantsEmoji(text, caret) && !emoji.length) {
      void import("../text/emoji.js").then(({ EMOJI }) => {
        set({ emoji: EMOJI });
        if (mine === suggestions) suggest(text, caret);
      });
    }
    const people = { names: namesToComplete(state()), groups: groupsToComplete(state()) };
    const known = { commands, emoji, ...people, rooms: roomsToComplete(state()) };
    const completion = complete(text, caret, known);
    set({ completion: completion && { ...completion, index: 0 } });
  }

  /** Ends editing with a new text of the message; gives why it does not. It is sent as messages are.
   * @param {NonNullable<State["editing"]>} editing
   * @param {string} typed
   */
  function saveEdit({ room, seq, original }, typed) {
    const text = typed.replace(/\s+$/, "");
    if (holdsPassword(text)) return t("error.refused.password");
    const { outbox, epoch } = state();
    const pending = amendment(outbox, room, seq);
    set({ editing: null });
    if (isBlank(text)) navigation.dialog({ kind: "delete", room, seq, text: original });
    else if (pending || text !== original) session.say(room, text, { of: seq, epoch });
    return "";
  }

  const composing = {
    /** The text in the field changed. @param {string} text @param {number} caret */
    input(text, caret) {
      const { current } = state();
      const editing = editingOf(state());
      if (editing) set({ editing: { ...editing, text }, refusal: "" });
      else draft(current, text);
      suggest(text, caret);
      if (!isBlank(text) && !withoutLead(text).startsWith("/") && !editing && Date.now() - typedAt > TYPING) {
        typedAt = Date.now();
        session.typing(current);
      }
    },

    /** The suggestions for the text as it is now, which may not be drawn yet. */
    completion: () => state().completion,

    /** Chooses another suggestion. @param {number} by */
    choose(by) {
      const { completion } = state();
      if (!completion) return;
      const { length } = completion.items;
      set({ completion: { ...completion, index: (completion.index + by + length) % length } });
    },

    /** Accepts a suggestion; gives the new text and caret.
     * @param {string} text
     * @param {number} [index] the chosen one by default
     */
    accept(text, index) {
      const { completion, reading } = state();
      if (!completion || !reading) return { text, caret: text.length };
      const next = reading.completing.insert(text, completion, index ?? completion.index);
      composing.input(next.text, next.caret);
      set({ completion: null });
      return next;
    },

    /** Does what the text says. The field is empty then, unless nothing can be done with the text: then it stays, and
     * the reason is shown beside it.
     * @param {string} text
     */
    submit(text) {
      const { current, commands, limits } = state();
      if (bytesLeft(text, limits, current) < 0) return;
      const editing = editingOf(state());
      const parsed = editing ? null : parse(text, commands);
      if (parsed?.kind === "nothing") return;
      const refusal = (editing ? saveEdit(editing, text) : handlers[parsed?.kind ?? ""](parsed, text)) ?? "";
      if (parsed && !refusal) draft(current, "");
      set({ completion: null, refusal });
    },

    /** @param {Entry} entry */
    edit(entry) {
      const { room, text: original = "" } = entry;
      const seq = positionOf(entry);
      const text = amendment(state().outbox, room, seq)?.text ?? original;
      set({ editing: { room, seq, text, original, view: state().current }, active: "", refusal: "" });
    },

    editLast() {
      const { rooms, current } = state();
      const entries = rooms[current]?.log.entries ?? [];
      const mine = [...entries].reverse().find((one) => one.t === "msg" && !one.deleted && isMine(state(), one));
      if (mine) composing.edit(mine);
    },

    /** Gives whether anything was being edited. */
    stopEditing() {
      const editing = editingOf(state());
      if (editing) set({ editing: null, refusal: "" });
      return Boolean(editing);
    },

    /** @param {Entry} entry */
    askToDelete(entry) {
      const { room, text = "" } = entry;
      navigation.dialog({ kind: "delete", room, seq: positionOf(entry), text });
    },

    /** @param {string} room @param {number} seq */
    async remove(room, seq) {
      const { dialog } = state();
      if (await ask({ t: "delete", room, seq })) navigation.closeDialog(dialog);
    },

    /** Sends a message again that failed. @param {string} cid */
    again: (cid) => session.sayAgain(cid),
    /** @param {string} cid */
    discard: (cid) => store.dispatch({ type: "discard", cid }),
    /** Takes a message that failed back into the field, to change it. @param {import("../types.d.ts").Pending} pending */
    takeBack(pending) {
      const { cid, room, of } = pending;
      const { current, drafts } = state();
      const typed = typedText(pending);
      composing.discard(cid);
      if (of) set({ editing: { room, seq: of, text: typed, original: "", view: current }, refusal: "" });
      else draft(current, [typed, drafts[current]].filter(Boolean).join("\n"));
    },

    /** Copies the link to a room, or to a message in it. @param {string} room @param {number} [seq] */
    async copyLink(room, seq) {
      const { href } = new URL(format(room, seq), location.href);
      toast((await copied(href)) ? t("message.link_copied") : t("message.link_not_copied", { link: href }));
    },

    /** Begins a whisper: in the conversation, or with a command if the id of the person is not known.
     * @param {string} name
     * @param {number} [user]
     */
    whisper(name, user) {
      navigation.closeDialog();
      navigation.uncover();
      const { me, current, drafts } = state();
      const id = user || idOf(state(), name);
      if (id && me) {
        const room = `@${[...new Set([id, me.id])].sort((a, b) => a - b).join(",")}`;
        session.open(room, 0, { others: [name] });
        navigation.go(room);
      } else if (!drafts[current]?.startsWith("/w ")) draft(current, `/w ${name} ${drafts[current] ?? ""}`);
    },

    /** @param {string} name */
    mention(name) {
      navigation.closeDialog();
      navigation.uncover();
      const { current, drafts } = state();
      const text = drafts[current] ?? "";
      draft(current, `${text}${text && !text.endsWith(" ") ? " " : ""}@${name} `);
    },
  };
  return composing;
}

/** What a person typed to say a message.
 * @param {import("../types.d.ts").Pending} pending
 */
function typedText({ text, me, to, of }) {
  if (of) return text;
  if (to) return `/w ${to.join(",")} ${text}`;
  return me ? `/me ${text}` : text.replace(/^\//, "//");
}

/** Copies a text; gives whether the browser allowed it, which it does not on pages from plain http.
 * @param {string} text
 */
const copied = async (text) =>
  navigator.clipboard?.writeText(text).then(
    () => true,
    () => false,
  ) ?? false;

/** The id of somebody who is present in a room of this person, or 0.
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

/** The names of the authors, the last one first, and then of everybody else in the room. @param {State} state */
function namesToComplete(state) {
  const room = state.rooms[state.current];
  if (!room) return [];
  const authors = [...room.log.entries]
    .reverse()
    .filter((entry) => entry.t === "msg" && entry.from && !isMine(state, entry))
    .map(({ from }) => from);
  const present = (room.people ?? []).filter(({ id }) => id !== state.me?.id).map(({ name }) => name);
  return [...new Set([...authors, ...room.others, ...present])];
}

/** The words for all people of a room, for those who may mention them. @param {State} state */
function groupsToComplete({ rooms, current, reading }) {
  const room = rooms[current];
  return room && !room.conversation && (room.rank || room.mentions === "all") ? (reading?.GROUPS ?? []) : [];
}

/** @param {State} state */
const roomsToComplete = ({ rooms, directory }) => [
  ...new Set([...Object.keys(rooms), ...directory.map(({ room }) => room)].filter((name) => !isConversation(name))),
];
