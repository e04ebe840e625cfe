// Times and days, as people say them where the page is read.

const TIME = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const YEAR = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "long", year: "numeric" });
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "short" });

/** @param {string} ts */
export const time = (ts) => TIME.format(new Date(ts));

/** @param {string} ts */
export const full = (ts) => FULL.format(new Date(ts));

/** A key that is the same for all times of one day here.
 * @param {string} ts
 */
export function day(ts) {
  const date = new Date(ts);
  return `${date.getFullYear()}-${date.getMonth() + 1}-${date.getDate()}`;
}

/** @param {string} ts @param {number} now */
export function dayName(ts, now) {
  const date = new Date(ts);
  const midnight = (/** @type {Date} */ of) => Date.UTC(of.getFullYear(), of.getMonth(), of.getDate());
  const days = (midnight(new Date(now)) - midnight(date)) / 86_400_000;
  if (days === 0) return "Today";
  if (days === 1) return "Yesterday";
  return (date.getFullYear() === new Date(now).getFullYear() ? DAY : YEAR).format(date);
}

/** @param {number} seconds */
export function duration(seconds) {
  const units = /** @type {const} */ ([
    [86_400, "day"],
    [3600, "hour"],
    [60, "minute"],
    [1, "second"],
  ]);
  for (const [size, unit] of units) {
    if (seconds >= size && seconds % size === 0) return `${seconds / size} ${unit}${seconds === size ? "" : "s"}`;
  }
  return "no time";
}
