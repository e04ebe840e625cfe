// Why a connection ended, and whether to come back: the table of close codes of docs/protocol.md.

/** @typedef {{ why: string, again: boolean }} Ending */

/** @type {Record<number, Ending>} */
const CODES = {
  1000: { why: "You left the chat.", again: false },
  1001: { why: "The connection ended.", again: true },
  1002: { why: "The connection broke the protocol.", again: false },
  1007: { why: "A text was not UTF-8.", again: false },
  1008: { why: "The server refused the connection", again: false },
  1009: { why: "A message was too long for the server.", again: false },
  1011: { why: "The server had a fault, or got no answer.", again: true },
  1012: { why: "The server is restarting.", again: true },
  4000: { why: "This page read too slowly.", again: true },
};

const BROKEN = { why: "The connection was lost.", again: true };

/**
 * @param {number} code
 * @param {string} reason
 * @returns {Ending}
 */
export function ending(code, reason) {
  const known = CODES[code] ?? BROKEN;
  return code === 1008 ? { ...known, why: `${known.why}${reason ? `: ${reason}` : ""}.` } : known;
}

export const OFFLINE = "This device is offline.";
export const UNREACHABLE = "The server can't be reached.";
export const SILENT = "The connection went silent.";
export const LEAVING = "The server is going away or starting.";
export const DROPPED =
  "The server answers, but no WebSocket gets through: a proxy in between drops the upgrade, or the server is full.";
