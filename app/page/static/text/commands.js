// What a person typed: a message, or a command. The page carries out some commands itself, the server the others.

import { find, t } from "../i18n/messages.js";

/** @typedef {import("../types.d.ts").Usage} Usage */
/**
 * @typedef {{ kind: "say", text: string, me?: boolean } | { kind: "whisper", to: string[], text: string }
 * | { kind: "reply", text: string } | { kind: "join", room: string } | { kind: "search", words: string }
 * | { kind: "part" | "rooms" | "help" | "logout" | "nothing" } | { kind: "command", line: string }
 * | { kind: "problem", text: string }} Parsed
 */

/** The end of a help text, where the server names the aliases of a command. */
const ALIASES = /\(also ([^)]*)\)$/;

/** All names of a command, without the slash.
 * @param {Usage} usage
 */
export function namesOf({ command, help }) {
  const aliases = ALIASES.exec(help)?.[1] ?? "";
  return [command, ...aliases.split(/[\s,]+/).map((name) => name.replace("/", ""))].filter(Boolean);
}

/** What a command does: from the catalogue, or in the server's words if it is a command of a module.
 * @param {Usage} usage
 */
export const helpText = ({ command, help }) => find([`command.${command}`], {}) || help.replace(ALIASES, "").trim();

/** A command as it is typed.
 * @param {Usage} usage
 */
export const usageText = ({ command, usage }) => `/${command} ${usage}`.trim();

/** The commands that the page carries out. @type {Record<string, (rest: string, usage: string) => Parsed>} */
const OWN = {
  me: (text, usage) => (text.trim() ? { kind: "say", text, me: true } : incomplete("me", usage)),
  reply: (text, usage) => (text.trim() ? { kind: "reply", text } : incomplete("reply", usage)),
  whisper(rest, usage) {
    const [, names = "", text = ""] = /^(\S+)\s([\s\S]+)$/.exec(rest) ?? [];
    const to = names
      .split(",")
      .map((name) => name.replace(/^@/, ""))
      .filter(Boolean);
    return to.length && text.trim() ? { kind: "whisper", to, text } : incomplete("whisper", usage);
  },
  join(rest, usage) {
    const room = rest.trim().replace(/^#/, "").toLowerCase();
    return room ? { kind: "join", room } : incomplete("join", usage);
  },
  search: (rest) => ({ kind: "search", words: rest.trim() }),
  part: () => ({ kind: "part" }),
  rooms: () => ({ kind: "rooms" }),
  help: (rest) => (rest.trim() ? { kind: "command", line: `/help ${rest}` } : { kind: "help" }),
  logout: () => ({ kind: "logout" }),
};

/**
 * @param {string} typed
 * @param {readonly Usage[]} usages
 * @returns {Parsed}
 */
export function parse(typed, usages) {
  const text = typed.replace(/^\n+|\s+$/g, "");
  if (!text) return { kind: "nothing" };
  if (!text.startsWith("/")) return { kind: "say", text };
  if (text.startsWith("//")) return { kind: "say", text: text.slice(1) };
  const [, word = "", rest = ""] = /^\/(\S*)\s?([\s\S]*)$/.exec(text) ?? [];
  const usage = usages.find((one) => namesOf(one).includes(word.toLowerCase()));
  const name = usage?.command ?? word.toLowerCase();
  if (Object.hasOwn(OWN, name)) return OWN[name](rest, usage?.usage ?? "");
  if (usages.length && !usage) return { kind: "problem", text: t("error.unknown_command", { command: word || "…" }) };
  return { kind: "command", line: text };
}

/** @param {string} name @param {string} usage @returns {Parsed} */
const incomplete = (name, usage) => ({
  kind: "problem",
  text: t("error.bad_command", { usage: `/${name} ${usage || "TEXT"}` }),
});
