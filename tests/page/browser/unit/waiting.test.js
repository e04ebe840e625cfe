// Delays, rate limits, close codes, and the colours of names.

import assert from "node:assert/strict";
import { test } from "node:test";
import "./english.js";
import { BASE, CAP, delay } from "../../../../app/page/static/connection/backoff.js";
import { ending } from "../../../../app/page/static/connection/closecodes.js";
import { listed } from "../../../../app/page/static/i18n/messages.js";
import { hueOf, HUES, letterOf } from "../../../../app/page/static/views/hues.js";
import { full, take } from "../../../../app/page/static/connection/ratelimit.js";

test("the delay grows up to a bound, and is anything below it", () => {
  assert.equal(
    delay(0, () => 1),
    BASE,
  );
  assert.equal(
    delay(3, () => 1),
    8 * BASE,
  );
  assert.equal(
    delay(50, () => 1),
    CAP,
  );
  assert.equal(
    delay(50, () => 0),
    0,
  );
});

test("close codes tell whether to come back, as the protocol has it", () => {
  const again = [1001, 1006, 1011, 1012, 4000];
  const never = [1000, 1002, 1007, 1008, 1009];
  assert.ok(again.every((code) => ending(code, "").again));
  assert.ok(never.every((code) => !ending(code, "").again));
  assert.match(ending(1008, "too much at once").why, /too much at once/);
});

test("a bucket lets through what its limits say", () => {
  const limits = { rate: 10, burst: 3 };
  let bucket = full(limits, 0);
  const waits = [0, 0, 0, 0, 50, 100, 150].map((now) => {
    const taken = take(bucket, limits, now);
    bucket = taken.bucket;
    return taken.wait;
  });
  assert.deepEqual(waits, [0, 0, 0, 100, 50, 0, 50]);
  assert.equal(take(bucket, { rate: 0, burst: 0 }, 0).wait, 0);
});

test("a name has one colour and one letter, however it is written", () => {
  assert.equal(hueOf("Ann"), hueOf("ann"));
  const hues = Array.from({ length: 400 }, (_, index) => hueOf(`name${index}`));
  assert.ok(hues.every((hue) => hue >= 0 && hue < HUES));
  assert.equal(new Set(hues).size, HUES);
  assert.equal(hueOf("ann", 7), hueOf("bob", 7), "whoever is known by an id keeps the colour under another name");
  assert.equal(new Set(Array.from({ length: HUES }, (_, index) => hueOf("ann", index + 1))).size, HUES);
  assert.deepEqual([letterOf("ann"), letterOf("_9x"), letterOf("…")], ["A", "9", "?"]);
  assert.equal(listed(["a", "b", "c"]), "a, b, and c");
});
