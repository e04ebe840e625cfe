// What a person writes: drafts, messages, commands, and changes of messages.

import { format, isRoomName } from "../browser/address.js";
import { t } from "../i18n/messages.js";
import { replyText } from "../i18n/replies.js";
import { isConversation, isMine } from "../state/initial.js";
import { positionOf } from "../state/log.js";
import { parse } from "../text/commands.js";
import { complete, insert, wantsEmoji } from "../text/completion.js";

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

  /** What to do with each kind of parsed text. @type {Record<string, (parsed: any) => void>} */
  const handlers = {
    say: ({ text, me }) => session.say(state().current, text, me ? { me } : {}),
    whisper: ({ to, text }) => session.say(state().current, text, { to }),
    reply({ text }) {
      if (state().lastWhisper) session.say(state().lastWhisper, text);
      else note(t("error.not_found.whisper"), true);
    },
    join({ room }) {
      if (isRoomName(room)) navigation.go(room);
      else note(t("error.bad_room", { room }), true);
    },
    part: () => void navigation.leave(state().current),
    search({ words }) {
      search.search();
      if (words) search.find({ words });
    },
    rooms: () => navigation.rooms(),
    help: () => navigation.dialog({ kind: "help" }),
    logout: () => void account.logout(),
    async command({ line }) {
      const answer = await ask({ t: "command", room: state().current, line });
      if (answer) noteReply(line, answer);
    },
  };

  /** @param {string} line @param {import("../types.d.ts").Frame} answer */
  function noteReply(line, answer) {
    const [command, name] = line.slice(1).split(/\s+/);
    const text = replyText(answer, command.toLowerCase(), name);
    if (text) note(text);
  }

  /** @param {string} text @param {number} caret */
  function suggest(text, caret) {
    const mine = ++suggestions;
    const { emoji, commands } = state();
    if (wantsEmoji(text, caret) && !emoji.length) {
      void import("../text/emoji.js").then(({ EMOJI }) => {
        set({ emoji: EMOJI });
        if (mine === suggestions) suggest(text, caret);
      });
    }
    const known = { commands, emoji, names: namesToComplete(state()), rooms: roomsToComplete(state()) };
    const completion = complete(text, caret, known);
    set({ completion: completion && { ...completion, index: 0 } });
  }

  const composing = {
    /** The text in the field changed. @param {string} text @param {number} caret */
    input(text, caret) {
      const { current, editing } = state();
      if (editing) set({ editing: { ...editing, text } });
      else draft(current, text);
      suggest(text, caret);
      if (text && !text.startsWith("/") && !editing && Date.now() - typedAt > TYPING) {
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
      const { completion } = state();
      if (!completion) return { text, caret: text.length };
      const next = insert(text, completion, index ?? completion.index);
      composing.input(next.text, next.caret);
      set({ completion: null });
      return next;
    },

    /** @param {string} text */
    submit(text) {
      const { current, editing, commands } = state();
      if (editing) return composing.saveEdit(text);
      const parsed = parse(text, commands);
      if (parsed.kind === "nothing") return undefined;
      if (parsed.kind === "problem") return note(parsed.text, true);
      draft(current, "");
      set({ completion: null });
      return handlers[parsed.kind](parsed);
    },

    /** Ends editing with a new text of the message. @param {string} text */
    saveEdit(text) {
      const { editing } = state();
      set({ editing: null });
      if (!editing) return;
      const { room, seq, original } = editing;
      if (!text.trim()) navigation.dialog({ kind: "delete", room, seq, text: original });
      else if (text !== original) void ask({ t: "edit", room, seq, text: text.replace(/\s+$/, "") });
    },

    /** @param {Entry} entry */
    edit(entry) {
      const { room, text = "" } = entry;
      set({ editing: { room, seq: positionOf(entry), text, original: text }, active: "" });
    },

    editLast() {
      const { rooms, current } = state();
      const entries = rooms[current]?.log.entries ?? [];
      const mine = [...entries].reverse().find((one) => one.t === "msg" && !one.deleted && isMine(state(), one));
      if (mine) composing.edit(mine);
    },

    stopEditing: () => set({ editing: null }),

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
      const { me, current, drafts } = state();
      const id = user || idOf(state(), name);
      if (id && me) {
        const room = `@${[...new Set([id, me.id])].sort((a, b) => a - b).join(",")}`;
        session.open(room, 0, [name]);
        navigation.go(room);
      } else if (!drafts[current]?.startsWith("/w ")) draft(current, `/w ${name} ${drafts[current] ?? ""}`);
    },

    /** @param {string} name */
    mention(name) {
      navigation.closeDialog();
      const { current, drafts } = state();
      const text = drafts[current] ?? "";
      draft(current, `${text}${text && !text.endsWith(" ") ? " " : ""}@${name} `);
    },
  };
  return composing;
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

/** @param {State} state */
const roomsToComplete = ({ rooms, directory }) => [
  ...new Set([...Object.keys(rooms), ...directory.map(({ room }) => room)].filter((name) => !isConversation(name))),
];
