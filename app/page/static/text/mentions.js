// Which known names a text mentions. The terminal goes by the same rules: tests/chat/mentions.json is for both.

/** Longer names are not looked for, in characters. */
const LONGEST = 300;

/** A name as names are compared. @param {string} name */
export const fold = (name) => name.normalize("NFC").toLowerCase();

/** The known name that a run of such characters as names have is, or begins with; "" if there is none. Dots after a name
 * may end a sentence. A name also ends where people write no space: at another script, or at a letter without cases.
 * @param {string} run
 * @param {import("./markup.js").Knows} knows
 */
export function nameIn(run, knows) {
  const signs = [...run].slice(0, LONGEST);
  for (let end = signs.length; end > 0; end--) {
    if (end < signs.length && !endsWord(signs, end)) continue;
    for (let at = end; at > 0; at--) {
      const name = signs.slice(0, at).join("");
      if (knows(fold(name))) return name;
      if (signs[at - 1] !== ".") break;
    }
  }
  return "";
}

/** Whether a word may end before the sign at `end`.
 * @param {readonly string[]} signs
 * @param {number} end
 */
function endsWord(signs, end) {
  const next = signs[end];
  if (/[\p{Lo}\p{Lm}]/u.test(next)) return true;
  const last = signs.slice(0, end).findLast((sign) => !/\p{M}/u.test(sign)) ?? "";
  return /\p{L}/u.test(next) && isLatin(next) !== isLatin(last);
}

/** @param {string} sign */
const isLatin = (sign) => /[\0-\x7f]|\p{Script=Latin}/u.test(sign);
