// The parts of the state that the browser stores, and how they are restored on the next visit.

import { newRoom, SETTINGS } from "./initial.js";
import { interrupted } from "./outbox.js";

/** @typedef {import("../types.d.ts").State} State */
/** @typedef {ReturnType<typeof import("../browser/storage.js").createStorage>} Storage */

/** How long after a change drafts are stored, in milliseconds. */
const DELAY = 300;

/** Whether to join a room again on the next visit. @param {import("../types.d.ts").Room} room */
const rejoins = ({ conversation, status }) => !conversation && status !== "left";

/** @param {Storage} storage @returns {Partial<State>} */
export function restore(storage) {
  const account = storage.get("account");
  const rooms = /** @type {string[]} */ (storage.get("rooms", []));
  return {
    screen: account ? "chat" : "name",
    me: account && { id: account.id, name: account.name, registered: false },
    names: account ? [account.name.toLowerCase()] : [],
    entering: { busy: false, name: account?.name ?? storage.get("name", ""), problem: "", asksPassword: false },
    rooms: Object.fromEntries(rooms.map((name) => [name, newRoom(name)])),
    settings: { ...SETTINGS, ...storage.get("settings", {}) },
    drafts: storage.get("drafts", {}),
    outbox: interrupted(storage.getOfTab("outbox", [])),
  };
}

/** Stores what changes from now on.
 * @param {import("../types.d.ts").Store} store
 * @param {Storage} storage
 */
export function persist(store, storage) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const saveDrafts = () => {
    timer = undefined;
    const drafts = Object.entries(store.get().drafts).filter(([, text]) => text);
    storage.set("drafts", Object.fromEntries(drafts));
  };
  addEventListener("pagehide", saveDrafts);
  store.subscribe((state, _action, before) => {
    if (state.settings !== before.settings) storage.set("settings", state.settings);
    if (state.outbox !== before.outbox) storage.setOfTab("outbox", state.outbox);
    if (state.current !== before.current) storage.set("current", state.current);
    if (state.drafts !== before.drafts) timer ??= setTimeout(saveDrafts, DELAY);
    if (state.rooms !== before.rooms && state.screen === "chat") saveRooms(state, before);
  });

  /** @param {State} state @param {State} before */
  function saveRooms(state, before) {
    const [now, then] = [state, before].map(({ rooms }) =>
      Object.values(rooms)
        .filter(rejoins)
        .map(({ name }) => name),
    );
    if (String(now) !== String(then)) storage.set("rooms", now);
  }
}
