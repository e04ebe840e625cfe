// Why a WebSocket did not open: the browser does not say, so the page asks the server by plain HTTP.

import { find, t } from "../i18n/messages.js";

/** `later`: trying again is of no use until somebody signs in, or the server's operator changes something.
 * @typedef {{ why: string, later?: boolean, signIn?: boolean }} Cause */

/** Asks `/healthz` of the server beside `page`. Nothing if there is no answer.
 * @param {URL} page
 * @returns {Promise<Cause | null>}
 */
export async function probe(page) {
  const url = new URL(`healthz?origin=${page.origin}`, page);
  const response = await fetch(url, { cache: "no-store", redirect: "manual" }).catch(() => null);
  return response && judge(response.status, await response.json().catch(() => null), page);
}

/** @param {number} status 0 for a redirect @param {any} answer its JSON, if it is some
 * @param {{ origin: string, hostname: string }} page
 * @returns {Cause}
 */
export function judge(status, answer, { origin, hostname: host }) {
  const { reason, message } = answer?.chat ?? {};
  if (reason) {
    const why = find([`refused.${reason}`], { origin, host }) || message;
    return { why, later: reason === "origin" || reason === "host" };
  }
  // What is no JSON is from a proxy: a form to sign in, or the way there.
  if (!answer && status < 404) return { why: t("closed.signin"), later: true, signIn: true };
  if (status === 429) return { why: t("refused.address") };
  return { why: t(status < 500 ? "closed.blocked" : "closed.starting") };
}
