// Which language the page is in: the first that the reader prefers and that there is a catalogue for, or else English.

import { ENGLISH } from "./english.js";
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

/** Puts the page into the reader's language. Other languages than English are files: the server lists them in the page,
 * and has the browser load the likely one together with the scripts.
 * @param {readonly string[]} preferred
 */
export async function loadLanguage(preferred) {
  const links = /** @type {NodeListOf<HTMLLinkElement>} */ (document.querySelectorAll("link[hreflang]"));
  const addresses = new Map([...links].map(({ hreflang, href }) => [hreflang, href]));
  const { language, locale } = choose(preferred, [DEFAULT, ...addresses.keys()]);
  const address = addresses.get(language);
  use(address ? await (await fetch(address)).json() : ENGLISH, locale);
  document.documentElement.lang = language;
  document.documentElement.dir = t("language.direction");
}
