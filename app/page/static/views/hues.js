// How somebody is shown: a colour and a letter, everywhere the same.

export const HUES = 20;

/** Colours of ids that follow each other are so far apart; it has no divisor in common with HUES. */
const STEP = 7;

/** One of HUES colours: somebody's for good, by the id, or where that is not known by the name.
 * @param {string} name
 * @param {number} [user]
 */
export const hueOf = (name, user) => (user ? (user * STEP) % HUES : hueOfName(name));

/** @param {string} name without regard to case */
function hueOfName(name) {
  let hash = 2_166_136_261;
  for (const character of name.toLowerCase()) {
    hash = Math.imul(hash ^ /** @type {number} */ (character.codePointAt(0)), 16_777_619);
  }
  hash ^= hash >>> 15;
  return (hash >>> 0) % HUES;
}

/** @param {string} name */
export const letterOf = (name) => (/[\p{L}\p{N}]/u.exec(name)?.[0] ?? "?").toUpperCase();

/** @param {readonly string[]} names */
export function listed(names) {
  if (names.length < 2) return names.join("");
  return `${names.slice(0, -1).join(", ")} and ${names[names.length - 1]}`;
}
