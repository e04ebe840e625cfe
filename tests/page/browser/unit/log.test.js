import assert from "node:assert/strict";
import { test } from "node:test";
import { append, around, aside, EMPTY, extend, MOST, opened, PAGE, prepend } from "../../../../app/page/static/state/log.js";
import { msg } from "./frames.js";

const events = (from, to) => Array.from({ length: to - from + 1 }, (_, index) => msg(from + index, `m${from + index}`));
const said = (log, from, to, following = true) =>
  events(from, to).reduce((next, one) => append(next, one, following), log);
const span = ({ entries }) => [entries[0].seq, entries.at(-1).seq, entries.length];

test("a full window lets the oldest go while its end is followed", () => {
  const log = said(opened(0), 1, MOST + 50);
  assert.deepEqual([span(log), log.first, log.last, log.oldest, log.live], [[51, 350, MOST], 51, 350, false, true]);
});

test("a full window lets the end go while an earlier part is read", () => {
  const log = said(said(opened(0), 1, MOST), 301, 310, false);
  assert.deepEqual([span(log), log.last, log.live], [[1, 300, MOST], 300, false]);
});

test("history is put before it, and the end goes where that is too much", () => {
  let log = said(opened(1_000), 1_001, 1_010);
  for (let first = 1_001; first > 1; first -= PAGE) {
    log = prepend(log, events(first - PAGE, first - 1), first - PAGE > 1);
    assert.ok(log.entries.length <= MOST);
    assert.equal(log.first, first - PAGE);
  }
  assert.deepEqual([span(log), log.oldest, log.live, log.last], [[1, 300, MOST], true, false, 300]);
});

test("history after it leads back to the end", () => {
  let log = { ...opened(0), live: false };
  for (let after = 0; after < 500; after += PAGE)
    log = extend(log, events(after + 1, after + PAGE), after + PAGE < 500, 500);
  assert.deepEqual([span(log), log.live, log.oldest], [[201, 500, MOST], true, false]);
  assert.deepEqual(span(append(log, msg(501, "x"), true)), [202, 501, MOST]);
});

test("an event that came while the last page was on its way leaves no hole", () => {
  const log = extend({ ...opened(0), live: false }, events(1, 10), false, 11);
  assert.equal(log.live, false);
  assert.equal(extend(log, events(11, 11), false, 11).live, true);
});

test("a page that has nothing more ends the search for the end", () => {
  assert.equal(extend({ ...opened(5), live: false }, [], false, 9).live, true);
});

test("a window without its end takes in changes, and nothing else", () => {
  const log = { ...said(opened(0), 1, 3), live: false };
  assert.equal(append(log, msg(9, "x"), true), log);
  const changed = append(log, { ...msg(9, "changed"), t: "edit", of: 2 }, true);
  assert.deepEqual([changed.entries[1].text, changed.last], ["changed", 3]);
});

test("an edit that a later one replaced has no text, and changes nothing", () => {
  const log = said(opened(0), 1, 3);
  const replaced = append(log, { ...msg(4, ""), t: "edit", of: 2 }, true);
  assert.deepEqual([replaced.entries, replaced.last], [log.entries, 4]);
});

test("a topic or a reason that is deleted leaves its line", () => {
  const log = append(opened(0), { ...msg(1, "words"), t: "topic" }, true);
  const changed = append(log, { ...msg(2, ""), t: "delete", of: 1, what: "topic" }, true);
  assert.deepEqual([changed.entries[0].text, changed.entries[0].deleted], ["", true]);
});

test("pages that overlap put nothing in twice", () => {
  const log = said(opened(4), 5, 6);
  assert.deepEqual(span(prepend(log, events(3, 6), true)), [3, 6, 4]);
  assert.deepEqual(span(extend({ ...log, live: false }, events(5, 8), false, 8)), [5, 8, 4]);
});

test("a window on a message far back", () => {
  const log = around(events(460, 559), true, 459, 9_999);
  assert.deepEqual([span(log), log.first, log.oldest, log.live], [[460, 559, 100], 460, false, false]);
});

test("what has no position stands where it came, once", () => {
  const note = msg(0, "note", { id: "note 1", aside: "notice" });
  const log = aside(aside(said(opened(0), 1, 2), note), note);
  assert.deepEqual(
    log.entries.map(({ seq, aside: kind }) => [seq, kind]),
    [
      [1, undefined],
      [2, undefined],
      [2, "notice"],
    ],
  );
});

test("an empty log is at its end", () =>
  assert.deepEqual([EMPTY.live, opened(0).oldest, opened(3).oldest], [true, true, false]));
