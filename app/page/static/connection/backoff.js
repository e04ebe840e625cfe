// How long to wait before the next attempt to connect.

export const BASE = 500;
export const CAP = 30_000;
/** A connection that held so long was a good one: the next break begins anew. */
export const STABLE = 10_000;

/** Milliseconds until attempt number `attempt`, from 0 on. The bound doubles, and the wait is anything below it, so
 * that a restart is not met by everybody at once.
 * @param {number} attempt
 * @param {() => number} [random]
 */
export const delay = (attempt, random = Math.random) => random() * Math.min(CAP, BASE * 2 ** Math.min(attempt, 16));
