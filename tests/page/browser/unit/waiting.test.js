// Delays, rate limits, close codes, and the colours of names.

import assert from "node:assert/strict";
import { test } from "node:test";
import "./english.js";
import { BASE, CAP, delay, longDelay } from "../../../../app/page/static/connection/backoff.js";
import { ending } from "../../../../app/page/static/connection/closecodes.js";
import { judge } from "../../../../app/page/static/connection/probe.js";
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

test("the delay is long where only people can help", () => {
  const shortest = [1, 2, 3, 20].map((attempt) => longDelay(attempt, () => 0));
  assert.deepEqual(shortest, [CAP, 2 * CAP, 4 * CAP, 10 * CAP]);
});

test("the cause of a handshake that failed is what the server or a proxy answers to the probe", () => {
  const cause = (status, answer = null) => judge(status, answer, new URL("https://chat.example/team/"));
  const refused = (status, reason) => ({ status: "ready", chat: { status, reason, message: "The server's words" } });
  const origin = cause(200, refused(403, "origin"));
  assert.match(origin.why, /https:\/\/chat\.example.*app\.websockets\.origins/);
  assert.ok(origin.later);
  const host = cause(200, refused(403, "host"));
  assert.match(host.why, / chat\.example\..*app\.deployment\.host-names/);
  assert.ok(host.later);
  assert.match(cause(200, refused(429, "address")).why, /Too many connections/);
  assert.match(cause(200, refused(429, "handshakes")).why, /Too many new connections/);
  assert.match(cause(429).why, /Too many connections/);
  assert.match(cause(503, refused(503, "draining")).why, /restarting/);
  assert.deepEqual(cause(200, refused(503, "new")), { why: "The server's words", later: false });
  assert.match(cause(200, { status: "ready", chat: { status: 101 } }).why, /A proxy may block them/);
  assert.match(cause(502).why, /starting or stopping/);
  assert.match(cause(404).why, /A proxy may block them/, "a server without health checks");
});

test("a proxy that asks to sign in is told from a server that is down", () => {
  for (const status of [0, 200, 401, 403]) {
    const cause = judge(status, null, new URL("https://chat.example"));
    assert.ok(cause.signIn && cause.later, `${status}`);
    assert.match(cause.why, /sign in again/);
  }
});

test("close codes tell whether to come back, as the protocol has it", () => {
  const again = [1001, 1006, 1011, 1012, 4000];
  const never = [1000, 1007, 1008, 1009];
  assert.ok(again.every((code) => ending(code, "").again));
  assert.ok(never.every((code) => !ending(code, "").again));
  assert.equal(ending(1002, "").again, "once", "a proxy may have sent the frame that was wrong");
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

test("a code from 4001 on means the standard one that a server could not send", () => {
  for (const code of [1001, 1008, 1009, 1012]) assert.deepEqual(ending(code + 3000, "why"), ending(code, "why"));
  assert.notDeepEqual(ending(4000, ""), ending(1000, ""));
});
