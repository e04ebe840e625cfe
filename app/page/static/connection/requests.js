// Requests and their answers on one connection: each is sent when the server's limits let it, and answered once.

import { full, take } from "./ratelimit.js";

/** @typedef {import("../types.d.ts").Frame} Frame */
/** @typedef {import("../types.d.ts").Request} Request */

/** What the server did not do. */
export class Refused extends Error {
  /** @param {Frame} frame */
  constructor({ message, code, after }) {
    super(message);
    this.code = code;
    /** Milliseconds until a retry is of use. */
    this.after = after ?? 0;
  }
}

/** The connection ended before the answer came. */
export class Gone extends Error {}

/** @typedef {{ request: Request, resolve: (frame: Frame) => void, reject: (error: Error) => void }} Asked */

/** @param {(frame: object) => void} transmit */
export function createRequests(transmit) {
  /** @type {Map<number, Asked>} */
  const asked = new Map();
  /** @type {{ frame: object, then?: () => void }[]} */
  let queue = [];
  let limits = { rate: 10, burst: 20 };
  let bucket = full(limits, Date.now());
  let last = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  function pump() {
    timer = undefined;
    while (queue.length) {
      const taken = take(bucket, limits, Date.now());
      bucket = taken.bucket;
      if (taken.wait) {
        timer = setTimeout(pump, taken.wait);
        return;
      }
      const { frame, then } = /** @type {{ frame: object, then?: () => void }} */ (queue.shift());
      transmit(frame);
      then?.();
    }
  }

  /** @param {object} frame @param {() => void} [then] called once it is on the way */
  function send(frame, then) {
    queue.push({ frame, then });
    if (timer === undefined) pump();
  }

  /** @param {Request} request @returns {Promise<Frame>} rejects with Refused or Gone */
  function ask(request) {
    return new Promise((resolve, reject) => {
      const rid = ++last;
      asked.set(rid, { request, resolve, reject });
      send({ ...request, rid });
    });
  }

  return {
    send,
    ask,
    /** Sends a hint if that keeps nothing else waiting, or else never. @param {object} frame */
    hint(frame) {
      if (!queue.length && bucket.tokens > 3) send(frame);
    },
    /** What the frame answers, if it answers something. @param {Frame} frame @returns {Request | undefined} */
    requestOf: ({ rid }) => asked.get(rid)?.request,
    /** @param {Frame} frame */
    answer(frame) {
      const found = asked.get(frame.rid);
      if (!found) return;
      asked.delete(frame.rid);
      if (frame.t !== "error") found.resolve(frame);
      else if (frame.code === "rate_limited")
        setTimeout(() => ask(found.request).then(found.resolve, found.reject), frame.after);
      else found.reject(new Refused(frame));
    },
    /** @param {{ rate: number, burst: number }} told by the server of this connection */
    begin(told) {
      // A little less than the server lets through: its clock and the way to it are not exact.
      limits = { rate: told.rate * 0.9, burst: Math.max(1, told.burst - 1) };
      bucket = full(limits, Date.now());
    },
    end() {
      clearTimeout(timer);
      timer = undefined;
      queue = [];
      const left = [...asked.values()];
      asked.clear();
      for (const { reject } of left) reject(new Gone("the connection ended"));
    },
  };
}
