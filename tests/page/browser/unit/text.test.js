// What people write: commands, completion, addresses.

import assert from "node:assert/strict";
import { test } from "node:test";
import "./english.js";
import { parse as command } from "../../../../app/page/static/text/commands.js";
import { complete, insert, MOST, wantsEmoji } from "../../../../app/page/static/text/completion.js";
import { EMOJI } from "../../../../app/page/static/text/emoji.js";
import { format, inPlace, parse as route } from "../../../../app/page/static/browser/address.js";

const USAGES = [
  { command: "whisper", usage: "NAME[,NAME…] TEXT", help: "say something to these people (also /w, /msg)" },
  { command: "who", usage: "[ROOM]", help: "who is in the room" },
  { command: "me", usage: "TEXT", help: "say what you do" },
  { command: "join", usage: "ROOM", help: "go to another room" },
  { command: "dice", usage: "[SIDES]", help: "roll" },
];

test("what is typed is said, or asked for", () => {
  const cases = [
    ["hi  ", { kind: "say", text: "hi" }],
    ["  indented\n", { kind: "say", text: "  indented" }],
    ["//x", { kind: "say", text: "/x" }],
    ["/me waves", { kind: "say", text: "waves", me: true }],
    ["/w bob,@cy psst\nyes", { kind: "whisper", to: ["bob", "cy"], text: "psst\nyes" }],
    ["/join #Den", { kind: "join", room: "den" }],
    ["/dice 20", { kind: "command", line: "/dice 20" }],
    ["/who", { kind: "command", line: "/who" }],
    ["   ", { kind: "nothing" }],
  ];
  for (const [typed, asked] of cases) assert.deepEqual(command(typed, USAGES), asked);
});

test("a command that is not known, or lacks something, is told before it is sent", () => {
  for (const typed of ["/dance", "/wh", "/w", "/w bob", "/me", "/join"]) {
    assert.equal(command(typed, USAGES).kind, "problem", typed);
  }
  assert.deepEqual(command("/dance", []), { kind: "command", line: "/dance" });
});

const KNOWN = { commands: USAGES, names: ["bob", "Bonnie", "cy"], groups: ["everyone"], rooms: ["den", "lobby"], emoji: EMOJI };
const labels = (text, caret = text.length) => complete(text, caret, KNOWN)?.items.map(({ label }) => label) ?? [];

test("commands, names, rooms and emoji are completed", () => {
  assert.deepEqual(labels("/w"), ["/whisper NAME[,NAME…] TEXT", "/who [ROOM]"]);
  assert.deepEqual(labels("/msg"), ["/whisper NAME[,NAME…] TEXT"]);
  assert.deepEqual(labels("hi @bo"), ["bob", "Bonnie"]);
  assert.deepEqual(labels("/w bob,c"), ["cy"]);
  assert.deepEqual(labels("hi @eve"), ["everyone"]);
  assert.deepEqual(labels("/w eve"), []);
  assert.deepEqual(labels("/join d"), ["den"]);
  assert.equal(labels(":rocket")[0], "🚀 :rocket:");
  assert.ok(labels(":smi").length <= MOST);
});

test("nothing is completed where nothing is begun", () => {
  for (const text of ["hi", "a /w", "//w", "mail@bo", ":", "10:30", "a:smile"])
    assert.deepEqual(labels(text), [], text);
});

test("a completion takes the place of the word before the caret", () => {
  const text = "hi @bo, there";
  const completion = complete(text, 6, KNOWN);
  assert.deepEqual(insert(text, completion, 1), { text: "hi @Bonnie , there", caret: 11 });
  const whispers = complete("/w bob,c", 8, KNOWN);
  assert.equal(insert("/w bob,c", whispers, 0).text, "/w bob,cy ");
});

test("emoji are loaded when they are wanted", () => {
  assert.ok(wantsEmoji("hi :sm", 6));
  assert.ok(!wantsEmoji("hi :s", 5));
  assert.ok(!wantsEmoji("10:30", 5));
});

test("names of emoji are names, and no name is there twice", () => {
  const names = EMOJI.map(([name]) => name);
  assert.ok(names.every((name) => /^[a-z0-9_+-]+$/.test(name)));
  assert.equal(new Set(names).size, names.length);
  assert.ok(
    EMOJI.every(([, character]) => /\p{Extended_Pictographic}/u.test(character)),
    String(EMOJI.filter(([, c]) => !/\p{Extended_Pictographic}/u.test(c))),
  );
});

test("an address leads to a room, a conversation, or a message", () => {
  assert.deepEqual(route("#lobby"), { room: "lobby", seq: 0 });
  assert.deepEqual(route("#Den/123"), { room: "den", seq: 123 });
  assert.deepEqual(route("#@1,2/7"), { room: "@1,2", seq: 7 });
  for (const hash of ["", "#", "#a b", "#<x>", "#@", "#@0", "#%", `#${"a".repeat(65)}`])
    assert.equal(route(hash), null, hash);
  assert.deepEqual(route(format("den", 5)), { room: "den", seq: 5 });
});

test("a command that is typed out is the first suggestion, and is not completed to another by Enter", () => {
  const commands = [
    { command: "rooms", usage: "", help: "the rooms" },
    { command: "room", usage: "", help: "the room" },
    { command: "part", usage: "", help: "leave (also /leave)" },
  ];
  const first = (text) => complete(text, text.length, { ...KNOWN, commands })?.items[0];
  assert.deepEqual([first("/room").label, first("/room").whole], ["/room", true]);
  assert.deepEqual([first("/ROOMS").label, first("/leave").whole], ["/rooms", true]);
  assert.equal(first("/roo").whole, false);
});

test("after blanks only a known command is a command", () => {
  const cases = [
    [" /me waves", { kind: "say", text: "waves", me: true }],
    ["\u00a0\u200b/w bob psst", { kind: "whisper", to: ["bob"], text: "psst" }],
    ["\u3000/dice 20", { kind: "command", line: "/dice 20" }],
    [" /login ann secret", { kind: "login", name: "ann", password: "secret" }],
    ["\ufeff/register  a b ", { kind: "register", password: " a b" }],
    [" /usr/bin", { kind: "say", text: " /usr/bin" }],
    [" //x", { kind: "say", text: " //x" }],
    ["\u200b", { kind: "nothing" }],
    ["/history", { kind: "history", count: 50 }],
    ["/history 7", { kind: "history", count: 7 }],
    ["/room", { kind: "room" }],
  ];
  for (const [typed, asked] of cases) assert.deepEqual(command(typed, USAGES), asked, JSON.stringify(typed));
});

test("what looks like a password is not said, whatever is before it", () => {
  for (const typed of ["//login a b", "／register b", "/me /login a b", "/w bob /register b", "/reply  /login a b"])
    assert.equal(command(typed, USAGES).kind, "problem", typed);
  for (const typed of ["/history x", "/history 0", "/history 201"]) assert.equal(command(typed, USAGES).kind, "problem");
});

test("an address of this chat leads there in place", () => {
  const page = "https://chat.example/team/?x";
  assert.equal(inPlace("https://chat.example/team/#Den/12", page), "#den/12");
  assert.equal(inPlace("https://chat.example:443/team/#den", page), "#den");
  for (const address of [
    "https://chat.example/#den",
    "https://chat.example/team/",
    "https://chat.example/team/#a b",
    "https://chat.example/team/?y#den",
    "https://chat.example/team/assets/#den",
    "http://chat.example/team/#den",
    "https://chat.example:8443/team/#den",
    "https://other.example/team/#den",
  ]) {
    assert.equal(inPlace(address, page), "", address);
  }
});
