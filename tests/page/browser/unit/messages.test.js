// The messages of the page: their values, their plurals, and the language that they are in.

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { afterEach, test } from "node:test";
import { LANGUAGES, read } from "./english.js";
import { errorText } from "../../../../app/page/static/i18n/errors.js";
import { eventText, expelledText } from "../../../../app/page/static/i18n/events.js";
import { dateTime, dayName, duration, time, waitTime } from "../../../../app/page/static/i18n/format.js";
import { choose } from "../../../../app/page/static/i18n/language.js";
import { find, listed, renewFormatters, rich, t, use } from "../../../../app/page/static/i18n/messages.js";
import { helpText } from "../../../../app/page/static/text/commands.js";
import { replyText } from "../../../../app/page/static/i18n/replies.js";

afterEach(() => use(read("en"), "en"));

test("every language has a form for each plural category that it has", () => {
  const tags = readdirSync(LANGUAGES).map((name) => name.replace(/\.json$/, ""));
  assert.ok(tags.includes("en"));
  for (const tag of tags) {
    const { pluralCategories } = new Intl.PluralRules(tag).resolvedOptions();
    for (const [key, message] of Object.entries(read(tag))) {
      for (const form of [message].flat()) {
        if (typeof form !== "string") assert.deepEqual(Object.keys(form).sort(), [...pluralCategories].sort(), key);
      }
    }
  }
});

test("a message has its values in their places, numbers as the language writes them", () => {
  use({ a: "{name} has {count}, {name}", b: "no values" }, "de");
  assert.equal(t("a", { name: "ann", count: 12_345 }), "ann has 12.345, ann");
  assert.equal(t("b"), "no values");
  assert.deepEqual(rich("a", { name: ["view"], count: 1 }), ["", ["view"], " has ", "1", ", ", ["view"], ""]);
});

test("a value is never taken for a part of the message", () => {
  use({ a: "{name}: {text}" }, "en");
  assert.equal(t("a", { name: "{text}", text: "{name} $& <b>" }), "{text}: {name} $& <b>");
});

test("the plural form goes by the count, and by the rules of the language", () => {
  use({ a: { one: "{count} plik", few: "{count} pliki", many: "{count} plików", other: "{count} pliku" } }, "pl");
  assert.deepEqual(
    [1, 2, 5, 22, 1.5].map((count) => t("a", { count })),
    ["1 plik", "2 pliki", "5 plików", "22 pliki", "1,5 pliku"],
  );
});

test("of several forms the first counts that has all its values", () => {
  use({ a: ["{name}, {why}, {count}", { one: "{name}, one", other: "{name}, many" }, "nobody"] }, "en");
  assert.equal(t("a", { name: "ann", why: "tea", count: 2 }), "ann, tea, 2");
  assert.equal(t("a", { name: "ann", why: "", count: 1 }), "ann, one");
  assert.equal(t("a", { why: "tea" }), "nobody");
});

test("a message that lacks its values is told by its key, or not found", () => {
  use({ a: "{name}" }, "en");
  assert.equal(t("a"), "a");
  assert.deepEqual(
    [find(["a"], {}), find(["b", "a"], { name: "x" }), find(["toString", "constructor"], {})],
    ["", "x", ""],
  );
});

test("an error is told by its code and reason", () => {
  const error = (code, more) => errorText({ t: "error", code, message: "the server's words", ...more });
  assert.equal(error("wrong_password"), "Wrong name or password");
  assert.equal(
    error("name_taken", { reason: "registered", name: "ann" }),
    "“ann” is taken. If it's yours, enter your password.",
  );
  assert.equal(error("too_long", { what: "topic", size: 301, limit: 300 }), t("error.too_long.topic", { count: 300 }));
  assert.equal(error("banned", { room: "lobby", why: "coffee" }), "You're banned from #lobby permanently: coffee");
  assert.match(error("banned", { room: "lobby", until: "2026-01-01T12:00:00Z" }), /^You're banned from #lobby until .*2026/);
  assert.equal(
    error("slow_mode", { room: "lobby", after: 30_000, limit: 60 }),
    "Slow mode is on: one message every 1 minute",
  );
  assert.equal(error("rate_limited", { after: 1_500, limit: 10 }), "You're sending too fast. Try again in 2 seconds.");
});

test("a reason that is not known is told by the code, and a code that is not known by the server's words", () => {
  const error = (more) => errorText({ t: "error", message: "the server's words", ...more });
  assert.equal(error({ code: "unknown_name", reason: "new", name: "bob" }), "Nobody here is called bob");
  assert.equal(error({ code: "bad_name", reason: "new", name: "bob" }), "the server's words");
  for (const code of ["new_code", "refused", "unavailable", "bad_frame", "toString"]) {
    assert.equal(error({ code }), "the server's words", code);
  }
});

test("a time in the server's own words is shown as the reader's", () => {
  const said = (message) => errorText({ t: "error", code: "new_code", message });
  const noon = "2026-01-01T12:00:00.000Z";
  assert.equal(said(`Closed until ${noon}: tea`), `Closed until ${dateTime(noon)}: tea`);
  assert.equal(said("Closed until 2026-01-01 12:00 UTC"), `Closed until ${dateTime(noon)}`);
  assert.equal(said("Version 2026-01-01 is too old"), "Version 2026-01-01 is too old");
});

test("an older server, which sends no values, is shown in its own words", () => {
  const old = ["banned", "muted", "slow_mode", "name_taken", "bad_name", "too_long", "not_joined", "not_operator"];
  for (const code of old) assert.equal(errorText({ t: "error", code, message: "its words" }), "its words", code);
});

test("an event is told with names and quotes that the view shows", () => {
  const event = { t: "ban", room: "lobby", seq: 1, id: "x", ts: "", from: "ann", whom: "bob", text: "spam" };
  const parts = eventText(event, (name) => `[${name}]`, (text) => `"${text}"`);
  assert.equal(parts.join(""), '[ann] banned [bob] permanently: "spam"');
  assert.equal(expelledText({ ...event, text: "" }), "ann banned you permanently");
  const slow = (seconds) => eventText({ ...event, t: "slow", seconds }, String, String).join("");
  assert.deepEqual(
    [slow(60), slow(0)],
    ["ann turned on slow mode: one message every 1 minute", "ann turned off slow mode"],
  );
});

test("an answer to a command is told, and what only the server knows in its words", () => {
  assert.equal(replyText({ t: "done", note: "you ignore bob" }, "ignore", "bob"), "You no longer see messages from bob");
  assert.equal(replyText({ t: "done", note: "rolled" }, "dice"), "rolled");
  assert.equal(replyText({ t: "done" }, "kick", "bob"), "");
  assert.equal(
    replyText({ t: "who", room: "den", members: 2, people: [{ name: "ann" }, { name: "bob", away: "tea" }] }, "who"),
    "2 people in #den: ann and bob (away: tea)",
  );
});

test("a command is described in the reader's language, one of a module in the server's words", () => {
  use({ "command.who": "kto tu jest" }, "pl");
  assert.equal(helpText({ command: "who", usage: "[ROOM]", help: "who is here (also /w)" }), "kto tu jest");
  assert.equal(helpText({ command: "dice", usage: "", help: "roll dice (also /roll)" }), "roll dice");
});

test("times and lists are written as in the language", () => {
  use(read("en"), "de");
  assert.deepEqual([duration(3600), waitTime(90_500), waitTime(121_000)], ["1 Stunde", "91 Sekunden", "3 Minuten"]);
  assert.equal(listed(["a", "b", "c"]), "a, b und c");
  use(read("en"), "en");
  assert.deepEqual([duration(600), duration(90), duration(0)], ["10 minutes", "90 seconds", "0 seconds"]);
  const noon = "2026-03-02T12:00:00Z";
  assert.deepEqual(
    [0, 1, 2].map((days) => dayName(noon, Date.parse(noon) + days * 86_400_000)),
    ["Today", "Yesterday", "Monday, March 2"],
  );
});

test("times are those of the zone that the reader is in now, in one form", () => {
  const before = process.env.TZ;
  const noon = "2026-01-01T12:00:00Z";
  const shown = (zone) => {
    process.env.TZ = zone;
    renewFormatters();
    return [time(noon), dateTime(noon)];
  };
  try {
    assert.deepEqual(shown("UTC"), ["12:00 PM", "Jan 1, 2026, 12:00 PM"]);
    assert.deepEqual(shown("America/Phoenix"), ["5:00 AM", "Jan 1, 2026, 5:00 AM"]);
    assert.deepEqual(shown("Asia/Tokyo"), ["9:00 PM", "Jan 1, 2026, 9:00 PM"]);
  } finally {
    if (before === undefined) delete process.env.TZ;
    else process.env.TZ = before;
    renewFormatters();
  }
});

test("the language is the first that the reader prefers and that there is", () => {
  const languages = ["en", "de", "zh-Hant"];
  assert.deepEqual(choose(["de-AT", "en"], languages), { language: "de", locale: "de-AT" });
  assert.deepEqual(choose(["fr", "zh-Hant-TW"], languages), { language: "zh-Hant", locale: "zh-Hant-TW" });
  assert.deepEqual(choose(["en-GB", "de"], languages), { language: "en", locale: "en-GB" });
  assert.deepEqual(choose(["fr"], languages), { language: "en", locale: "en" });
  assert.deepEqual(choose(["de-@"], languages), { language: "de", locale: "de" });
  assert.deepEqual(choose([], languages), { language: "en", locale: "en" });
});
