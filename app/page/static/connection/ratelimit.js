// How fast a client may ask: a token bucket as the server has it, so that the server need not refuse.

/** @typedef {{ tokens: number, at: number }} Bucket */

/** Takes one of `burst` tokens that come back at `rate` a second; `wait` is in how many milliseconds there is one, 0 if
 * it was taken. A rate of 0 is no limit.
 * @param {Bucket} bucket
 * @param {{ rate: number, burst: number }} limits
 * @param {number} now in milliseconds
 * @returns {{ bucket: Bucket, wait: number }}
 */
export function take(bucket, { rate, burst }, now) {
  if (rate <= 0) return { bucket, wait: 0 };
  const most = Math.max(1, burst);
  const tokens = Math.min(most, bucket.tokens + (Math.max(0, now - bucket.at) * rate) / 1000);
  if (tokens >= 1) return { bucket: { tokens: tokens - 1, at: now }, wait: 0 };
  return { bucket: { tokens, at: now }, wait: Math.ceil(((1 - tokens) * 1000) / rate) };
}

/** @param {{ burst: number }} limits @param {number} now @returns {Bucket} */
export const full = ({ burst }, now) => ({ tokens: Math.max(1, burst), at: now });
