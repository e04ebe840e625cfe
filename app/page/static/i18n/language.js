// Which language the page is in: the first that the reader prefers and that there is a catalogue for, or else English.

import { t, use } from "./messages.js";

const DEFAULT = "en";

/** The language to use, and the reader's own variant of it, by which numbers and dates are written: for somebody who
 * prefers "de-AT", where there is a catalogue "de", that is de and de-AT.
 * @param {readonly string[]} preferred tags of languages, the best first
 * @param {readonly string[]} available
 */
export function choose(preferred, available) {
  for (const tag of preferred) {
    for (const start of prefixes(tag)) {
      const language = available.find((one) => one.toLowerCase() === start);
      if (language) return { language, locale: isValid(tag) ? tag : language };
    }
  }
  return { language: DEFAULT, locale: DEFAULT };
}

/** A tag, and what is left of it without its last parts: "zh-hant-tw", "zh-hant", "zh".
 * @param {string} tag
 */
function prefixes(tag) {
  const parts = tag.toLowerCase().split("-");
  return parts.map((_, index) => parts.slice(0, parts.length - index).join("-"));
}

/** @param {string} tag */
function isValid(tag) {
  try {
    return Intl.getCanonicalLocales(tag).length > 0;
  } catch {
    return false;
  }
}

/** Gets the catalogue of the reader's language. The server lists them in the page, and has the browser load the likely
 * one beside the scripts.
 * @param {readonly string[]} preferred
 */
export async function loadLanguage(preferred) {
  const links = [...document.querySelectorAll("link[hreflang]")].map((link) => /** @type {HTMLLinkElement} */ (link));
  const available = new Map(links.map(({ hreflang, href }) => [hreflang, href]));
  const { language, locale } = choose(preferred, [...available.keys()]);
  const response = await fetch(/** @type {string} */ (available.get(language)));
  use(await response.json(), locale);
  document.documentElement.lang = language;
  document.documentElement.dir = t("language.direction");
}
