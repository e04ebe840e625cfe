// What a text is that someone typed: blank, or a password that must not be said. tests/chat/typed.json has texts that the
// page and the server (app/chat/typed.py) judge alike.

/** Blanks, and characters that show nothing. */
const BLANK = "\\s\\p{Cc}\\p{Cs}\\p{Default_Ignorable_Code_Point}\\u2800\\ufff9-\\ufffb";
const NOTHING = new RegExp(`^[${BLANK}]*$`, "u");
const LEADING = new RegExp(`^[${BLANK}]+`, "u");
const PASSWORD = new RegExp(`^[${BLANK}/／]*[/／][${BLANK}]*(?:login|register|password)[${BLANK}]+[^${BLANK}]`, "iu");

/** @param {string} text */
export const isBlank = (text) => NOTHING.test(text);

/** @param {string} text */
export const withoutLead = (text) => text.replace(LEADING, "");

/** Whether a text looks like a command that holds a password, however it is written. Nobody means to say such a text.
 * @param {string} text
 */
export const holdsPassword = (text) => PASSWORD.test(text);
