// Frames as in docs/protocol.md, and a page that they are sent to.

import { reduce } from "../../../../app/page/static/state/reduce.js";
import "./english.js";
import { createSession } from "../../../../app/page/static/connection/session.js";
import { initial } from "../../../../app/page/static/state/initial.js";
import * as reading from "../../../../app/page/static/text/reading.js";
import { createStore } from "../../../../app/page/static/state/store.js";

/** The ids of people. Others have none, as on an older server. */
const IDS = { ann: 1, bob: 2, cy: 3 };

export const LIMITS = {
  frame: 65_536,
  message: 65_536,
  name: 32,
  topic: 300,
  rooms: 50,
  recipients: 20,
  rate: 0,
  burst: 20,
};

export const welcome = (more = {}) => ({
  t: "welcome",
  id: 1,
  name: "ann",
  registered: false,
  token: "secret",
  epoch: "e1",
  limits: LIMITS,
  room: "lobby",
  ...more,
});

export const joined = (head, more = {}) => ({
  t: "joined",
  room: "lobby",
  epoch: "e1",
  head,
  recovered: true,
  members: 1,
  people: [{ id: 1, name: "ann" }],
  ...more,
});

export const msg = (seq, text, more = {}) => ({
  t: "msg",
  room: "lobby",
  seq,
  id: `id${seq}`,
  ts: "2026-01-01T12:00:00.000Z",
  from: "bob",
  user: IDS[more.from ?? "bob"],
  text,
  ...more,
});

export const ack = (cid, seq) => ({ t: "ack", cid, id: `id${seq}`, seq, ts: "2026-01-01T12:00:00.000Z" });

/** The state after some frames or actions, in the lobby. */
export function after(...steps) {
  const actions = steps.map((step) => ("type" in step ? step : { type: "frame", frame: step }));
  return actions.reduce((state, action) => reduce(state, { at: 1_000, ...action }), initial({ current: "lobby", reading }));
}

/** A page without a connection: `sent` has the frames that it sends, and `hears` gives it frames. */
export class Page {
  constructor(kept = {}) {
    this.sent = [];
    /** Calls that wait, each with its milliseconds. */
    this.due = [];
    this.kept = null;
    this.cids = 0;
    this.store = createStore(reduce, initial({ current: "lobby", reading, ...kept }));
    this.session = createSession({
      store: this.store,
      connection: {
        send: (frame) => this.sent.push(frame),
        start: () => {},
        stop: () => this.stops++,
        restart: () => this.restarts++,
      },
      keep: (account) => {
        this.kept = account;
      },
      later: (call, wait) => this.due.push([call, wait]),
      newId: () => `c${++this.cids}`,
    });
    this.restarts = 0;
    this.stops = 0;
  }

  get state() {
    return this.store.get();
  }

  get texts() {
    return this.state.rooms.lobby.log.entries.map(({ text }) => text);
  }

  get pending() {
    return this.state.outbox.filter(({ seen }) => !seen).map(({ text, state }) => [text, state]);
  }

  hears(...frames) {
    for (const frame of frames) this.session.received(frame);
  }

  /** The connection opens; gives the frames that the page then sends. */
  opens(greeting = welcome()) {
    const { screen, entering } = this.state;
    if (screen === "name" && !entering.name) void this.session.enter(greeting.name);
    this.session.changed({ phase: "connecting", why: "", until: 0, attempt: 0 });
    this.sent.length = 0;
    this.session.changed({ phase: "open", why: "", until: 0, attempt: 0 });
    this.hears(greeting);
    return this.sent;
  }

  breaks() {
    this.session.changed({ phase: "waiting", why: "", until: 0, attempt: 1 });
  }

  /** Answers the last request of a type. */
  answers(t, frame, room) {
    const request = this.requests(t, room).at(-1);
    this.hears({ ...frame, rid: request.rid });
  }

  requests(t, room) {
    return this.sent.filter((frame) => frame.t === t && (room === undefined || frame.room === room));
  }

  /** The `cid`s of the messages that were sent. */
  said() {
    return this.requests("msg").map(({ cid }) => cid);
  }
}

/** A page in the lobby, whose log has reached `head`. */
export function inLobby(head = 0, kept = {}) {
  const page = new Page(kept);
  page.session.open("lobby");
  page.opens();
  page.answers("join", joined(head), "lobby");
  return page;
}
