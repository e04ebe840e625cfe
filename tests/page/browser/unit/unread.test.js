// What is unread: whispers that came while no page was open, and what was read elsewhere.

import assert from "node:assert/strict";
import { test } from "node:test";
import { unread } from "../../../../app/page/static/state/unread.js";
import { rowsOf } from "../../../../app/page/static/views/log/rows.js";
import { newRoom } from "../../../../app/page/static/state/initial.js";
import { inLobby, joined, msg, Page, welcome } from "./frames.js";

const followed = (more = {}) => ({ t: "joined", room: "@", epoch: "e1", head: 9, recovered: true, members: 1, ...more });
const listed = (room, name, head, more = {}) => ({ room, with: [name], head, ...more });
const whisper = (seq, text, more = {}) => msg(seq, text, { room: "@1,2", to: ["ann"], ...more });
const page = (room, events, more = false) => ({ t: "history", room, events, more });
const tick = () => new Promise((done) => setImmediate(done));

/** A page that was opened after whispers came: `conversations` is what the server lists. */
async function opened(conversations, joined = followed()) {
  const one = inLobby();
  one.answers("join", joined, "@");
  await tick();
  one.answers("conversations", { t: "conversations", conversations });
  await tick();
  return one;
}

const count = (one, room = "@1,2") => unread(one.state, one.state.rooms[room]).count;
const kinds = (one, room = "@1,2") => rowsOf(one.state, one.state.rooms[room]).map(({ kind }) => kind);

test("whispers that came while no page was open are unread, and the line is above the first", async () => {
  const one = await opened([listed("@1,2", "bob", 9), listed("@1,3", "cy", 5, { read: 4 })]);
  one.answers("history", page("@1,2", [whisper(8, "psst"), whisper(9, "are you there?")]), "@1,2");
  await tick();
  one.answers("history", page("@1,3", [whisper(4, "old", { room: "@1,3" }), whisper(5, "new", { room: "@1,3" })]), "@1,3");
  await tick();
  assert.deepEqual([count(one), count(one, "@1,3")], [2, 1]);
  one.session.open("@1,2");
  assert.deepEqual(kinds(one), ["day", "new", "message", "message"]);
});

test("what is unread is loaded one conversation after another", async () => {
  const one = await opened([listed("@1,2", "bob", 9), listed("@1,3", "cy", 5), listed("@1,4", "dan", 4, { read: 4 })]);
  assert.deepEqual(
    one.requests("history").map(({ room }) => room),
    ["@1,2"],
  );
  one.answers("history", page("@1,2", []), "@1,2");
  await tick();
  assert.deepEqual(
    one.requests("history").map(({ room }) => room),
    ["@1,2", "@1,3"],
  );
});

test("a conversation that is opened before it is loaded keeps its line", async () => {
  const one = await opened([listed("@1,2", "bob", 9)]);
  one.session.open("@1,2");
  one.answers("history", page("@1,2", [whisper(9, "psst")]), "@1,2");
  await tick();
  assert.deepEqual(kinds(one), ["day", "new", "message"]);
});

test("one's own whispers are not unread, nor those that a client of text has shown", async () => {
  const conversations = [listed("@1,2", "bob", 9), listed("@1,3", "cy", 5)];
  const one = await opened(conversations, followed({ read: 5 }));
  assert.deepEqual(
    one.requests("history").map(({ room }) => room),
    ["@1,2"],
  );
  one.answers("history", page("@1,2", [whisper(9, "mine", { from: "ann" })]), "@1,2");
  await tick();
  assert.equal(count(one), 0);
  one.hears(whisper(10, "yes?"));
  assert.equal(count(one), 1);
  one.hears({ t: "read", room: "@", seq: 10 });
  assert.equal(count(one), 0);
});

test("a conversation of which nothing is loaded is not reported as read", async () => {
  const { reportReading } = await import("../../../../app/page/static/state/readmarker.js");
  const one = new Page();
  reportReading(one.store, async () => {});
  one.session.open("@1,2");
  one.opens(welcome());
  one.answers("join", followed(), "@");
  await tick();
  one.answers("conversations", { t: "conversations", conversations: [listed("@1,2", "bob", 9)] });
  assert.equal(one.state.rooms["@1,2"].read, 0);
});

test("an invitation is unread like a whisper", async () => {
  const one = await opened([]);
  one.hears(whisper(10, "den", { t: "invite", whom: "ann", about: 1 }));
  assert.equal(count(one), 1);
  assert.deepEqual(kinds(one), ["day", "new", "event"]);
});

test("in a room of an earlier visit that was empty then, all is unread; in a new one nothing is", async () => {
  const rooms = { red: newRoom("red", { returning: true }), lobby: newRoom("lobby") };
  const one = new Page({ rooms, current: "", me: { id: 1, name: "ann", registered: false } });
  one.opens();
  for (const room of ["red", "lobby"]) one.answers("join", joined(2, { room }), room);
  const said = [1, 2].map((seq) => msg(seq, `m${seq}`, { room: "red" }));
  one.answers("history", page("red", said), "red");
  await tick();
  assert.deepEqual([count(one, "red"), count(one, "lobby")], [2, 0]);
});
