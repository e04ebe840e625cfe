// What of the state is kept in the browser, and what it begins with on the next visit.

import { interrupted } from "./outbox.js";
import { newRoom, SETTINGS } from "./initial.js";

/** @typedef {import("../types.d.ts").State} State */
/** @typedef {ReturnType<typeof import("../browser/storage.js").createStorage>} Kept */

/** Whether to be in the room again on the next visit. @param {import("../types.d.ts").Room} room */
const joins = ({ conversation, status }) => !conversation && status !== "left";

/** How long after a change drafts are written, in milliseconds. */
const SOON = 300;

/** @param {Kept} kept @returns {Partial<State>} */
export function restored(kept) {
  const account = kept.get("account");
  const rooms = /** @type {string[]} */ (kept.get("rooms", []));
  return {
    screen: account ? "chat" : "name",
    me: account && { id: account.id, name: account.name, registered: false },
    names: account ? [account.name.toLowerCase()] : [],
    entering: { busy: false, name: account?.name ?? kept.get("name", ""), problem: "", code: "" },
    rooms: Object.fromEntries(rooms.map((name) => [name, newRoom(name)])),
    settings: { ...SETTINGS, ...kept.get("settings", {}) },
    drafts: kept.get("drafts", {}),
    outbox: interrupted(kept.getOfTab("outbox", [])),
  };
}

/** @param {import("../types.d.ts").Store} store @param {Kept} kept */
export function keeping(store, kept) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const write = () => {
    timer = undefined;
    const drafts = Object.entries(store.get().drafts).filter(([, text]) => text);
    kept.set("drafts", Object.fromEntries(drafts));
  };
  addEventListener("pagehide", write);
  store.subscribe((state, _action, before) => {
    if (state.settings !== before.settings) kept.set("settings", state.settings);
    if (state.outbox !== before.outbox) kept.setOfTab("outbox", state.outbox);
    if (state.current !== before.current) kept.set("current", state.current);
    if (state.drafts !== before.drafts) timer ??= setTimeout(write, SOON);
    if (state.rooms !== before.rooms && state.screen === "chat") keepRooms(state, before);
  });

  /** @param {State} state @param {State} before */
  function keepRooms(state, before) {
    const [now, then] = [state, before].map(({ rooms }) =>
      Object.values(rooms)
        .filter(joins)
        .map(({ name }) => name),
    );
    if (String(now) !== String(then)) kept.set("rooms", now);
  }
}
