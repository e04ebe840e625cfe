// Texts that say nothing, and texts that must not be said.

/** Blanks, and characters that nobody sees. */
const BLANK = "[\\s\\p{Cc}\\p{Cf}\\p{Default_Ignorable_Code_Point}\\u2800]";
const ONLY = new RegExp(`^${BLANK}*$`, "u");
const LEADING = new RegExp(`^${BLANK}+`, "u");
const PASSWORD = new RegExp(`^${BLANK}*[/／]+(?:login|register)${BLANK}+(?!${BLANK})\\S`, "iu");

/** @param {string} text */
export const isBlank = (text) => ONLY.test(text);

/** @param {string} text */
export const withoutLead = (text) => text.replace(LEADING, "");

/** Whether a text looks like a command that holds a password, however it is written. The server has the same rule:
 * tests/chat/passwords.json has examples for both.
 * @param {string} text
 */
export const holdsPassword = (text) => PASSWORD.test(text);
