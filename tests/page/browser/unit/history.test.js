// Loading pages of history while other things happen.

import assert from "node:assert/strict";
import { test } from "node:test";
import { MOST } from "../../../../app/page/static/state/log.js";
import { inLobby, msg, Page, welcome } from "./frames.js";

const settled = () => new Promise((resolve) => setImmediate(resolve));
const page = (from, to, more) => ({
  t: "history",
  room: "lobby",
  events: Array.from({ length: to - from + 1 }, (_, index) => msg(from + index, `m${from + index}`)),
  more,
});
const seqs = ({ state }) => state.rooms.lobby.log.entries.map(({ seq }) => seq);

test("no history is asked for before the room was joined", () => {
  const page = new Page();
  page.session.open("lobby");
  page.opens(welcome());
  void page.session.load("lobby", "before");
  assert.deepEqual(page.requests("history"), []);
});

test("a room that is looked at gets its newest page, and the one before when asked", async () => {
  const tab = inLobby(300);
  tab.answers("history", page(201, 300, true));
  await settled();
  void tab.session.load("lobby", "before");
  assert.equal(tab.requests("history").at(-1).before, 201);
  tab.answers("history", page(101, 200, true));
  await settled();
  assert.deepEqual([seqs(tab)[0], seqs(tab).length], [101, 200]);
});

test("a page that no longer fits the window is not put in: it would leave a hole", async () => {
  const tab = inLobby(100);
  tab.answers("history", page(1, 100, true));
  await settled();
  void tab.session.load("lobby", "before");
  for (let seq = 101; seq <= MOST + 50; seq++) tab.hears(msg(seq, "live"));
  assert.equal(seqs(tab)[0], 51);
  tab.answers("history", page(0, 0, false));
  await settled();
  assert.deepEqual([seqs(tab)[0], tab.state.rooms.lobby.loading], [51, ""]);
});

test("a message far back is shown among those around it", async () => {
  const tab = inLobby(9_000);
  tab.session.open("lobby", 500);
  const request = tab.requests("history").at(-1);
  tab.hears({ ...page(461, 560, true), rid: request.rid });
  await settled();
  assert.equal(request.after, 460);
  assert.deepEqual([seqs(tab)[0], tab.state.target.seq], [461, 500]);
});

test("a message that is not there is told, and the end of the room is shown", async () => {
  const tab = inLobby(9_000);
  tab.session.open("lobby", 500);
  tab.answers("history", page(800, 899, true));
  await settled();
  const { target, rooms } = tab.state;
  assert.deepEqual([target, rooms.lobby.log.live], [null, true]);
  assert.match(rooms.lobby.log.entries.at(-1).text, /never existed/);
  assert.equal(tab.requests("history").at(-1).before, 9_001);
});
