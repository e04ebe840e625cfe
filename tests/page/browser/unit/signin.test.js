// The token of a sign-in: it changes, and all tabs of a browser have the same one.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "../../../../app/page/static/text/commands.js";
import { inLobby, msg, Page, welcome } from "./frames.js";

const named = (more = {}) => ({ t: "named", id: 1, name: "ann", registered: true, ...more });

test("a new token is kept at once, and used for the next connection", () => {
  const page = inLobby();
  page.hears(named({ token: "second" }));
  assert.deepEqual(page.kept, { token: "second", id: 1, name: "ann" });
  assert.equal(page.session.identity().token, "second");
  page.hears(named({ name: "anna" }));
  assert.deepEqual(page.kept, { token: "second", id: 1, name: "anna" }, "a change of the name brings none");
  page.breaks();
  page.opens(welcome({ token: "second", name: "anna" }));
  assert.deepEqual([page.requests("nick"), page.requests("join", "lobby").length], [[], 1]);
});

test("the token of a login is kept before the connection begins anew", () => {
  const page = inLobby();
  void page.session.login("bob", "secret");
  page.answers("login", named({ id: 7, name: "bob", token: "of bob" }));
  assert.deepEqual(page.kept, { token: "of bob", id: 7, name: "bob" });
  assert.equal(page.restarts, 1);
});

test("a tab takes the token that another one got", () => {
  const page = inLobby();
  page.hears(msg(1, "hi"));
  page.session.adopt({ token: "secret", id: 1, name: "ann" });
  assert.equal(page.restarts, 0, "it is the one that this tab has");
  page.session.adopt({ token: "second", id: 1, name: "ann" });
  assert.equal(page.restarts, 1);
  assert.equal(page.session.identity().token, "second");
  page.opens(welcome({ token: "second", registered: true }));
  assert.deepEqual(page.texts, ["hi"]);
  assert.equal(page.requests("join", "lobby")[0].after, 1);
});

test("a tab becomes the person whom another one logged in", () => {
  const page = inLobby();
  page.hears(msg(1, "hi"));
  page.session.adopt({ token: "of bob", id: 2, name: "bob" });
  page.opens(welcome({ token: "of bob", id: 2, name: "bob" }));
  assert.deepEqual(page.requests("nick"), [], "it does not ask for the name that it had");
  assert.deepEqual([page.state.me.name, page.texts, page.state.screen], ["bob", [], "chat"]);
  page.breaks();
  page.opens(welcome({ token: "third", id: 3, name: "user0" }));
  assert.deepEqual(page.requests("nick")[0]?.name, "bob", "as after any other break");
});

test("a log-out reaches all tabs", () => {
  const page = inLobby();
  page.hears(msg(1, "hi"));
  page.session.adopt(null);
  assert.deepEqual([page.state.screen, page.state.me, Object.keys(page.state.rooms), page.stops], ["name", null, [], 1]);
  assert.deepEqual([page.kept, page.session.identity()], [null, { name: "", token: "" }]);
});

test("on the first screen nothing is taken from other tabs", () => {
  const page = new Page();
  page.session.adopt({ token: "of bob", id: 2, name: "bob" });
  page.session.adopt(null);
  assert.deepEqual([page.restarts, page.stops, page.session.identity().token], [0, 0, ""]);
});

test("a change of the password is never said", () => {
  const usages = [{ command: "password", usage: "OLD NEW", help: "" }];
  assert.deepEqual(parse("/password old new word", usages), { kind: "password", old: "old", next: "new word" });
  assert.deepEqual(parse('/password "an old" new', usages), { kind: "password", old: "an old", next: "new" });
  assert.deepEqual(parse("/password", usages), { kind: "password", old: "", next: "" });
  assert.equal(parse("//password old new", usages).kind, "problem");
});
