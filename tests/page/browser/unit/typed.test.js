// What the page makes of what someone typed, judged by the texts that the server is judged by too.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import "./english.js";
import { parse } from "../../../../app/page/static/text/commands.js";
import { holdsPassword, isBlank } from "../../../../app/page/static/text/typed.js";

const { known, texts } = JSON.parse(readFileSync(new URL("../../../chat/typed.json", import.meta.url), "utf8"));
const usages = known.map((command) => ({ command, usage: "", help: "" }));

test("blank texts and passwords are told as by the server", () => {
  for (const { why, text, blank = false, password = false } of texts) {
    assert.equal(isBlank(text), blank, why);
    assert.equal(holdsPassword(text), password, why);
  }
});

test("a text is said only if it is no command, not blank, and no password", () => {
  for (const { why, text, blank = false, password = false, command = "" } of texts) {
    const { kind } = parse(text, usages);
    assert.equal(kind === "nothing", blank, why);
    const isSaid = !blank && !password && (!command || command.startsWith("/me "));
    assert.equal(kind === "say", isSaid, why);
  }
});
