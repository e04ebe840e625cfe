// Why a connection ended and whether to reconnect: the table of close codes in docs/protocol.md.

import { t } from "../i18n/messages.js";

/** `once`: what went wrong may have been somebody else's fault, such as a proxy's, but not twice in a row.
 * @typedef {{ why: string, again: boolean | "once" }} Ending */

/** @type {Record<number, (reason: string) => Ending>} */
const CODES = {
  1000: () => ({ why: t("closed.1000"), again: false }),
  1001: () => ({ why: t("closed.1001"), again: true }),
  1002: () => ({ why: t("closed.1002"), again: "once" }),
  1007: () => ({ why: t("closed.1007"), again: false }),
  1008: (reason) => ({ why: t("closed.1008", { reason: reason.replace(/\.$/, "") }), again: false }),
  1009: () => ({ why: t("closed.1009"), again: false }),
  1011: () => ({ why: t("closed.1011"), again: true }),
  1012: () => ({ why: t("closed.1012"), again: true }),
  4000: () => ({ why: t("closed.4000"), again: true }),
  4016: () => ({ why: t("closed.4016"), again: false }),
};

/**
 * @param {number} code
 * @param {string} reason the server's words
 * @returns {Ending}
 */
export const ending = (code, reason) =>
  CODES[code > 4000 && code < 4016 ? code - 3000 : code]?.(reason) ?? { why: t("closed.lost"), again: true };
