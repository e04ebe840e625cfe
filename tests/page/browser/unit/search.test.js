// Searching: what is asked for and when, and which answers count.

import assert from "node:assert/strict";
import { mock, test } from "node:test";
import "./english.js";
import { createSearch } from "../../../../app/page/static/actions/search.js";
import { Gone, Refused } from "../../../../app/page/static/connection/requests.js";
import { initial } from "../../../../app/page/static/state/initial.js";
import { cut, excerpt } from "../../../../app/page/static/text/marks.js";

const PAUSE = 200;
const event = (seq, text, room = "lobby") => ({ t: "msg", room, seq, id: `${room}${seq}`, from: "bob", text });
const found = (events, more = {}) => ({ t: "found", words: "x", events, more: false, ...more });

/** The panel, open in the lobby, before a server that answers when the test says so. */
class Panel {
  constructor() {
    this.state = initial({ current: "lobby" });
    this.asked = [];
    const session = {
      ask: (request) => {
        const asked = { request: JSON.parse(JSON.stringify(request)) };
        this.asked.push(asked);
        return new Promise((resolve, reject) => Object.assign(asked, { resolve, reject }));
      },
    };
    const set = (change) => (this.state = { ...this.state, ...change });
    this.act = createSearch({ session, state: () => this.state, set });
    this.act.search();
  }

  get search() {
    return this.state.search;
  }

  get texts() {
    return this.search.events.map(({ text }) => text);
  }

  /** The words and places of all requests. */
  get requests() {
    return this.asked.map(({ request: { words, room, before } }) => [words, room, before]);
  }

  /** Answers the last request. */
  async answers(frame) {
    this.asked.at(-1).resolve(frame);
    await new Promise(setImmediate);
  }

  async refuses(error) {
    this.asked.at(-1).reject(error);
    await new Promise(setImmediate);
  }
}

const refusal = (code) => new Refused({ t: "error", code, message: code });

/** Runs a test with a clock that stands still. */
const withClock = (name, run) =>
  test(name, async () => {
    mock.timers.enable({ apis: ["setTimeout"] });
    try {
      await run(new Panel(), (milliseconds) => mock.timers.tick(milliseconds));
    } finally {
      mock.timers.reset();
    }
  });

withClock("a search begins when nothing was typed for a moment", async (page, tick) => {
  page.act.typed("te");
  tick(PAUSE - 1);
  page.act.typed("tea");
  tick(PAUSE - 1);
  assert.deepEqual(page.requests, []);
  tick(1);
  assert.deepEqual(page.requests, [["tea*", undefined, undefined]]);
  await page.answers(found([event(1, "tea")], { marks: [[[0, 3]]] }));
  assert.deepEqual([page.texts, page.search.events[0].marks, page.search.busy], [["tea"], [[0, 3]], false]);
});

withClock("enter searches at once, and not again after the pause", async (page, tick) => {
  page.act.typed("tea");
  page.act.find();
  assert.equal(page.asked.length, 1);
  await page.answers(found([]));
  tick(PAUSE);
  assert.equal(page.asked.length, 1);
  assert.equal(page.search.done, true);
});

withClock("one request is under way at a time, and answers to older words are not shown", async (page, tick) => {
  page.act.typed("tea");
  tick(PAUSE);
  page.act.typed("tea tr");
  tick(PAUSE);
  page.act.typed("tea tree");
  tick(PAUSE);
  assert.equal(page.asked.length, 1);
  await page.answers(found([event(1, "tea")]));
  assert.deepEqual([page.texts, page.search.busy], [[], true]);
  assert.deepEqual(
    page.requests.map(([words]) => words),
    ["tea*", "tea tree"],
  );
  page.act.typed("tea trees");
  await page.answers(found([event(2, "tea tree")]));
  assert.deepEqual([page.texts, page.asked.length], [[], 2]);
  tick(PAUSE);
  await page.answers(found([event(3, "tea trees")]));
  assert.deepEqual([page.texts, page.asked.length, page.search.busy], [["tea trees"], 3, false]);
});

withClock("nothing is searched for one letter, for unfinished input, or for no words", async (page, tick) => {
  for (const [words, composing] of [["t"], ["  "], ["cha", true], [""]]) {
    page.act.typed(words, composing);
    tick(PAUSE);
  }
  page.act.find({ words: " " });
  assert.deepEqual(page.requests, []);
  page.act.typed("茶");
  tick(PAUSE);
  assert.deepEqual(page.requests, [["茶", undefined, undefined]]);
});

withClock("an empty field shows no results, also not those that come later", async (page, tick) => {
  page.act.typed("tea");
  tick(PAUSE);
  await page.answers(found([event(1, "tea")], { partial: true, behind: 3 }));
  page.act.find();
  page.act.typed("");
  await page.answers(found([event(1, "tea")]));
  const { events, partial, behind, done, busy } = page.search;
  assert.deepEqual({ events, partial, behind, done, busy }, { events: [], partial: false, behind: 0, done: false, busy: false });
});

withClock("the last word may be incomplete, unless it is quoted or followed by a space", async (page) => {
  const sent = [];
  for (const words of ["te", "tea ", "green te", '"green te', '"green tea" n', "machine", "te*", "3", "id:12"]) {
    page.act.find({ words });
    sent.push(page.asked.at(-1).request.words);
    await page.answers(found([]));
  }
  assert.deepEqual(sent, ["te*", "tea", "green te*", '"green te', '"green tea" n*', "machine", "te*", "3*", "id:12"]);
});

withClock("another scope searches again, and is kept while words change", async (page, tick) => {
  page.act.find({ room: "lobby" });
  assert.deepEqual(page.requests, []);
  page.act.typed("tea");
  tick(PAUSE);
  await page.answers(found([], { room: "lobby" }));
  page.act.find({ room: "" });
  assert.deepEqual(page.requests, [
    ["tea*", "lobby", undefined],
    ["tea*", undefined, undefined],
  ]);
});

withClock("older results come after those that are there", async (page) => {
  page.act.find({ words: "tea " });
  await page.answers(found([event(7, "new", "ops")], { more: true, next: 40 }));
  page.act.older();
  assert.deepEqual(page.requests.at(-1), ["tea", undefined, 40]);
  await page.answers(found([event(6, "old")]));
  assert.deepEqual([page.texts, page.search.more], [["old", "new"], false]);
  page.act.find();
  await page.answers(found([], { more: true, next: 3 }));
  page.act.older();
  await page.refuses(new Gone("lost"));
  assert.equal(page.search.done, true);
  assert.notEqual(page.search.problem, "");
});

withClock("an older server searches the room in view, and continues before its oldest event", async (page) => {
  page.act.find({ words: "machine" });
  await page.refuses(refusal("bad_frame"));
  assert.deepEqual(page.requests.at(-1), ["machine*", "lobby", undefined]);
  await page.answers(found([event(5, "a machine"), event(6, "machines")], { room: "lobby", more: true }));
  assert.deepEqual([page.search.single, page.search.room, page.texts.length], [true, "lobby", 2]);
  page.act.older();
  assert.deepEqual(page.requests.at(-1), ["machine*", "lobby", 5]);
});

withClock("an error is shown in place of results", async (page) => {
  page.act.find({ words: "tea" });
  await page.answers(found([event(1, "tea")]));
  page.act.find();
  await page.refuses(refusal("unavailable"));
  assert.deepEqual([page.search.problem, page.texts], ["unavailable", []]);
  page.act.find();
  await page.answers(found([event(1, "tea")]));
  assert.deepEqual([page.search.problem, page.texts], ["", ["tea"]]);
});

withClock("a closed panel stays closed, and opens without the words of before", async (page, tick) => {
  page.act.typed("tea");
  tick(PAUSE);
  page.act.typed("teas");
  page.act.stopSearching();
  tick(PAUSE);
  await page.answers(found([event(1, "tea")]));
  assert.deepEqual([page.state.searching, page.asked.length], [false, 1]);
  page.act.search();
  assert.deepEqual([page.search.words, page.texts], ["", []]);
});

const shown = (text, marks) => {
  const { text: part, marks: units } = excerpt(text, marks);
  return cut(part, 0, units)
    .map((piece, index) => (index % 2 ? `<${piece}>` : piece))
    .join("");
};

test("hits are marked where the server says, in code points", () => {
  assert.equal(shown("tea", [[0, 3]]), "<tea>");
  assert.equal(shown("🍵🍵 tea 🍵", [[0, 1], [3, 6]]), "<🍵>🍵 <tea> 🍵");
  assert.equal(shown("no hits"), "no hits");
  assert.equal(shown("overlap", [[0, 4], [2, 7]]), "<over><lap>");
  assert.equal(shown("short", [[3, 99], [-5, 2], [200, 300]]), "sho<rt>");
  assert.deepEqual(cut("tea", 10, [[0, 4], [8, 11], [12, 20]]), ["", "t", "e", "a", ""]);
});

test("a long text is shown from shortly before its first hit on", () => {
  const text = `${"🍵 ".repeat(500)}here`;
  const part = shown(text, [[1000, 1004]]);
  assert.match(part, /^…[🍵 ]{60,}<here>$/u);
  assert.equal([...part].length, 1 + 60 + "<here>".length);
  assert.equal(shown(`${"x".repeat(100)} tea`, [[101, 104]]), `${"x".repeat(100)} <tea>`);
});
