// The WebSocket of the page, over one that records.

import assert from "node:assert/strict";
import { test } from "node:test";
import "./english.js";

/** @type {any} */
let socket;

class RecordingSocket {
  static OPEN = 1;
  readyState = 1;
  /** @type {string[]} */
  sent = [];
  constructor() {
    socket = this;
  }
  /** @param {string} text */
  send(text) {
    this.sent.push(text);
  }
  close() {}
}

Object.assign(globalThis, {
  WebSocket: RecordingSocket,
  addEventListener: () => {},
  document: { addEventListener: () => {} },
  setInterval: () => 0,
});

test("a ping of the chat is answered with pong, and is nothing else", async () => {
  const { createConnection } = await import("../../../../app/page/static/connection/connection.js");
  /** @type {object[]} */
  const frames = [];
  createConnection({
    page: new URL("http://chat.example/"),
    identity: () => ({ name: "ann", token: "" }),
    onFrame: (frame) => frames.push(frame),
    onState: () => {},
  }).start();
  socket.onopen();
  socket.onmessage({ data: '{"t":"ping"}' });
  assert.deepEqual(socket.sent, ['{"t":"pong"}']);
  assert.deepEqual(frames, []);
});
