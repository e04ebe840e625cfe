// Actions about the person, and about others in a room.

import { t } from "../i18n/messages.js";
import { replyText } from "../i18n/replies.js";

/** @typedef {import("../types.d.ts").Request} Request */

/**
 * @param {import("./tools.js").Tools} tools
 * @param {import("./navigation.js").Navigation} navigation
 * @param {() => Promise<string>} askPermission to show notifications
 */
export function createAccount({ session, state, set, toast, ask }, navigation, askPermission) {
  return {
    /** @param {string} name */
    enter: (name) => void session.enter(name.trim()),
    /** @param {string} name @param {string} password */
    login: (name, password) => void session.login(name.trim(), password),
    reconnect: () => session.retry(),

    /** Changes something about the person; gives whether it was done. A toast shows the answer.
     * @param {Request & { name?: string }} request
     */
    async account(request) {
      const answer = await ask(request);
      if (answer) toast(replyText(answer, request.t, request.name) || t("dialog.done"));
      return Boolean(answer);
    },

    /** Changes something about the room, or about what somebody may do in it; gives whether it was done.
     * @param {Request} request
     */
    async moderate(request) {
      const done = await ask({ room: state().current, ...request });
      if (done) toast(t("dialog.done"));
      return Boolean(done);
    },

    async logout() {
      await session.ask({ t: "logout" }).catch(() => null);
      session.logOut();
    },

    /** Turns notifications on, if the person lets the browser show them, or off. @param {boolean} on */
    async notify(on) {
      set({ asksToNotify: false });
      const permission = on ? await askPermission() : state().permission;
      set({ permission });
      navigation.settings({ notifications: on && permission === "granted", asked: true });
    },
  };
}
