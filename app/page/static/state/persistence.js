// The parts of the state that the browser stores, and how they are restored on the next visit.

import { holdsPassword } from "../text/typed.js";
import { newRoom, SETTINGS } from "./initial.js";
import { interrupted } from "./outbox.js";
import { table, tableOf } from "./table.js";

/** @typedef {import("../types.d.ts").State} State */
/** @template T @typedef {import("../types.d.ts").Table<T>} Table */
/** @typedef {ReturnType<typeof import("../browser/storage.js").createStorage>} Storage */

/** How long after a change drafts are stored, in milliseconds. */
const DELAY = 300;

/** Whether to join a room again on the next visit. @param {import("../types.d.ts").Room} room */
const rejoins = ({ conversation, status }) => !conversation && (status === "joining" || status === "joined");

/** @param {Storage} storage @returns {Partial<State>} */
export function restore(storage) {
  adopt(storage);
  const account = storage.get("account");
  return {
    screen: account ? "chat" : "name",
    me: account && { id: account.id, name: account.name, registered: false },
    names: account ? [account.name.toLowerCase()] : [],
    entering: { busy: false, name: account?.name ?? storage.get("name", ""), problem: "", asksPassword: false },
    rooms: tableOf(storage.entries("room").map(([name]) => [name, newRoom(name, { returning: true })])),
    settings: { ...SETTINGS, ...Object.fromEntries(storage.entries("setting")) },
    drafts: tableOf(storage.entries("draft")),
    outbox: interrupted(storage.getOfTab("outbox", [])),
  };
}

/** Takes over what an earlier version of the page stored, which had one key for all rooms, one for all drafts, and one
 * for all settings.
 * @param {Storage} storage
 */
function adopt(storage) {
  for (const kind of ["room", "draft", "setting"]) {
    const old = storage.get(`${kind}s`, []);
    const entries = Array.isArray(old) ? old.map((name) => [name, true]) : Object.entries(old);
    for (const [name, value] of entries) {
      if (!holdsPassword(String(value))) storage.set(`${kind} ${name}`, storage.get(`${kind} ${name}`, value));
    }
    storage.set(`${kind}s`, null);
  }
}

/** Stores what changes from now on.
 * @param {import("../types.d.ts").Store} store
 * @param {Storage} storage
 */
export function persist(store, storage) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const saveDrafts = createSaving(storage, "draft", kept(store.get().drafts));
  const saveRooms = createSaving(storage, "room", toRejoin(store.get().rooms));
  const saveSettings = createSaving(storage, "setting", tableOf(Object.entries(store.get().settings)));

  function flush() {
    clearTimeout(timer);
    timer = undefined;
    saveDrafts(kept(store.get().drafts));
  }

  addEventListener("pagehide", flush);
  store.subscribe((state, { type }, before) => {
    if (state.settings !== before.settings) saveSettings(tableOf(Object.entries(state.settings)));
    if (state.outbox !== before.outbox) storage.setOfTab("outbox", state.outbox);
    if (state.current !== before.current) storage.set("current", state.current);
    if (state.drafts !== before.drafts) timer ??= setTimeout(flush, DELAY);
    if (state.rooms !== before.rooms && state.screen === "chat") saveRooms(toRejoin(state.rooms));
    if (type === "forget") forget();
  });

  /** Nothing of somebody who logs out stays, also not what other tabs stored. */
  function forget() {
    saveDrafts(table());
    saveRooms(table());
    for (const kind of ["draft", "room"]) {
      for (const [name] of storage.entries(kind)) storage.set(`${kind} ${name}`, null);
    }
  }
}

/** Stores a table with a key for each of its entries. Only entries that changed are written.
 * @param {Storage} storage
 * @param {string} kind
 * @param {Table<unknown>} saved what is stored already
 */
function createSaving(storage, kind, saved) {
  return (/** @type {Table<unknown>} */ now) => {
    for (const name of new Set([...Object.keys(saved), ...Object.keys(now)])) {
      if (now[name] !== saved[name]) storage.set(`${kind} ${name}`, now[name] ?? null);
    }
    saved = now;
  };
}

/** The drafts to store: none that is empty, and none that holds a password.
 * @param {State["drafts"]} drafts
 */
const kept = (drafts) => tableOf(Object.entries(drafts).filter(([, text]) => text && !holdsPassword(text)));

/** @param {State["rooms"]} rooms */
const toRejoin = (rooms) =>
  tableOf(
    Object.values(rooms)
      .filter(rejoins)
      .map(({ name }) => [name, true]),
  );
