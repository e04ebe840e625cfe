// How fast to send requests: the token bucket of the server, so that it need not refuse any.

/** @typedef {{ tokens: number, at: number }} Bucket */

/** Takes one of `burst` tokens, which come back at `rate` a second. `wait` is 0 if there was one, otherwise the
 * milliseconds until there is. A rate of 0 is no limit.
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
