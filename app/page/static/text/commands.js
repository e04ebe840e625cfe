// What a person typed: a message, or a command. The page carries out some commands itself, the server the others.

import { find, t } from "../i18n/messages.js";
import { holdsPassword, isBlank, withoutLead } from "./typed.js";

/** @typedef {import("../types.d.ts").Usage} Usage */
/**
 * @typedef {{ kind: "say", text: string, me?: boolean } | { kind: "whisper", to: string[], text: string }
 * | { kind: "reply", text: string } | { kind: "join", room: string } | { kind: "search", words: string }
 * | { kind: "login", name: string, password: string } | { kind: "register", password: string }
 * | { kind: "password", old: string, next: string }
 * | { kind: "history", count: number }
 * | { kind: "part" | "room" | "rooms" | "help" | "logout" | "nothing" } | { kind: "command", line: string }
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

/** How many messages /history goes back, and how many it may. */
const PAGE = 50;
const MOST = 200;

/** The commands that the page carries out. @type {Record<string, (rest: string, usage: string) => Parsed>} */
const OWN = {
  me: (text, usage) => (isBlank(text) ? incomplete("me", usage) : { kind: "say", text, me: true }),
  reply: (text, usage) => (isBlank(text) ? incomplete("reply", usage) : { kind: "reply", text }),
  whisper(rest, usage) {
    const [, names = "", text = ""] = /^(\S+)\s([\s\S]+)$/.exec(rest) ?? [];
    const to = names
      .split(",")
      .map((name) => name.replace(/^@/, ""))
      .filter(Boolean);
    return to.length && !isBlank(text) ? { kind: "whisper", to, text } : incomplete("whisper", usage);
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
  login(rest) {
    const [, name = "", password = ""] = /^\s*@?(\S*)(?:\s([\s\S]*))?$/.exec(rest) ?? [];
    return { kind: "login", name, password };
  },
  register: (rest) => ({ kind: "register", password: rest }),
  password(rest) {
    const [, quoted, bare = "", next = ""] = /^\s*(?:"([^"]*)"|(\S*))(?:\s([\s\S]*))?$/.exec(rest) ?? [];
    return { kind: "password", old: quoted ?? bare, next };
  },
  room: () => ({ kind: "room" }),
  history(rest, usage) {
    const count = Number(rest.trim() || PAGE);
    return Number.isInteger(count) && count > 0 && count <= MOST
      ? { kind: "history", count }
      : incomplete("history", usage);
  },
};

/** What looks like a command with a password is never said.
 * @param {string} typed
 * @param {readonly Usage[]} usages
 * @returns {Parsed}
 */
export function parse(typed, usages) {
  if (isBlank(typed)) return { kind: "nothing" };
  const text = typed.replace(/^\n+|\s+$/g, "");
  const parsed = commandIn(withoutLead(text), text, usages) ?? { kind: "say", text };
  return "text" in parsed && holdsPassword(parsed.text)
    ? { kind: "problem", text: t("error.refused.password") }
    : parsed;
}

/** What a line that begins with a slash asks for. After blanks only a known command is one.
 * @param {string} line
 * @param {string} text the line with the blanks before it
 * @param {readonly Usage[]} usages
 * @returns {Parsed | null}
 */
function commandIn(line, text, usages) {
  if (text.startsWith("//")) return { kind: "say", text: text.slice(1) };
  const [, word, rest = ""] = /^\/(?!\/)(\S*)\s?([\s\S]*)$/.exec(line) ?? [];
  if (word === undefined) return null;
  const usage = usages.find((one) => namesOf(one).includes(word.toLowerCase()));
  const name = usage?.command ?? word.toLowerCase();
  if (Object.hasOwn(OWN, name)) return OWN[name](rest, usage?.usage ?? "");
  if (usage || (line === text && !usages.length)) return { kind: "command", line };
  return line === text ? { kind: "problem", text: t("error.unknown_command", { command: word || "…" }) } : null;
}

/** @param {string} name @param {string} usage @returns {Parsed} */
const incomplete = (name, usage) => ({
  kind: "problem",
  text: t("error.bad_command", { usage: `/${name} ${usage || "TEXT"}` }),
});
