// Who one is, and what one asks for beside speaking.

import { wordsOf } from "../i18n/answers.js";

/** @typedef {import("../types.d.ts").Request} Request */

/**
 * @param {import("./tools.js").Tools} tools
 * @param {import("./navigation.js").Viewing} view
 * @param {() => Promise<string>} permit asks whether notifications may be shown
 */
export function createAccount({ session, state, set, toast, ask }, view, permit) {
  return {
    /** @param {string} name */
    enter: (name) => void session.enter(name.trim()),
    /** @param {string} name @param {string} password */
    login: (name, password) => void session.login(name.trim(), password),
    reconnect: () => session.retry(),

    /** Gives whether it was done; the answer is told. @param {Request} request about oneself */
    async account(request) {
      const answer = await ask(request);
      if (answer) toast(wordsOf(answer) || "Done");
      return Boolean(answer);
    },

    /** Gives whether it was done. @param {Request} request a change of the room, or of what somebody may do in it */
    async moderate(request) {
      const done = await ask({ room: state().current, ...request });
      if (done) toast("Done");
      return Boolean(done);
    },

    async logout() {
      await session.ask({ t: "logout" }).catch(() => null);
      session.leaveForGood();
    },

    /** Turns notifications on if the person lets the browser show them, or off. @param {boolean} on */
    async notify(on) {
      set({ asking: false });
      const permission = on ? await permit() : state().permission;
      set({ permission });
      view.settings({ notifications: on && permission === "granted", asked: true });
    },
  };
}
