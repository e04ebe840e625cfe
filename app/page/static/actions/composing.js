// What one writes: drafts, messages, commands, and changes of what was said.

import { wordsOf } from "../i18n/answers.js";
import { parse } from "../text/commands.js";
import { complete, insert, wantsEmoji } from "../text/completion.js";
import { positionOf } from "../state/log.js";
import { format, isRoomName } from "../browser/address.js";
import { isConversation, isMine } from "../state/initial.js";

/** @typedef {import("../types.d.ts").State} State */
/** @typedef {import("../types.d.ts").Entry} Entry */

/** How often others are told that one types, in milliseconds. */
const TYPING = 2_500;

/**
 * @param {import("./tools.js").Tools} tools
 * @param {import("./navigation.js").Viewing} view
 * @param {ReturnType<typeof import("./search.js").createSearching>} searching
 * @param {{ logout(): Promise<void> }} account
 */
export function createWriting({ store, session, state, set, toast, note, ask }, view, searching, account) {
  let typedAt = 0;
  /** Of several looks for what completes a word the last one counts: emoji come later. */
  let suggestions = 0;

  /** @param {string} room @param {string} text */
  const draft = (room, text) => store.dispatch({ type: "draft", room, text });

  /** @type {Record<string, (asked: any) => void>} */
  const typed = {
    say: ({ text, me }) => session.say(state().current, text, me ? { me } : {}),
    whisper: ({ to, text }) => session.say(state().current, text, { to }),
    reply({ text }) {
      if (state().lastWhisper) session.say(state().lastWhisper, text);
      else note("There is no whisper to reply to.", true);
    },
    join({ room }) {
      if (isRoomName(room)) view.go(room);
      else note("A room's name has 1 to 64 of a to z, 0 to 9, and . _ - inside.", true);
    },
    part: () => void view.leave(state().current),
    search({ words }) {
      searching.search();
      if (words) void searching.find(words);
    },
    rooms: () => view.rooms(),
    help: () => view.dialog({ kind: "help" }),
    logout: () => void account.logout(),
    async command({ line }) {
      const answer = await ask({ t: "command", room: state().current, line });
      if (answer?.t === "found") searching.found(answer);
      else if (answer) noteAnswer(answer);
    },
  };

  /** @param {import("../types.d.ts").Frame} answer */
  function noteAnswer(answer) {
    const words = wordsOf(answer);
    if (words) note(words);
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
    const known = { commands, emoji, names: namesAround(state()), rooms: roomsAround(state()) };
    const completion = complete(text, caret, known);
    set({ completion: completion && { ...completion, index: 0 } });
  }

  const write = {
    /** @param {string} text what is in the field by now @param {number} caret */
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

    /** Another of the suggestions. @param {number} by */
    choose(by) {
      const { completion } = state();
      if (!completion) return;
      const { length } = completion.items;
      set({ completion: { ...completion, index: (completion.index + by + length) % length } });
    },

    /** Puts a suggestion in; gives the new text and caret.
     * @param {string} text
     * @param {number} [index] the chosen one, unless it says which
     */
    accept(text, index) {
      const { completion } = state();
      if (!completion) return { text, caret: text.length };
      const next = insert(text, completion, index ?? completion.index);
      write.input(next.text, next.caret);
      set({ completion: null });
      return next;
    },

    /** @param {string} text */
    submit(text) {
      const { current, editing, commands } = state();
      if (editing) return write.change(text);
      const asked = parse(text, commands);
      if (asked.kind === "nothing") return undefined;
      if (asked.kind === "problem") return note(asked.text, true);
      draft(current, "");
      set({ completion: null });
      return typed[asked.kind](asked);
    },

    /** Ends the editing of a message, which is to say `text` from now on. @param {string} text */
    change(text) {
      const { editing } = state();
      set({ editing: null });
      if (!editing) return;
      const { room, seq, original } = editing;
      if (!text.trim()) view.dialog({ kind: "delete", room, seq, text: original });
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
      if (mine) write.edit(mine);
    },

    stopEditing: () => set({ editing: null }),

    /** @param {Entry} entry */
    askToDelete(entry) {
      const { room, text = "" } = entry;
      view.dialog({ kind: "delete", room, seq: positionOf(entry), text });
    },

    /** @param {string} room @param {number} seq */
    async remove(room, seq) {
      if (await ask({ t: "delete", room, seq })) view.closeDialog();
    },

    /** @param {string} cid */
    again: (cid) => session.sayAgain(cid),
    /** @param {string} cid */
    discard: (cid) => store.dispatch({ type: "discard", cid }),

    /** To a room, or to a message in it. @param {string} room @param {number} [seq] */
    async copyLink(room, seq) {
      const { href } = new URL(format(room, seq), location.href);
      toast((await copied(href)) ? "Link copied" : `The browser lets nothing be copied: ${href}`);
    },

    /** Whispers to somebody: in the conversation, or by a command where nobody here is called so.
     * @param {string} name
     * @param {number} [user] the id, where it is known
     */
    whisper(name, user) {
      view.closeDialog();
      const { me, current, drafts } = state();
      const id = user || idOf(state(), name);
      if (id && me) {
        const room = `@${[...new Set([id, me.id])].sort((a, b) => a - b).join(",")}`;
        session.open(room, 0, [name]);
        view.go(room);
      } else if (!drafts[current]?.startsWith("/w ")) draft(current, `/w ${name} ${drafts[current] ?? ""}`);
    },

    /** @param {string} name */
    mention(name) {
      view.closeDialog();
      const { current, drafts } = state();
      const text = drafts[current] ?? "";
      draft(current, `${text}${text && !text.endsWith(" ") ? " " : ""}@${name} `);
    },
  };
  return write;
}

/** Whether a text could be put into the clipboard, which pages that came by plain http may not.
 * @param {string} text
 */
const copied = async (text) =>
  navigator.clipboard?.writeText(text).then(
    () => true,
    () => false,
  ) ?? false;

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
  const spoke = [...room.log.entries]
    .reverse()
    .filter((entry) => entry.t === "msg" && entry.from && !isMine(state, entry))
    .map(({ from }) => from);
  const here = (room.people ?? []).filter(({ id }) => id !== state.me?.id).map(({ name }) => name);
  return [...new Set([...spoke, ...room.others, ...here])];
}

/** @param {State} state */
const roomsAround = ({ rooms, directory }) => [
  ...new Set([...Object.keys(rooms), ...directory.map(({ room }) => room)].filter((name) => !isConversation(name))),
];
