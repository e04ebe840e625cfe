// How somebody is shown: a colour and a letter that are the same wherever the name is.

export const HUES = 20;

/** One of HUES colours, by the name without regard to case.
 * @param {string} name
 */
export function hueOf(name) {
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
