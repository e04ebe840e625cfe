// How long to wait before the next attempt to connect.

export const BASE = 500;
export const CAP = 30_000;
/** After a connection that held this long, in milliseconds, the attempts are counted from 0 again. */
export const STABLE = 10_000;

/** Milliseconds to wait before attempt number `attempt`, counted from 0: anything below a bound that doubles each time,
 * so that clients do not all come back to a restarted server at once.
 * @param {number} attempt
 * @param {() => number} [random]
 */
export const delay = (attempt, random = Math.random) => random() * Math.min(CAP, BASE * 2 ** Math.min(attempt, 16));

/** How long to wait where trying again is of no use until somebody signs in, or the server's operator changes something.
 * @param {number} attempt
 * @param {() => number} [random]
 */
export const longDelay = (attempt, random = Math.random) => (1 + random()) * Math.min(10 * CAP, CAP * 2 ** (attempt - 1));
