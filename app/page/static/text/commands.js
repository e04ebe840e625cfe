// What a person typed, as what it asks for. Commands that the page does itself are read here, others go to the server.

/** @typedef {import("../types.d.ts").Usage} Usage */
/**
 * @typedef {{ kind: "say", text: string, me?: boolean } | { kind: "whisper", to: string[], text: string }
 * | { kind: "reply", text: string } | { kind: "join", room: string } | { kind: "search", words: string }
 * | { kind: "part" | "rooms" | "help" | "logout" | "nothing" } | { kind: "command", line: string }
 * | { kind: "problem", text: string }} Asked
 */

const ALIASES = /\(also ([^)]*)\)$/;

/** @param {Usage} usage all names of the command, without the slash */
export function namesOf({ command, help }) {
  const also = ALIASES.exec(help)?.[1] ?? "";
  return [command, ...also.split(/[\s,]+/).map((name) => name.replace("/", ""))].filter(Boolean);
}

/** @param {Usage} usage */
export const withoutAliases = ({ help }) => help.replace(ALIASES, "").trim();

/** @type {Record<string, (rest: string, usage: string) => Asked>} */
const OWN = {
  me: (text, usage) => (text.trim() ? { kind: "say", text, me: true } : problem("me", usage)),
  reply: (text, usage) => (text.trim() ? { kind: "reply", text } : problem("reply", usage)),
  whisper(rest, usage) {
    const [, names = "", text = ""] = /^(\S+)\s([\s\S]+)$/.exec(rest) ?? [];
    const to = names
      .split(",")
      .map((name) => name.replace(/^@/, ""))
      .filter(Boolean);
    return to.length && text.trim() ? { kind: "whisper", to, text } : problem("whisper", usage);
  },
  join(rest, usage) {
    const room = rest.trim().replace(/^#/, "").toLowerCase();
    return room ? { kind: "join", room } : problem("join", usage);
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
 * @returns {Asked}
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
  if (usages.length && !usage) {
    return { kind: "problem", text: `There is no command /${word}. Type /help for a list, or // to say it.` };
  }
  return { kind: "command", line: text };
}

/** @param {string} name @param {string} usage @returns {Asked} */
const problem = (name, usage) => ({ kind: "problem", text: `Expected more: /${name} ${usage || "TEXT"}` });
