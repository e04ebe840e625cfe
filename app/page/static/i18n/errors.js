// Why the server refused something, in words.

import { dateTime, duration, waitTime, withLocalTimes } from "./format.js";
import { find } from "./messages.js";

/** The catalogue's sentence for an `error` frame: that of its code and reason, or else of its code. Where it has none, or
 * the server is too old to send the values that it needs, the server's own words.
 * @param {import("../types.d.ts").Frame} error
 * @returns {string}
 */
export function errorText({ code, reason, message, after, limit, seq, until, ...values }) {
  const sentence = find([`error.${code}.${reason ?? values.what}`, `error.${code}`], {
    ...values,
    count: limit,
    interval: limit === undefined ? "" : duration(limit),
    seq: seq === undefined ? "" : String(seq),
    until: dateTime(until),
    wait: after === undefined ? "" : waitTime(after),
  });
  return sentence || withLocalTimes(message);
}
