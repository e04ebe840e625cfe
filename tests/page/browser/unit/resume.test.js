// Reconnecting: nothing is lost, and nothing is sent twice.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Gone } from "../../../../app/page/static/connection/requests.js";
import { rowsOf } from "../../../../app/page/static/views/log/rows.js";
import { ack, inLobby, joined, msg, Page, welcome } from "./frames.js";

const mine = (seq, text, more = {}) => msg(seq, text, { from: "ann", ...more });

test("what is said is pending, is stored by the ack, and is an event once it comes", () => {
  const page = inLobby();
  page.session.say("lobby", "hi");
  assert.deepEqual(page.pending, [["hi", "sent"]]);
  assert.deepEqual(page.requests("msg"), [{ t: "msg", room: "lobby", cid: "c1", text: "hi" }]);
  page.hears(ack("c1", 1));
  assert.deepEqual(page.pending, [["hi", "stored"]]);
  page.hears(mine(1, "hi"));
  assert.deepEqual([page.pending, page.texts], [[], ["hi"]]);
});

test("an event before its ack is shown once", () => {
  const page = inLobby();
  page.session.say("lobby", "hi");
  page.hears(mine(1, "hi"));
  assert.deepEqual([page.pending, page.texts], [[], ["hi"]]);
  page.hears(ack("c1", 1));
  assert.deepEqual([page.state.outbox, page.texts], [[], ["hi"]]);
});

test("what was not acked is said again with the same cid after the room was joined again", () => {
  const page = inLobby();
  page.session.say("lobby", "one");
  page.session.say("lobby", "two");
  page.breaks();
  assert.deepEqual(page.pending, [
    ["one", "queued"],
    ["two", "queued"],
  ]);
  page.opens();
  assert.deepEqual(page.said(), []);
  page.answers("join", joined(0), "lobby");
  assert.deepEqual(page.said(), ["c1", "c2"]);
});

test("the ack got lost: the event comes with what was missed, and the retry's ack ends it", () => {
  const page = inLobby(4);
  page.hears(msg(5, "before"));
  page.session.say("lobby", "hi");
  page.breaks();
  page.opens();
  assert.deepEqual(
    page.requests("join", "lobby").map(({ epoch, after }) => [epoch, after]),
    [["e1", 5]],
  );
  page.answers("join", joined(6), "lobby");
  assert.deepEqual(page.said(), ["c1"]);
  page.hears(mine(6, "hi"));
  assert.deepEqual([page.pending, page.texts], [[], ["before", "hi"]]);
  page.hears(ack("c1", 6));
  assert.deepEqual([page.state.outbox, page.texts], [[], ["before", "hi"]]);
});

test("the ack came, its event did not: it is not said again", () => {
  const page = inLobby();
  page.session.say("lobby", "hi");
  page.hears(ack("c1", 1));
  page.breaks();
  page.opens();
  page.answers("join", joined(1), "lobby");
  page.hears(mine(1, "hi"));
  assert.deepEqual([page.said(), page.pending, page.texts], [[], [], ["hi"]]);
});

test("the same text said twice is two messages", () => {
  const page = inLobby();
  page.session.say("lobby", "hi");
  page.session.say("lobby", "hi");
  page.hears(mine(1, "hi"));
  assert.deepEqual(page.pending, [["hi", "sent"]]);
  page.hears(ack("c1", 1), ack("c2", 2), mine(2, "hi"));
  assert.deepEqual([page.state.outbox, page.texts], [[], ["hi", "hi"]]);
});

test("events that are known already change nothing", () => {
  const page = inLobby();
  page.hears(msg(1, "one"), msg(2, "two"), msg(1, "one"), msg(2, "two"));
  assert.deepEqual(page.texts, ["one", "two"]);
});

test("a break in what was missed goes on where it stopped", () => {
  const page = inLobby(0);
  page.hears(msg(1, "one"));
  page.breaks();
  page.opens();
  page.answers("join", joined(9), "lobby");
  page.hears(msg(2, "two"));
  page.breaks();
  page.opens();
  assert.equal(page.requests("join", "lobby")[0].after, 2);
});

test("what was missed is counted from the first break", () => {
  const page = inLobby(0);
  page.hears(msg(1, "one"));
  page.breaks();
  page.opens();
  page.answers("join", joined(3), "lobby");
  assert.deepEqual(page.state.rooms.lobby.missed, { after: 1, upto: 3 });
  page.hears(msg(2, "two"), msg(3, "three"));
  assert.deepEqual(page.texts, ["one", "two", "three"]);
});

test("another epoch: what is there is forgotten, and the history is read anew", () => {
  const page = inLobby(0);
  page.hears(msg(1, "one"));
  page.session.say("lobby", "mine");
  page.breaks();
  page.opens(welcome({ epoch: "e2" }));
  assert.deepEqual(
    page.requests("join", "lobby").map(({ after }) => after),
    [undefined],
  );
  page.answers("join", joined(7, { epoch: "e2" }), "lobby");
  assert.deepEqual(page.texts, []);
  assert.equal(page.requests("history", "lobby")[0].before, 8);
  assert.deepEqual(page.said(), ["c1"]);
});

test("what was missed is no longer kept: the page says so and goes on from the head", () => {
  const page = inLobby(0);
  page.hears(msg(1, "one"));
  page.breaks();
  page.opens();
  page.answers("join", joined(500, { recovered: false }), "lobby");
  assert.match(page.texts.join(), /no longer kept/);
  page.hears(msg(501, "next"));
  assert.equal(page.texts.at(-1), "next");
  assert.equal(page.state.rooms.lobby.position, 501);
});

test("a slow reader is put to the head by a frame that it did not ask for", () => {
  const page = inLobby(0);
  page.hears(msg(1, "one"), joined(90, { recovered: false }), msg(91, "next"));
  assert.deepEqual(page.texts.at(-1), "next");
  assert.ok(!page.texts.includes("one"));
});

test("the token is no longer known: another id, and the name is asked for", () => {
  const page = inLobby(0);
  page.session.say("lobby", "seen already");
  page.hears(mine(1, "seen already"));
  page.session.say("lobby", "not seen");
  page.breaks();
  page.opens(welcome({ id: 9, name: "user8" }));
  assert.deepEqual(
    page.requests("nick").map(({ name }) => name),
    ["ann"],
  );
  assert.deepEqual(page.requests("join"), []);
  page.answers("nick", { t: "named", id: 9, name: "ann" });
  page.answers("join", joined(1), "lobby");
  assert.deepEqual(
    page.requests("msg").map(({ text }) => text),
    ["not seen"],
  );
});

test("the name was free again, since nothing was said: it is asked for", () => {
  const page = inLobby(0);
  page.breaks();
  page.opens(welcome({ name: "user0" }));
  assert.deepEqual(
    page.requests("nick").map(({ name }) => name),
    ["ann"],
  );
});

test("the token is no longer known and the name is taken: the first screen says so", () => {
  const page = inLobby(0);
  page.breaks();
  page.opens(welcome({ id: 9, name: "user8" }));
  page.answers("nick", { t: "error", code: "name_taken", message: "ann is taken", retry: false });
  return Promise.resolve()
    .then(() => Promise.resolve())
    .then(() => {
      const { screen, entering } = page.state;
      assert.deepEqual([screen, entering.problem, entering.name], ["name", "ann is taken", "ann"]);
    });
});

test("a refusal for good fails the message, and it may be said again", () => {
  const page = inLobby();
  page.session.say("lobby", "hi");
  page.hears({ t: "error", code: "muted", message: "you may not speak", retry: false, cid: "c1" });
  assert.deepEqual(page.pending, [["hi", "failed"]]);
  assert.equal(page.state.outbox[0].why, "you may not speak");
  page.session.sayAgain("c1");
  assert.deepEqual(page.said(), ["c1", "c1"]);
});

test("a refusal for now says it again in time, and in order", () => {
  const page = inLobby();
  page.session.say("lobby", "one");
  page.hears({ t: "error", code: "slow_mode", message: "wait", retry: true, after: 5_000, cid: "c1" });
  page.session.say("lobby", "two");
  assert.deepEqual(page.said(), ["c1"]);
  const [[call, wait]] = page.due;
  assert.equal(wait, 5_000);
  call();
  assert.deepEqual(page.said(), ["c1", "c1", "c2"]);
});

test("what waited when the page was closed is said on the next visit", () => {
  const outbox = [{ cid: "old", room: "lobby", text: "hi", at: 0, state: "queued" }];
  const me = { id: 1, name: "ann", registered: false };
  const page = inLobby(0, { outbox, me, names: ["ann"] });
  assert.deepEqual(page.said(), ["old"]);
});

test("what somebody else says in the same words, even under one's old name, is not what one said", () => {
  const page = inLobby();
  page.session.say("lobby", "hi");
  page.hears({ t: "named", id: 1, name: "anna" }, msg(1, "hi", { from: "ann", user: 2 }));
  assert.deepEqual(page.pending, [["hi", "sent"]]);
  page.hears(msg(2, "hi", { from: "anna", user: 1 }));
  assert.deepEqual(page.pending, []);
});

test("who is led nowhere begins where the server says", () => {
  const page = new Page({ current: "" });
  page.session.changed({ phase: "connecting", why: "", until: 0, attempt: 0 });
  void page.session.enter("ann");
  page.opens(welcome({ room: "hall" }));
  assert.deepEqual([page.state.current, page.requests("join").map(({ room }) => room)], ["hall", ["@", "hall"]]);
  page.opens(welcome({ room: "elsewhere" }));
  assert.equal(page.state.current, "hall");
});

test("the first screen: a name that is taken is told, another is tried on the same connection", async () => {
  const page = new Page();
  page.session.open("lobby");
  void page.session.enter("bob");
  assert.deepEqual(page.session.identity(), { name: "bob", token: "" });
  page.opens(welcome({ name: "user0" }));
  page.hears({ t: "error", code: "name_taken", message: "bob is taken by somebody else", retry: false });
  assert.equal(page.state.entering.problem, "bob is taken by somebody else");
  assert.equal(page.kept, null);
  void page.session.enter("rob");
  page.answers("nick", { t: "named", id: 1, name: "rob" });
  assert.deepEqual([page.state.screen, page.kept], ["chat", { token: "secret", id: 1, name: "rob" }]);
  assert.equal(page.requests("join", "lobby").length, 1);
});

test("whispers are followed from where they were, over all conversations", () => {
  const page = inLobby();
  page.answers("join", { t: "joined", room: "@", epoch: "e1", head: 3, recovered: true, members: 1 }, "@");
  page.hears(msg(4, "psst", { room: "@1,2", to: ["ann"] }), msg(6, "hey", { room: "@1,3", from: "cy", to: ["ann"] }));
  assert.deepEqual(Object.keys(page.state.rooms).sort(), ["@1,2", "@1,3", "lobby"]);
  page.breaks();
  page.opens();
  assert.equal(page.requests("join", "@")[0].after, 6);
  page.answers("join", { t: "joined", room: "@", epoch: "e1", head: 7, recovered: true, members: 1 }, "@");
  page.hears(msg(6, "hey", { room: "@1,3", from: "cy", to: ["ann"] }), msg(7, "again", { room: "@1,2", to: ["ann"] }));
  assert.deepEqual(
    page.state.rooms["@1,2"].log.entries.map(({ text }) => text),
    ["psst", "again"],
  );
  assert.deepEqual(
    page.state.rooms["@1,3"].log.entries.map(({ text }) => text),
    ["hey"],
  );
});

test("a login makes one somebody else: the page connects anew", () => {
  const page = inLobby();
  void page.session.ask({ t: "login", name: "bob", password: "correct horse" });
  page.answers("login", { t: "named", id: 2, name: "bob", registered: true });
  assert.equal(page.restarts, 1);
});

const done = (seq) => ({ t: "done", seq });
const edited = (seq, of, text) => msg(seq, text, { t: "edit", of, from: "ann" });
const rows = ({ state }) =>
  rowsOf(state, state.rooms.lobby)
    .filter(({ kind }) => kind !== "day")
    .map(({ kind, entry, amendment, pending }) => [kind, (amendment ?? pending ?? entry).text]);
const settled = () => new Promise((resolve) => setImmediate(resolve));

test("a new text that is written while away is sent after the reconnect, once", async () => {
  const page = inLobby();
  page.hears(mine(1, "helo"));
  page.breaks();
  page.session.say("lobby", "hell", { of: 1, epoch: "e1" });
  page.session.say("lobby", "hello", { of: 1, epoch: "e1" });
  page.session.say("lobby", "and on");
  assert.deepEqual(rows(page), [
    ["message", "hello"],
    ["pending", "and on"],
  ]);
  page.opens();
  page.answers("join", joined(1), "lobby");
  const [request, ...others] = page.requests("edit");
  assert.deepEqual([request.seq, request.text, others], [1, "hello", []]);
  page.hears(edited(2, 1, "hello"));
  page.answers("edit", done(2));
  await settled();
  assert.deepEqual(page.pending, [["and on", "sent"]]);
  assert.deepEqual(page.texts, ["hello"]);
});

test("a new text whose answer got lost is sent again, and ends with its event or its answer", async () => {
  for (const end of ["event", "answer"]) {
    const page = inLobby();
    page.hears(mine(1, "helo"));
    page.session.say("lobby", "hello", { of: 1, epoch: "e1" });
    page.breaks();
    await settled();
    assert.deepEqual(page.pending, [["hello", "queued"]]);
    page.opens();
    page.answers("join", joined(1), "lobby");
    assert.equal(page.requests("edit").length, 1);
    if (end === "event") page.hears(edited(2, 1, "hello"));
    else page.answers("edit", done(2));
    await settled();
    assert.deepEqual(page.state.outbox, [], end);
  }
});

test("a new text that is refused says so, and the message stays as it was", async () => {
  const page = inLobby();
  page.hears(mine(1, "helo"));
  page.session.say("lobby", "hello", { of: 1, epoch: "e1" });
  page.answers("edit", { t: "error", code: "muted", message: "you may not speak", retry: false });
  await settled();
  assert.deepEqual(page.pending, [["hello", "failed"]]);
  assert.deepEqual([page.state.outbox[0].why, page.texts], ["you may not speak", ["helo"]]);
  page.session.sayAgain("c1");
  page.answers("edit", { t: "error", code: "unavailable", message: "wait", retry: true, after: 10 });
  await settled();
  assert.deepEqual(page.pending, [["hello", "queued"]]);
  page.due.at(-1)[0]();
  page.answers("edit", done(2));
  await settled();
  assert.deepEqual(page.state.outbox, []);
});

test("a new text that waited over a reload is sent, unless its position is of another history", () => {
  const pending = { cid: "old", room: "lobby", text: "hello", of: 1, epoch: "e1", at: 0, state: "queued" };
  const me = { id: 1, name: "ann", registered: false };
  assert.equal(inLobby(1, { outbox: [pending], me, names: ["ann"] }).requests("edit").length, 1);
  const other = inLobby(1, { outbox: [{ ...pending, epoch: "e0" }], me, names: ["ann"] });
  assert.deepEqual([other.requests("edit"), other.pending], [[], [["hello", "failed"]]]);
});

test("an event in the same words is no message", () => {
  const page = inLobby();
  page.session.say("lobby", "tea");
  page.hears(mine(1, "tea", { t: "topic" }));
  assert.deepEqual(page.pending, [["tea", "sent"]]);
});

test("without a connection a request is refused at once, and says whether it was sent", async () => {
  const page = inLobby();
  const asked = page.session.ask({ t: "topic", room: "lobby", text: "tea" });
  page.breaks();
  await assert.rejects(asked, (error) => error instanceof Gone && error.sent);
  await assert.rejects(page.session.ask({ t: "rooms" }), (error) => error instanceof Gone && !error.sent);
});

test("an address leads to a room that was never joined, and joins it once the person asks for that", () => {
  const page = inLobby();
  page.session.open("red", 5);
  assert.deepEqual([page.state.current, page.state.rooms.red.status, page.requests("join", "red")], ["red", "offered", []]);
  page.breaks();
  page.opens(welcome({ epoch: "e2" }));
  assert.deepEqual([page.state.rooms.red.status, page.requests("join", "red")], ["offered", []]);
  page.session.open("red", 5, { joins: true });
  assert.deepEqual([page.state.rooms.red.status, page.requests("join", "red").length], ["joining", 1]);
  page.session.open("blue");
  page.session.open("lobby");
  assert.deepEqual(Object.keys(page.state.rooms).sort(), ["lobby", "red"]);
});
