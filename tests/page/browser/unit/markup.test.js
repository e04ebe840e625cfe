// The markup of messages: links, code, mentions and rooms.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { mentions, parse } from "../../../../app/page/static/text/markup.js";

/** What people and terminals go by: see tests/chat/test_mentions.py. */
const VECTORS = JSON.parse(readFileSync(new URL("../../../chat/mentions.json", import.meta.url), "utf8"));
const among = (names) => (name) => names.some((one) => one.toLowerCase() === name);

const parts = (text, knows) => parse(text, knows).map(({ kind, text: part }) => `${kind}:${part}`);
const links = (text) => parse(text).flatMap((part) => (part.kind === "link" ? [part.to] : []));
const shown = (text) => parse(text).flatMap((part) => (part.kind === "link" ? [part.text] : []));
const rooms = (text, knows) => parse(text, knows).flatMap((part) => (part.kind === "room" ? [part.to] : []));

test("no text is lost or made up", () => {
  for (const text of [
    "",
    "a `b` c",
    "https://a.b/c).",
    "@ann, @bob.",
    "``` x ```",
    "`",
    "``",
    "```",
    "a\nb",
    "@",
    "@@a",
    "http://",
    "<https://a.example|b> c",
    "www.a.example. https://\u0430.example/\u202e.",
    "#den. #1 #fff",
  ]) {
    const whole = parse(text).map((part) =>
      part.kind === "code" ? `\`${part.text}\`` : part.kind === "block" ? `\`\`\`${part.text}\`\`\`` : part.source,
    );
    assert.equal(whole.join("").replaceAll("\n", ""), text.replaceAll("\n", ""));
  }
});

test("links are http and https, and nothing else", () => {
  assert.deepEqual(links("see http://a.example and https://b.example/x?y=1#z"), [
    "http://a.example",
    "https://b.example/x?y=1#z",
  ]);
  for (const text of [
    "javascript:alert(1)",
    "data:text/html,x",
    "ftp://a.example",
    "//a.example",
    "http://",
    "https://[",
  ]) {
    assert.deepEqual(links(text), [], text);
  }
});

test("a link ends before the punctuation around it", () => {
  assert.deepEqual(links("(https://a.example/b)"), ["https://a.example/b"]);
  assert.deepEqual(links("https://a.example/b_(c)."), ["https://a.example/b_(c)"]);
  assert.deepEqual(links('<https://a.example/>, "https://b.example"!'), ["https://a.example/", "https://b.example"]);
});

test("a link ends before the punctuation of every script", () => {
  const address = "https://a.example/b";
  for (const [before, after] of [
    ["“", "”"],
    ["‘", "’s"],
    ["„", "“"],
    ["«", "»"],
    ["", "…"],
    ["看", "。好"],
    ["", "，"],
    ["", "、"],
    ["", "！"],
    ["", "？"],
    ["", "："],
    ["（", "）"],
    ["", "（注）"],
    ["「", "」"],
    ["『", "』"],
    ["【", "】"],
    ["《", "》"],
    ["［", "］"],
    ["", "،"],
    ["", "؟"],
    ["", "।"],
    ["", "—and"],
    ["\u2067", "\u2069"],
    ["({[", "]})."],
  ]) {
    assert.deepEqual(links(`${before}${address}${after}`), [address], before + after);
  }
});

test("a link may have letters of every script, and signs that join them", () => {
  for (const address of [
    "https://ja.example/wiki/東京",
    "https://ca.example/wiki/Paral·lel",
    "https://en.example/1914–1918",
    "https://ja.example/ジョン・レノン",
    "https://a.example/🎉",
    "https://a.example/a_(b)",
    "https://a.example/?q=a|b&c[]=1",
    "http://[::1]:8080/",
  ]) {
    assert.deepEqual(links(address), [address]);
  }
});

test("an address without a scheme is a link if it begins with www", () => {
  assert.deepEqual(links("www.example.com, (www.docs.example/a)"), ["https://www.example.com", "https://www.docs.example/a"]);
  assert.deepEqual(shown("看www.example.com"), ["www.example.com"]);
  for (const text of ["www.example", "www.", "a@www.example.com", "xwww.example.com", "www..com", "/www.example.com"]) {
    assert.deepEqual(links(text), [], text);
  }
});

test("a link with a label shows it, unless it reads like another address", () => {
  assert.deepEqual(links("see <https://ci.example/job/7|Build 7>."), ["https://ci.example/job/7"]);
  assert.deepEqual(shown("see <https://ci.example/job/7|Build 7>."), ["Build 7"]);
  assert.deepEqual(shown("<https://ci.example|構築 7.2>"), ["構築 7.2"]);
  for (const label of [
    "https://bank.example",
    "bank.example",
    "bank。example",
    "bank\u2024example",
    "bank·example",
    "ｂａｎｋ．example",
    "//bank",
    "www",
    "Build\u202e7",
    " ",
    "\u3164",
  ]) {
    assert.deepEqual(shown(`<https://evil.example/|${label}>`), ["https://evil.example/"], label);
  }
  assert.deepEqual(links("<javascript:alert(1)|x> <https://|x>"), []);
});

test("nothing in an address is invisible, or changes the order of the line", () => {
  assert.deepEqual(shown("https://a.example/\u202egpj.exe"), ["https://a.example/%E2%80%AEgpj.exe"]);
  for (const sign of "\u00ad\u034f\u061c\u115f\u180e\u200b\u200f\u202a\u2060\u2066\u2800\u3164\ufff9\x85\u{e0041}") {
    assert.deepEqual(shown(`https://a.example/b${sign}c`), [`https://a.example/b${encodeURIComponent(sign)}c`]);
  }
});

test("a host is shown in letters that nobody takes for others, or as what it is", () => {
  for (const [typed, host] of [
    ["\u0430\u0440\u0440\u04cf\u0435.com", "xn--80ak6aa92e.com"],
    ["g\u043e\u043egle.com", "xn--ggle-55da.com"],
    ["g\u00ecthub.com", "xn--gthub-tsa.com"],
    ["ｇｏｏｇｌｅ.com", "google.com"],
    ["google.com\u2044a.evil.example", "google.xn--coma-2g7a.evil.example"],
    ["goo\u200bgle.com", "google.com"],
    ["ex%61mple.com", "example.com"],
    ["0x7f.1", "127.0.0.1"],
    ["EXAMPLE.com:443", "EXAMPLE.com:443"],
    ["münchen.example", "münchen.example"],
    ["例え.テスト", "例え.テスト"],
    ["한국.example", "한국.example"],
    ["xn--80ak6aa92e.com", "xn--80ak6aa92e.com"],
  ]) {
    assert.deepEqual(shown(`https://${typed}/a`), [`https://${host}/a`], typed);
  }
  assert.deepEqual(shown("https://google.com\\@evil.example"), ["https://google.com\\@evil.example"]);
  assert.deepEqual(links("https://google.com@evil.example https://ann:secret@a.example/"), []);
});

test("code is code, and nothing in it is anything else", () => {
  assert.deepEqual(parts("a `@ann https://a.example` b"), ["text:a ", "code:@ann https://a.example", "text: b"]);
  assert.deepEqual(parts("```js\nlet a = `b`;\n```"), ["block:let a = `b`;"]);
  assert.deepEqual(parts("```one line```"), ["block:one line"]);
});

test("a few emoji alone are large", () => {
  const isEmoji = (text) => parse(text)[0]?.kind === "emoji";
  assert.ok(isEmoji("🎉"));
  assert.ok(isEmoji("👍🏽 ❤️"));
  assert.ok(!isEmoji("1"));
  assert.ok(!isEmoji("🎉 party"));
  assert.ok(!isEmoji(""));
});

for (const { why, text, known, mentions: expected } of VECTORS.mentions) {
  test(`mentions: ${why}`, () => assert.deepEqual(mentions(text, among(known)), expected));
}

for (const { why, text, names, found } of VECTORS.bare) {
  test(`names without a sign: ${why}`, () => assert.deepEqual(mentions(text, among(names), among(names)), found));
}

test("what is no mention is text", () => {
  assert.deepEqual(parts("@ann. @zoe", among(["ann"])), ["mention:@ann", "text:.", "text: ", "text:@zoe"]);
});

test("a room is a link by its name with a letter in it", () => {
  assert.deepEqual(rooms("#design, #Den. (#a.b-c_d) 看#ops吧 #2nd"), ["design", "den", "a.b-c_d", "ops", "2nd"]);
  for (const text of [
    "#1",
    "#2026.11",
    "#",
    "##design",
    "C#sharp",
    "a.#b",
    "&#x27;",
    "https://a.example/#design",
    "/#design",
    "#café",
    "#-design",
    `#${"a".repeat(65)}`,
    "`#design`",
  ]) {
    assert.deepEqual(rooms(text), [], text);
  }
});

test("a colour is no room, unless it is one of yours", () => {
  assert.deepEqual(rooms("#fff #c0ffee #cafe"), []);
  assert.deepEqual(rooms("#cafe #fff", among(["#cafe"])), ["cafe"]);
});

test("the longest text is read at once, whatever it is made of", () => {
  const names = among(["ann"]);
  for (const part of [")", ".", "(", "@", "@李", "@a.", "#a", "<https://a", "`", "www.", "\u0301", "https://a|"]) {
    const text = `https://x${part.repeat(65_536 / part.length)}x @${part.repeat(65_536 / part.length)}`;
    assert.ok(Array.isArray(mentions(text, names, names)));
  }
});
