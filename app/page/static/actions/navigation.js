// What is in view: a room, a part of its log, a dialog, a panel.

import { format, parse } from "../browser/address.js";
import { panelsCover, rename, visit } from "../browser/history.js";
import { isConversation } from "../state/initial.js";

/** @typedef {ReturnType<typeof createNavigation>} Navigation */

/** How many pages of people who are banned, muted or invited are loaded. */
const MOST_PAGES = 20;
/** How long after the last letter rooms are looked for, in milliseconds. */
const PAUSE = 200;

/** @param {import("./tools.js").Tools} tools */
export function createNavigation({ store, session, state, set, ask }) {
  /** Asks who runs a room and, for its operators, who is banned, muted or invited. A refusal does not matter.
   * @param {string} room
   */
  async function lookUp(room) {
    if (isConversation(room)) return;
    const quietly = (/** @type {import("../types.d.ts").Request} */ request) => session.ask(request).catch(() => null);
    const settings = await quietly({ t: "room", room });
    if (!settings?.rank) return;
    let page = await quietly({ t: "moderation", room });
    for (let count = 1; page?.next && count < MOST_PAGES; count++)
      page = await quietly({ t: "moderation", room, before: page.next });
  }

  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  const navigation = {
    set,

    /** Shows what the address of the page names. */
    route() {
      const route = parse(location.hash) ?? { room: state().current, seq: 0 };
      if (route.room) session.open(route.room, route.seq);
      const { current } = state();
      if (current !== route.room) rename(format(current));
    },

    /** @param {string} room @param {number} [seq] a message in it */
    go(room, seq = 0) {
      visit(format(room, seq), navigation.route);
    },

    /** @param {string} room */
    async leave(room) {
      if (!isConversation(room)) await session.leave(room);
      if (state().current !== room) return;
      const next = Object.values(state().rooms).find((one) => !one.conversation && one.name !== room);
      navigation.closeDialog();
      if (next) navigation.go(next.name);
      else navigation.join(state().home);
    },

    /** Joins a room, and shows it. @param {string} room */
    join(room) {
      session.open(room, state().target?.room === room ? state().target?.seq : 0, { joins: true });
      if (parse(location.hash)?.room !== room) navigation.go(room);
    },

    /** The start of what is loaded comes into view. */
    nearTop() {
      const room = state().rooms[state().current];
      if (room && !room.log.oldest && !room.loading) void session.load(room.name, "before");
    },

    /** The end of what is loaded comes into view. */
    nearEnd() {
      const room = state().rooms[state().current];
      if (room && !room.log.live && !room.loading) void session.load(room.name, "after");
    },

    /** Goes to the end of the room. */
    latest() {
      const { current } = state();
      rename(format(current));
      session.latest(current);
    },

    /** Whether the end of the room is in view. @param {boolean} on */
    follow(on) {
      const { current, rooms } = state();
      if (rooms[current] && rooms[current].following !== on) store.dispatch({ type: "following", room: current, on });
    },

    /** Shows all of a long message, whose beginning stays where it is, or only its beginning again.
     * @param {string} id
     * @param {boolean} whole
     * @param {Element} [toggle]
     */
    expand(id, whole, toggle) {
      navigation.follow(false);
      set({ expanded: new Map(state().expanded).set(id, whole) });
      // That is drawn in the next frame.
      if (!whole) requestAnimationFrame(() => toggle?.closest("li")?.scrollIntoView({ block: "nearest" }));
    },

    /** The message that has the pointer or the focus. @param {string} id */
    activate: (id) => state().active !== id && set({ active: id }),

    /** @param {import("../types.d.ts").Dialog} dialog */
    dialog(dialog) {
      set({ dialog, problem: "", drawer: false });
      if (dialog.kind === "person" || dialog.kind === "room") void lookUp(state().current);
    },
    /** Closes a dialog, by default the one that is open. Nothing happens if another one took its place: what closes a
     * dialog may come late, such as its `close` event on a busy page.
     */
    closeDialog(dialog = state().dialog) {
      if (state().dialog === dialog) set({ dialog: null, problem: "" });
    },
    /** The sidebar of a narrow window. @param {boolean} open */
    drawer: (open) => set({ drawer: open }),
    /** Closes the panel where it covers the messages. */
    uncover: () => panelsCover() && set({ people: false, searching: false }),
    people: () => set({ people: !state().people || state().searching, searching: false }),

    rooms() {
      set({ sought: "" });
      navigation.dialog({ kind: "rooms" });
      void ask({ t: "rooms" });
    },

    /** Looks for rooms whose name has this part. @param {string} part */
    findRooms(part) {
      const sought = part.trim().replace(/^#/, "").toLowerCase();
      set({ sought });
      clearTimeout(timer);
      if (state().manyRooms) timer = setTimeout(() => void ask({ t: "rooms", find: sought || undefined }), PAUSE);
    },

    room: () => navigation.dialog({ kind: "room" }),

    /** @param {Partial<import("../types.d.ts").Settings>} change */
    settings: (change) => set({ settings: { ...state().settings, ...change } }),
  };
  return navigation;
}
