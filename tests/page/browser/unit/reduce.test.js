import assert from "node:assert/strict";
import { test } from "node:test";
import { reduce } from "../../../../app/page/static/state/reduce.js";
import { rowsOf } from "../../../../app/page/static/views/log/rows.js";
import { isMine, NO_SEARCH } from "../../../../app/page/static/state/initial.js";
import { roleOf } from "../../../../app/page/static/state/people.js";
import { unread } from "../../../../app/page/static/state/unread.js";
import { after, joined, LIMITS, msg, welcome } from "./frames.js";

const open = { type: "open", room: "lobby", seq: 0 };
const away = { type: "set", change: { watching: false } };
const lobby = (state) => state.rooms.lobby;
const begun = (...steps) => after(welcome(), open, joined(0), ...steps);

test("what was said is in the log, in order", () => {
  assert.deepEqual(
    lobby(begun(msg(1, "one"), msg(2, "two"))).log.entries.map(({ text }) => text),
    ["one", "two"],
  );
});

test("the state before is left as it was", () => {
  const before = begun(msg(1, "one"));
  const copy = JSON.stringify(before);
  reduce(before, { type: "frame", at: 1, frame: msg(2, "two") });
  assert.equal(JSON.stringify(before), copy);
});

test("a frame of an unknown type, and one of a room that one is not in, change nothing", () => {
  const state = begun();
  for (const frame of [
    { t: "news", room: "lobby", seq: 1, id: "x" },
    msg(1, "one", { room: "den" }),
    { t: "toString" },
  ]) {
    assert.equal(reduce(state, { type: "frame", at: 1, frame }), state);
  }
});

test("an edit and a delete change the message that they are of", () => {
  const edit = { ...msg(3, "uno"), t: "edit", of: 1 };
  const gone = { ...msg(4, undefined), t: "delete", of: 2, whom: "bob" };
  const [one, two] = lobby(begun(msg(1, "one"), msg(2, "two"), edit, gone)).log.entries;
  assert.deepEqual([one.text, one.edited, two.text, two.deleted], ["uno", true, "", true]);
});

test("what a search found is changed and deleted as well", () => {
  const found = [{ ...msg(1, "one"), marks: [[0, 3]] }, msg(2, "two")];
  const state = begun(msg(1, "one"), msg(2, "two"), { type: "set", change: { search: { ...NO_SEARCH, events: found } } });
  const change = (seq, more) => ({ type: "frame", frame: { ...msg(seq, "", more), of: seq - 2 } });
  const next = [change(3, { t: "edit", text: "once" }), change(4, { t: "delete" })].reduce(
    (one, action) => reduce(one, { at: 1_000, ...action }),
    state,
  );
  assert.deepEqual(
    next.search.events.map(({ text, marks }) => [text, marks]),
    [["once", []]],
  );
});

test("a whisper that is deleted is gone where it was shown inline too", () => {
  const whisper = msg(1, "secret", { room: "@1,2", to: ["ann"] });
  const gone = { ...whisper, t: "delete", seq: 2, id: "id2", of: 1, whom: "bob", text: undefined };
  const state = begun(whisper, gone);
  assert.ok(!JSON.stringify(state).includes("secret"));
  assert.equal(lobby(state).log.entries.length, 1);
});

test("whispers are inline where they came, but for those that were missed", () => {
  const followed = { t: "joined", room: "@", epoch: "e1", head: 2, recovered: true, members: 1 };
  const whisper = (seq) => msg(seq, `w${seq}`, { room: "@1,2", to: ["ann"] });
  const resumed = { type: "frame", frame: { ...followed, head: 4 }, request: { t: "join", after: 2 } };
  const state = begun(followed, resumed, whisper(3), whisper(4), whisper(5));
  assert.deepEqual(
    lobby(state).log.entries.map(({ text, aside }) => [text, aside]),
    [["w5", "whisper"]],
  );
  assert.equal(state.rooms["@1,2"].log.entries.length, 3);
  assert.equal(state.lastWhisper, "@1,2");
});

test("messages of others are unread until they are read, and mentions are counted", () => {
  const state = begun(away, msg(1, "hello"), msg(2, "@Ann: hi"), msg(3, "mine", { from: "ann" }));
  assert.deepEqual(pick(unread(state, lobby(state))), [2, 1]);
  const read = reduce(state, { type: "frame", at: 1, frame: { t: "read", room: "lobby", seq: 1 } });
  assert.deepEqual(pick(unread(read, lobby(read))), [1, 1]);
  const less = reduce(read, { type: "frame", at: 1, frame: { t: "read", room: "lobby", seq: 0 } });
  assert.equal(lobby(less).read, 1);
});

const pick = ({ count, mentions }) => [count, mentions];

test("the line above what is new stands where one stopped looking, and goes when one speaks", () => {
  const state = begun(msg(1, "seen"), { type: "read", room: "lobby", seq: 1 }, away, msg(2, "new"), msg(3, "newer"));
  assert.deepEqual(
    rowsOf(state, lobby(state)).map(({ kind }) => kind),
    ["day", "message", "new", "message", "message"],
  );
  const pending = { cid: "c", room: "lobby", text: "x", at: 0, state: "queued" };
  assert.equal(lobby(reduce(state, { type: "say", at: 1, pending })).marker, -1);
});

test("missed messages are counted in one line, and those of oneself are not", () => {
  const resumed = { type: "frame", frame: joined(4), request: { t: "join", after: 1 } };
  const state = begun(msg(1, "seen"), resumed, msg(2, "a"), msg(3, "b", { from: "ann" }), msg(4, "c"), msg(5, "d"));
  const rows = rowsOf(state, lobby(state));
  assert.deepEqual(
    rows.map(({ kind }) => kind),
    ["day", "message", "missed", "message", "message", "message", "message"],
  );
  assert.equal(rows[2].count, 2);
});

test("messages of one author within minutes are a group, of two days are not", () => {
  const at = (seq, ts, from = "bob") => msg(seq, "x", { ts, from });
  const state = begun(
    at(1, "2026-01-01T12:00:00Z"),
    at(2, "2026-01-01T12:04:00Z"),
    at(3, "2026-01-01T12:10:00Z"),
    at(4, "2026-01-01T12:11:00Z", "cy"),
    at(5, "2026-01-03T12:11:00Z", "cy"),
  );
  const rows = rowsOf(state, lobby(state)).map((row) => (row.kind === "message" ? row.first : row.kind));
  assert.deepEqual(rows, ["day", true, false, true, true, "day", true]);
});

test("presence keeps who is there, by id", () => {
  const presence = (members, more) => ({ t: "presence", room: "lobby", members, ...more });
  const state = begun(
    presence(2, { came: [{ id: 2, name: "bob" }] }),
    presence(2, { changed: [{ id: 2, name: "rob", away: "tea" }] }),
    presence(1, { went: [{ id: 1, name: "ann" }] }),
  );
  assert.deepEqual(lobby(state).people, [{ id: 2, name: "rob", away: "tea" }]);
  assert.equal(lobby(reduce(state, { type: "frame", at: 1, frame: presence(900, {}) })).people, null);
});

test("what presence says of a person holds in every room", () => {
  const joined = { t: "joined", room: "den", members: 1, head: 0, recovered: true, people: [{ id: 1, name: "ann" }] };
  const state = begun(joined, { t: "presence", room: "lobby", members: 1, changed: [{ id: 1, name: "anna" }] });
  assert.deepEqual(state.rooms.den.people, [{ id: 1, name: "anna" }]);
  assert.deepEqual(lobby(state).people, [{ id: 1, name: "anna" }]);
});

test("typing is shown for some seconds, or until the message comes", () => {
  const typing = (from) => ({ t: "typing", room: "lobby", from });
  const state = begun(typing("bob"), typing("cy"), msg(1, "done"));
  assert.deepEqual(Object.keys(lobby(state).typing), ["cy"]);
  assert.deepEqual(Object.keys(lobby(reduce(state, { type: "tick", at: 10_000 })).typing), []);
});

test("who leaves or is renamed is not shown as typing any more", () => {
  const typing = (from) => ({ t: "typing", room: "lobby", from });
  const people = [1, 2, 3].map((id) => ({ id, name: ["ann", "bob", "cy"][id - 1] }));
  const presence = (fields) => ({ t: "presence", room: "lobby", members: 3, ...fields });
  const shown = (change) => {
    const steps = [presence({ came: people }), typing("ann"), typing("bob"), typing("cy"), presence(change)];
    return Object.keys(lobby(begun(...steps)).typing);
  };
  assert.deepEqual(shown({ came: [people[0]] }), ["ann", "bob", "cy"]);
  assert.deepEqual(shown({ went: [people[1]] }), ["ann", "cy"]);
  assert.deepEqual(shown({ changed: [{ id: 3, name: "cyrus" }] }), ["ann", "bob"]);
  assert.deepEqual(shown({ changed: [{ id: 3, name: "cy", away: "" }] }), ["ann", "bob", "cy"]);
});

test("who is ignored is not shown as typing any more", () => {
  const typing = (from, room) => ({ t: "typing", room, from });
  const begin = [typing("Bob", "lobby"), typing("cy", "lobby")];
  for (const request of [
    { t: "ignore", name: "bob" },
    { t: "command", room: "lobby", line: "/ignore BOB" },
  ]) {
    const state = begun(...begin, { type: "frame", frame: { t: "done" }, request });
    assert.deepEqual(Object.keys(lobby(state).typing), ["cy"]);
  }
});

test("who is put out sees the room with the reason; who leaves sees it no more", () => {
  const parted = { t: "parted", room: "lobby", why: "kicked by bob: loud" };
  assert.deepEqual([lobby(begun(parted)).status, lobby(begun(parted)).why], ["left", "kicked by bob: loud"]);
  assert.equal(lobby(begun({ t: "parted", room: "lobby" })), undefined);
});

test("a conversation that was looked at before the list of them came gets its history", () => {
  const list = { t: "conversations", conversations: [{ room: "@1,2", with: ["bob"], head: 7, read: 5 }] };
  const state = after(welcome(), { type: "open", room: "@1,2", seq: 0 }, list);
  const { log, read, others, marker } = state.rooms["@1,2"];
  assert.deepEqual([log.first, log.oldest, read, others, marker], [8, false, 5, ["bob"], 5]);
});

test("after somebody else's token nothing of the one before is left", () => {
  const state = begun(msg(1, "one"), msg(2, "w", { room: "@1,2", to: ["ann"] }), welcome({ id: 5, name: "eve" }));
  assert.deepEqual([Object.keys(state.rooms), lobby(state).log.entries, state.names], [["lobby"], [], ["eve"]]);
});

const renamed = (name) => ({ t: "named", id: 1, name });
const owners = (state) => lobby(state).log.entries.map((entry) => (isMine(state, entry) ? "mine" : "another's"));
const heads = (state) => rowsOf(state, lobby(state)).map(({ kind, first }) => (kind === "day" ? kind : first));

test("after a rename one's earlier messages stay one's own, and the old name may be somebody else's", () => {
  const state = begun(
    msg(1, "one", { from: "ann" }),
    renamed("anna"),
    msg(2, "two", { from: "anna", user: 1 }),
    msg(3, "I have that name now", { from: "ann", user: 2 }),
    msg(4, "on another connection I am called so", { from: "annie", user: 1 }),
  );
  assert.deepEqual(owners(state), ["mine", "mine", "another's", "mine"]);
  assert.equal(unread({ ...state, names: [] }, { ...lobby(state), read: 0 }).count, 1);
});

test("a server that tells no ids of authors is believed by the names that one had", () => {
  const old = (seq, from) => msg(seq, "x", { from, user: undefined });
  const state = begun(old(1, "ann"), renamed("anna"), old(2, "Anna"), old(3, "bob"), old(4, "ann"));
  assert.deepEqual(owners(state), ["mine", "mine", "another's", "mine"]);
  assert.deepEqual(heads(begun(old(1, "bob"), old(2, "bob"), old(3, "cy"))), ["day", true, false, true]);
});

test("messages are one group where they have one author under one name", () => {
  const said = [msg(1, "a"), msg(2, "b"), msg(3, "c", { user: 3 }), msg(4, "d", { user: 3, from: "cy" })];
  assert.deepEqual(heads(begun(...said)), ["day", true, false, true, true]);
});

test("what waits to be sent goes on after one's own messages only", () => {
  const pending = { type: "say", pending: { cid: "c1", room: "lobby", text: "and", at: 0, state: "queued" } };
  assert.equal(heads(begun(msg(1, "a", { from: "ann" }), pending)).at(-1), false);
  assert.equal(heads(begun(msg(1, "a", { from: "ann", user: 2 }), pending)).at(-1), true);
});

test("what waits to be sent is told apart by who will hear it", () => {
  const say = (cid, more) => ({ type: "say", pending: { cid, room: "lobby", text: "x", at: 0, state: "queued", ...more } });
  const state = begun(say("a"), say("b", { to: ["bob"] }), say("c", { to: ["bob"] }), say("d", { to: ["cy"] }), say("e"));
  assert.deepEqual(heads(state), [true, true, false, true, true]);
});

test("a whisper of oneself under another name is in a conversation with the others only", () => {
  const state = after(welcome(), open, msg(4, "psst", { room: "@1,2", from: "annie", user: 1, to: ["bob"] }));
  assert.deepEqual(state.rooms["@1,2"].others, ["bob"]);
});

test("the server says where to begin, and how many bytes a frame may have", () => {
  const told = after(welcome({ room: "hall", limits: { ...LIMITS, frame: 1_024 } }));
  assert.deepEqual([told.home, told.limits.frame], ["hall", 1_024]);
});

test("an older server says neither: it is the lobby, and 64 KiB or a message's length", () => {
  const { frame: _, ...limits } = LIMITS;
  const { home, limits: used } = after(welcome({ room: undefined, limits }));
  assert.deepEqual([home, used.frame], ["lobby", 65_536]);
  assert.equal(after(welcome({ limits: { ...limits, message: 100_000 } })).limits.frame, 100_000);
});

test("names that would be fields of every object are names", () => {
  const state = begun(msg(1, "x", { from: "constructor" }), { t: "typing", room: "lobby", from: "toString" });
  assert.equal(lobby(state).log.entries[0].from, "constructor");
  const opened = reduce(state, { type: "open", at: 1, room: "constructor", seq: 0 });
  assert.equal(opened.rooms.constructor.name, "constructor");
});

test("in a room that was empty the line stands above the first message", () => {
  const state = begun(away, msg(1, "first"));
  assert.deepEqual(
    rowsOf(state, lobby(state)).map(({ kind }) => kind),
    ["day", "new", "message"],
  );
});

test("the commands stay known after the help of one of them, and after a probe of the connection", () => {
  const help = (request, ...commands) => ({ type: "frame", frame: { t: "help", commands }, request });
  const all = help({ t: "help" }, "kick", "topic");
  for (const request of [{ t: "command", line: "/help kick" }, { t: "help", command: "kick" }, undefined])
    assert.deepEqual(begun(all, help(request, "kick")).commands, ["kick", "topic"]);
});

test("of very many rooms, those are listed that are looked for", () => {
  const answer = (rooms, more, find) => ({
    type: "frame",
    frame: { t: "rooms", rooms: rooms.map((room) => ({ room, members: 1 })), more },
    request: { t: "rooms", find },
  });
  const sought = (sought) => ({ type: "set", change: { sought } });
  const listed = (...steps) => [begun(...steps)].map(({ directory, manyRooms }) => [directory.map(({ room }) => room), manyRooms])[0];
  assert.deepEqual(listed(answer(["den", "red"], true)), [["den", "red"], true]);
  assert.deepEqual(listed(answer(["den"], true), sought("re"), answer(["red"], false, "re")), [["red"], true]);
  assert.deepEqual(listed(answer(["den"], true), sought("red"), answer(["reed"], false, "re")), [["den"], true]);
});

test("ranks go by ids, so that who takes a name has none of its rights", () => {
  const room = { t: "room", room: "lobby", topic: "", owner: "ann", operators: ["bob"], slow: 0, members: 2 };
  const role = (state, name, id) => roleOf(lobby(state), { name, id });
  const known = begun({ ...room, owner_user: 1, operator_users: [2] });
  assert.deepEqual([role(known, "ann", 1), role(known, "bob", 2), role(known, "anna", 1)], ["owner", "operator", "owner"]);
  assert.deepEqual([role(known, "ann", 8), role(known, "bob", 9)], ["", ""]);
  const changed = begun({ ...room, owner_user: 1 }, msg(1, "", { t: "op", whom: "cy", about: 3 }));
  assert.deepEqual([role(changed, "cy", 3), role(changed, "cy", 4), role(changed, "bob", 2)], ["operator", "", ""]);
  const old = begun(room);
  assert.deepEqual([role(old, "ann", 8), role(old, "bob", 9)], ["owner", "operator"], "an older server sends no ids");
});
