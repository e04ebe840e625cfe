// Words of people that are also words of JavaScript.

import assert from "node:assert/strict";
import { test } from "node:test";
import { replyText } from "../../../../app/page/static/i18n/replies.js";
import { table, tableOf, without } from "../../../../app/page/static/state/table.js";
import { after, inLobby, joined, msg, welcome } from "./frames.js";

const WORDS = ["constructor", "toString", "valueOf", "hasOwnProperty", "__proto__", "then", "length"];

test("a table has what was put in it and nothing else, under any word", () => {
  for (const word of WORDS) {
    assert.equal(table()[word], undefined, word);
    assert.equal(table(tableOf([["den", 1]]), { [word]: 2 })[word], 2, word);
    assert.deepEqual(Object.keys(without(tableOf([[word, 1]]), word)), [], word);
  }
});

test("a room may have any word for its name", () => {
  for (const room of WORDS) {
    const begun = [welcome(), { type: "open", room, seq: 0 }];
    const state = after(...begun, joined(0, { room }), msg(1, "hi", { room }), { type: "draft", room, text: "later" });
    assert.deepEqual(
      state.rooms[room].log.entries.map(({ text }) => text),
      ["hi"],
    );
    assert.equal(state.drafts[room], "later");
    for (const frame of [{ t: "parted", room }, { t: "conversations", conversations: [] }]) {
      const next = after(...begun, joined(0, { room }), { t: "typing", room, from: "bob" }, frame, msg(1, "hi", { room }));
      assert.equal(Boolean(next.rooms[room]), frame.t !== "parted", room);
    }
    assert.equal(after(welcome(), msg(1, "hi", { room })).rooms[room], undefined);
  }
});

test("a room with any word for its name is joined and said in", () => {
  for (const room of WORDS) {
    const page = inLobby();
    page.session.open(room, 0, { joins: true });
    page.answers("join", joined(0, { room }), room);
    page.session.say(room, "hi");
    assert.deepEqual(
      page.requests("msg").map((frame) => [frame.room, frame.text]),
      [[room, "hi"]],
    );
  }
});

test("someone may type under any name", () => {
  for (const from of WORDS) {
    const begun = [welcome(), { type: "open", room: "lobby", seq: 0 }, joined(0), { t: "typing", room: "lobby", from }];
    assert.deepEqual(Object.keys(after(...begun).rooms.lobby.typing), [from]);
    assert.deepEqual(Object.keys(after(...begun, msg(1, "hi", { from })).rooms.lobby.typing), []);
    assert.deepEqual(Object.keys(after(...begun, { type: "tick", at: 10_000 }).rooms.lobby.typing), []);
  }
});

test("an answer of an unknown type has no words", () => {
  for (const t of WORDS) assert.equal(replyText({ t }, "x"), "");
});
