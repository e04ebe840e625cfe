// Times, days and durations in the reader's language.

import { formatter, t } from "./messages.js";

const DAY = 86_400;
/** Seconds, and the unit that they make. */
const UNITS = /** @type {const} */ ([
  [DAY, "day"],
  [3600, "hour"],
  [60, "minute"],
  [1, "second"],
]);

/** @param {Intl.DateTimeFormatOptions} options */
const dates = (options) => formatter((locale) => new Intl.DateTimeFormat(locale, options));

const timeFormat = dates({ timeStyle: "short" });
const fullFormat = dates({ dateStyle: "full", timeStyle: "short" });
const dateTimeFormat = dates({ dateStyle: "medium", timeStyle: "short" });
const dayFormat = dates({ weekday: "long", day: "numeric", month: "long" });
const yearFormat = dates({ day: "numeric", month: "long", year: "numeric" });
const unitFormats = formatter(
  (locale) =>
    new Map(
      UNITS.map(([, unit]) => [unit, new Intl.NumberFormat(locale, { style: "unit", unit, unitDisplay: "long" })]),
    ),
);

/** @param {string} ts */
export const time = (ts) => timeFormat().format(new Date(ts));

/** A day with its weekday, and a time.
 * @param {string} ts
 */
export const fullTime = (ts) => fullFormat().format(new Date(ts));

/** A short day and a time; "" for none.
 * @param {string | undefined} ts
 */
export const dateTime = (ts) => (ts ? dateTimeFormat().format(new Date(ts)) : "");

/** The reader's time zone, which changes when they travel. */
export const timeZone = () => new Intl.DateTimeFormat().resolvedOptions().timeZone;

/** A time in the words of the server, which are for people and programs. */
const INSTANT = /\b(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)(?:Z| UTC)/g;

/** A text of the server with its times as the reader's.
 * @param {string} text
 */
export const withLocalTimes = (text) => text.replace(INSTANT, (_, day, at) => dateTime(`${day}T${at}Z`));

/** A key that all times of one local day have in common.
 * @param {string} ts
 */
export function dayKey(ts) {
  const date = new Date(ts);
  return `${date.getFullYear()}-${date.getMonth() + 1}-${date.getDate()}`;
}

/** @param {string} ts @param {number} now */
export function dayName(ts, now) {
  const date = new Date(ts);
  const midnight = (/** @type {Date} */ of) => Date.UTC(of.getFullYear(), of.getMonth(), of.getDate());
  const days = (midnight(new Date(now)) - midnight(date)) / (1000 * DAY);
  if (days === 0) return t("log.today");
  if (days === 1) return t("log.yesterday");
  return (date.getFullYear() === new Date(now).getFullYear() ? dayFormat() : yearFormat()).format(date);
}

/** Seconds in the largest unit that divides them.
 * @param {number} seconds
 */
export function duration(seconds) {
  const [size, unit] = UNITS.find(([size]) => seconds >= size && seconds % size === 0) ?? UNITS[UNITS.length - 1];
  return /** @type {Intl.NumberFormat} */ (unitFormats().get(unit)).format(seconds / size);
}

/** How long to wait: in seconds up to two minutes, and then in whole minutes.
 * @param {number} milliseconds
 */
export function waitTime(milliseconds) {
  const seconds = Math.ceil(milliseconds / 1000);
  return duration(seconds < 120 ? seconds : Math.ceil(seconds / 60) * 60);
}
