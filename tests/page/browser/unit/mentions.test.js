// Which messages count as mentions of the reader.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isForMe, knownIn, partsOf } from "../../../../app/page/static/text/reading.js";
import { unread } from "../../../../app/page/static/state/unread.js";
import { after, inLobby, joined, msg, welcome } from "./frames.js";

const lobby = (state) => state.rooms.lobby;
const begun = (...steps) =>
  after(welcome(), { type: "open", room: "lobby", seq: 0 }, joined(0), { type: "set", change: { watching: false } }, ...steps);
const counts = (state) => {
  const { count, mentions } = unread(state, lobby(state));
  return [count, mentions];
};
const bare = { type: "set", change: { settings: { bareNames: true } } };

test("only a name with @ is a mention, unless the reader wants it otherwise", () => {
  const state = begun(msg(1, "ann is nice"), msg(2, "@ann hi"), msg(3, "ann@example.com"), msg(4, "@ann- hi"));
  assert.deepEqual(counts(state), [4, 1]);
  assert.deepEqual(counts(begun(bare, msg(1, "ann is nice"), msg(2, "@ann hi"), msg(3, "ann@example.com"))), [3, 2]);
});

test("the setting applies to what is there already", () => {
  const state = begun(msg(1, "ann is nice"));
  assert.deepEqual(counts(state), [1, 0]);
  const changed = { ...state, settings: { ...state.settings, bareNames: true } };
  assert.deepEqual(counts(changed), [1, 1]);
});

test("a name with a dot is not the one before the dot, while somebody has it", () => {
  const dotted = joined(0, { people: [{ id: 1, name: "ann" }, { id: 2, name: "ann." }], members: 2 });
  assert.equal(isForMe(begun(), msg(1, "@ann.")), true);
  assert.equal(isForMe(begun(dotted), msg(1, "@ann.")), false);
  assert.equal(isForMe(begun(msg(1, "hi", { from: "Ann." })), msg(2, "@ann.")), false);
});

test("everyone is mentioned where the server says so, and nobody where it does not", () => {
  assert.deepEqual(counts(begun(msg(1, "@everyone tea"), msg(2, "@everyone tea", { notify: "everyone" }))), [2, 1]);
});

test("those who are here are the ones who hear it at once", () => {
  const here = { notify: "here" };
  const page = inLobby(0);
  page.store.dispatch({ type: "set", change: { watching: false } });
  page.hears(msg(1, "@here tea", here));
  assert.deepEqual(counts(page.state), [1, 1]);
  page.breaks();
  page.opens();
  page.answers("join", joined(2), "lobby");
  page.hears(msg(2, "@here cake", here));
  assert.deepEqual(counts(page.state), [2, 1]);
  page.hears(msg(3, "@here pie", here));
  assert.deepEqual(counts(page.state), [3, 2]);
});

test("words for all people are mentions in a text whose author may use them", () => {
  const state = begun();
  const said = (text, more) => partsOf(state, msg(1, text, more), text).map(({ kind, mine }) => [kind, mine]);
  assert.deepEqual(said("@everyone"), [["text", false]]);
  assert.deepEqual(said("@everyone", { notify: "everyone" }), [["mention", true]]);
  assert.deepEqual(said("@here", { notify: "here" }), [["mention", true]]);
  assert.deepEqual(said("@here", { notify: "here", seq: 0 }), [["mention", false]]);
  assert.deepEqual(said("@ann"), [["mention", true]]);
});

test("the names of a room are the same set until they change", () => {
  const first = begun(msg(1, "hi"));
  const known = knownIn(first, "lobby");
  const second = { ...first, rooms: begun(msg(1, "hi"), msg(2, "again")).rooms };
  assert.equal(knownIn(second, "lobby"), known);
  const third = { ...first, rooms: begun(msg(1, "hi"), msg(2, "again", { from: "cy" })).rooms };
  assert.notEqual(knownIn(third, "lobby"), known);
  assert.ok(knownIn(third, "lobby").has("cy"));
});

test("who may mention everyone is what the room says, until it changes", () => {
  const change = (text) => ({ ...msg(1, text), t: "mentions" });
  const room = { t: "room", room: "lobby", topic: "", owner: "bob", operators: [], slow: 0, members: 1, private: false };
  assert.equal(lobby(begun(room)).mentions, "operators");
  assert.equal(lobby(begun({ ...room, mentions: "all" })).mentions, "all");
  assert.equal(lobby(begun(room, change("all"))).mentions, "all");
  assert.equal(lobby(begun({ ...room, mentions: "all" }, change("operators"))).mentions, "operators");
});
