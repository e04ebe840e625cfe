// The colour and the letter that stand for a person.

export const HUES = 20;

/** How far apart the colours of two ids in a row are; it has no divisor in common with HUES. */
const STEP = 7;

/** One of HUES colours. It goes with the id, so that it stays when a name changes, or else with the name.
 * @param {string} name
 * @param {number} [user]
 */
export const hueOf = (name, user) => (user ? (user * STEP) % HUES : hueOfName(name));

/** Upper and lower case are the same. The hash is FNV-1a.
 * @param {string} name
 */
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
