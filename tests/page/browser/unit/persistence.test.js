// What the browser stores: one key for each thing, so that tabs leave alone what others changed.

import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { createStorage } from "../../../../app/page/static/browser/storage.js";
import { initial } from "../../../../app/page/static/state/initial.js";
import { persist, restore } from "../../../../app/page/static/state/persistence.js";
import { reduce } from "../../../../app/page/static/state/reduce.js";
import { createStore } from "../../../../app/page/static/state/store.js";
import { joined } from "./frames.js";

/** A storage as browsers have it. */
class Stored extends Map {
  getItem = (key) => this.get(key) ?? null;
  setItem = (key, value) => void this.set(key, value);
  removeItem = (key) => void this.delete(key);
  key = (index) => [...this.keys()][index] ?? null;
  get length() {
    return this.size;
  }
}

/** A tab that shares what is stored for good with others. */
function open(local, session = new Stored()) {
  const storage = createStorage(
    "/",
    () => local,
    () => session,
  );
  const restored = restore(storage);
  const store = createStore(reduce, initial({ ...restored, screen: "chat", current: "lobby" }));
  persist(store, storage);
  const draft = (room, text) => store.dispatch({ type: "draft", room, text });
  return { store, restored, session, draft, settings: (settings) => store.dispatch({ type: "set", change: { settings } }) };
}

const later = () => mock.timers.tick(1_000);
const drafts = (local) => ({ ...open(local).restored.drafts });
const rooms = (local) => Object.keys(open(local).restored.rooms).sort();

beforeEach(() => {
  globalThis.addEventListener = () => {};
  mock.timers.enable({ apis: ["setTimeout"] });
});
afterEach(() => {
  delete globalThis.addEventListener;
  mock.timers.reset();
});

test("two tabs keep each other's drafts", () => {
  const local = new Stored();
  const [one, other] = [open(local), open(local)];
  one.draft("lobby", "from one");
  later();
  other.draft("den", "from the other");
  later();
  assert.deepEqual(drafts(local), { lobby: "from one", den: "from the other" });
  one.draft("lobby", "");
  later();
  assert.deepEqual(drafts(local), { den: "from the other" });
});

test("two tabs keep each other's rooms and settings", () => {
  const local = new Stored();
  const [one, other] = [open(local), open(local)];
  for (const [tab, room] of [
    [one, "red"],
    [other, "blue"],
    [other, "green"],
  ]) {
    tab.store.dispatch({ type: "open", room, seq: 0 });
    tab.store.dispatch({ type: "frame", frame: joined(0, { room }) });
  }
  other.store.dispatch({ type: "frame", frame: { t: "parted", room: "green" } });
  assert.deepEqual(rooms(local), ["blue", "red"]);
  one.settings({ ...one.store.get().settings, sound: true });
  other.settings({ ...other.store.get().settings, theme: "dark" });
  const { sound, theme, density } = open(local).restored.settings;
  assert.deepEqual([sound, theme, density], [true, "dark", "comfortable"]);
});

test("what an earlier version stored is taken over once", () => {
  const local = new Stored([
    ["natter / drafts", JSON.stringify({ lobby: "unsaid", constructor: "x", den: "/login ann secret" })],
    ["natter / rooms", JSON.stringify(["lobby", "constructor"])],
    ["natter / settings", JSON.stringify({ theme: "dark" })],
  ]);
  const { restored } = open(local);
  assert.deepEqual({ ...restored.drafts }, { lobby: "unsaid", constructor: "x" });
  assert.deepEqual(rooms(local), ["constructor", "lobby"]);
  assert.equal(restored.settings.theme, "dark");
  assert.ok(![...local].flat().some((text) => /secret|drafts|rooms|settings/.test(text)), [...local.keys()].join());
});

test("a draft that holds a password is not stored, and one that held none before is removed", () => {
  const local = new Stored();
  const tab = open(local);
  for (const text of ["/login", "/login ann s", "/login ann secret"]) {
    tab.draft("lobby", text);
    later();
  }
  assert.deepEqual(drafts(local), {});
  assert.equal(tab.store.get().drafts.lobby, "/login ann secret");
});

test("nothing of somebody who logs out stays, also not from other tabs", () => {
  const local = new Stored();
  const [one, other] = [open(local), open(local)];
  other.draft("den", "theirs");
  later();
  one.draft("lobby", "mine");
  one.store.dispatch({ type: "open", room: "red", seq: 0 });
  one.store.dispatch({ type: "forget" });
  later();
  assert.deepEqual([drafts(local), rooms(local)], [{}, []]);
});

test("where storage is blocked the page starts, and works until it is closed", () => {
  const blocked = () => {
    throw new Error("The operation is insecure.");
  };
  const storage = createStorage("/", blocked, blocked);
  const store = createStore(reduce, initial({ ...restore(storage), current: "lobby" }));
  persist(store, storage);
  store.dispatch({ type: "draft", room: "lobby", text: "hi" });
  later();
  assert.deepEqual([store.get().screen, store.get().drafts.lobby], ["name", "hi"]);
});
