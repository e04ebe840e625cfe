// The requests of one connection: each is sent when the server's rate limit allows it, and answered once.

import { errorText } from "../i18n/errors.js";
import { full, take } from "./ratelimit.js";

/** @typedef {import("../types.d.ts").Frame} Frame */
/** @typedef {import("../types.d.ts").Request} Request */

/** The rate limit allows a little less than the server: clocks and the network are not exact. */
const SAFETY = 0.9;
/** A hint is sent only while this many tokens are left for requests. */
const RESERVE = 3;

/** The server did not carry out a request. */
export class Refused extends Error {
  /** @param {Frame} error */
  constructor(error) {
    super(errorText(error));
    this.frame = error;
    this.code = error.code;
    this.reason = error.reason;
  }
}

/** There is no connection, or it ended before the answer came. */
export class Gone extends Error {
  /** @param {boolean} sent whether the server may have carried out the request */
  constructor(sent) {
    super("no connection");
    this.sent = sent;
  }
}

/**
 * @typedef {{ request: Request, sent: boolean, resolve: (frame: Frame) => void, reject: (error: Error) => void }} Asked
 */

/** @param {(frame: object) => void} transmit */
export function createRequests(transmit) {
  /** Requests without an answer yet, by `rid`. @type {Map<number, Asked>} */
  const pending = new Map();
  /** @type {{ frame: object, then?: () => void }[]} */
  let queue = [];
  let limits = { rate: 10, burst: 20 };
  let bucket = full(limits, Date.now());
  let lastId = 0;
  let open = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  function flush() {
    timer = undefined;
    while (queue.length) {
      const taken = take(bucket, limits, Date.now());
      bucket = taken.bucket;
      if (taken.wait) {
        timer = setTimeout(flush, taken.wait);
        return;
      }
      const { frame, then } = /** @type {{ frame: object, then?: () => void }} */ (queue.shift());
      transmit(frame);
      then?.();
    }
  }

  /** @param {object} frame @param {() => void} [then] called once the frame is sent */
  function send(frame, then) {
    queue.push({ frame, then });
    if (timer === undefined) flush();
  }

  /** @param {Request} request @param {() => void} [then] called once it is sent
   * @returns {Promise<Frame>} rejects with Refused or Gone
   */
  function ask(request, then) {
    return new Promise((resolve, reject) => {
      if (!open) throw new Gone(false);
      const rid = ++lastId;
      const asked = { request, sent: false, resolve, reject };
      pending.set(rid, asked);
      send({ ...request, rid }, () => {
        asked.sent = true;
        then?.();
      });
    });
  }

  return {
    send,
    ask,
    /** Sends a frame that may as well be lost, unless requests need the rate. @param {object} frame */
    hint(frame) {
      if (!queue.length && bucket.tokens > RESERVE) send(frame);
    },
    /** The request that a frame answers, if it answers one. @param {Frame} frame @returns {Request | undefined} */
    requestOf: ({ rid }) => pending.get(rid)?.request,
    /** @param {Frame} frame */
    answer(frame) {
      const found = pending.get(frame.rid);
      if (!found) return;
      pending.delete(frame.rid);
      if (frame.t !== "error") found.resolve(frame);
      else if (frame.code === "rate_limited")
        setTimeout(() => ask(found.request).then(found.resolve, found.reject), frame.after);
      else found.reject(new Refused(frame));
    },
    /** A connection begins. @param {{ rate: number, burst: number }} allowed by its server */
    begin(allowed) {
      limits = { rate: allowed.rate * SAFETY, burst: Math.max(1, allowed.burst - 1) };
      bucket = full(limits, Date.now());
      open = true;
    },
    /** The connection ended: what is not answered by now is rejected. */
    end() {
      clearTimeout(timer);
      timer = undefined;
      open = false;
      queue = [];
      const left = [...pending.values()];
      pending.clear();
      for (const { reject, sent } of left) reject(new Gone(sent));
    },
  };
}
