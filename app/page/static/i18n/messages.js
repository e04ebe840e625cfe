// The words that the page shows, in the reader's language: the catalogues of app/page/static/languages.
//
// A message is a string with the names of its values in braces. It may have a form for each plural category of the value
// `count`, and it may be a list, of which the first message counts that has all its values.

import { ENGLISH } from "./english.js";

/** @typedef {import("../types.d.ts").Catalogue} Catalogue */
/** @typedef {import("../types.d.ts").MessageKey} MessageKey */
/** @typedef {import("../types.d.ts").Values} Values */

const PLACEHOLDER = /\{(\w+)\}/;

let locale = "en";
let catalogue = ENGLISH;
/** Formatters that are older than this are made anew. */
let version = 0;

/** Uses these messages from now on, and formats numbers and dates as people do in `tag`.
 * @param {Catalogue} messages
 * @param {string} tag
 */
export function use(messages, tag) {
  catalogue = messages;
  locale = tag;
  renewFormatters();
}

/** Adds messages, where there are none yet: a file of another language has all of them.
 * @param {Partial<Catalogue>} messages
 */
export function add(messages) {
  catalogue = { ...messages, ...catalogue };
}

/** Makes formatters anew: they keep the time zone in which they were made. */
export function renewFormatters() {
  version += 1;
}

/** A function that gives a formatter for the reader's language. It is made when it is first needed.
 * @template T
 * @param {(locale: string) => T} make
 */
export function formatter(make) {
  let madeAs = -1;
  /** @type {T} */
  let made;
  return () => {
    if (madeAs !== version) [made, madeAs] = [make(locale), version];
    return made;
  };
}

const plurals = formatter((tag) => new Intl.PluralRules(tag));
const numbers = formatter((tag) => new Intl.NumberFormat(tag));
const lists = formatter((tag) => new Intl.ListFormat(tag, { type: "conjunction" }));

/** A message as text.
 * @param {MessageKey} key
 * @param {Values} [values]
 */
export const t = (key, values) => rich(key, values).join("");

/** A message as its parts: texts, and in their places the values, which may be views.
 * @param {MessageKey} key
 * @param {Readonly<Record<string, unknown>>} [values]
 * @returns {readonly unknown[]}
 */
export const rich = (key, values = {}) => filled(catalogue[key], values) ?? [key];

/** The first of these messages that the catalogue has, as text; nothing if it has none, or one of its values is missing.
 * @param {readonly string[]} keys
 * @param {Values} values
 */
export function find(keys, values) {
  const key = keys.find(has);
  return (key && filled(catalogue[key], values)?.join("")) || "";
}

/** @param {string} key @returns {key is MessageKey} */
const has = (key) => Object.hasOwn(catalogue, key);

/** Several names as one text: "ann, bob, and cy".
 * @param {readonly string[]} names
 */
export const listed = (names) => lists().format(names);

/**
 * @param {import("../types.d.ts").Message | undefined} message
 * @param {Readonly<Record<string, unknown>>} values
 * @returns {readonly unknown[] | null} null if a value is missing, or the message itself
 */
function filled(message = [], values) {
  for (const form of Array.isArray(message) ? message : [message]) {
    const text = typeof form === "string" ? form : (form[plurals().select(Number(values.count))] ?? form.other);
    const parts = text.split(PLACEHOLDER);
    if (parts.every((part, at) => at % 2 === 0 || given(values[part]))) {
      return parts.map((part, at) => (at % 2 ? shown(values[part]) : part));
    }
  }
  return null;
}

/** @param {unknown} value */
const given = (value) => value !== undefined && value !== null && value !== "";

/** @param {unknown} value */
const shown = (value) => (typeof value === "number" ? numbers().format(value) : value);
