// The WebSocket: it reconnects by itself, and says why it is down.

import { t } from "../i18n/messages.js";
import { delay, longDelay, STABLE } from "./backoff.js";
import { ending } from "./closecodes.js";
import { probe } from "./probe.js";

/** @typedef {import("../types.d.ts").Connection} State */
/** @typedef {import("../types.d.ts").Frame} Frame */

/** A connection that was silent this long is probed, in milliseconds. */
const SILENCE = 30_000;
/** A probe must be answered within this time. */
const PATIENCE = 5_000;
/** How often the connection is checked. */
const CHECK = 2_000;
/** A longer gap between two checks means that the machine slept. */
const SLEPT = 10_000;
/** How long the handshake may take. */
const OPENING = 15_000;
/** A connection on which something came this recently is not probed. */
const RECENT = 1_000;

/**
 * @param {object} options
 * @param {URL} options.page the address of the page: the chat is beside it
 * @param {() => { name: string, token: string }} options.identity who to connect as
 * @param {(frame: Frame) => void} options.onFrame
 * @param {(state: State) => void} options.onState
 */
export function createConnection({ page, identity, onFrame, onState }) {
  /** @type {WebSocket | null} */
  let socket = null;
  let attempt = 0;
  let openedAt = 0;
  let heardAt = 0;
  let probedAt = 0;
  let checkedAt = Date.now();
  let waitingUntil = 0;
  let wanted = false;
  /** Why the last connection that held for a moment only ended. */
  let lastCode = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  /** @param {State["phase"]} phase @param {string} [why] @param {number} [until] @param {boolean} [signIn] */
  const report = (phase, why = "", until = 0, signIn) => onState({ phase, why, until, attempt, signIn });

  /** @param {string} why unless this device is offline */
  const unlessOffline = (why) => (navigator.onLine ? why : t("closed.offline"));

  function open() {
    clearTimeout(timer);
    if (!wanted || socket) return;
    report("connecting");
    const mine = connect();
    let opened = false;
    socket = mine;
    openedAt = heardAt = Date.now();
    probedAt = 0;
    timer = setTimeout(() => drop(mine, t("closed.unreachable")), OPENING);
    mine.onopen = () => {
      opened = true;
      openedAt = heardAt = Date.now();
      clearTimeout(timer);
    };
    mine.onmessage = ({ data }) => {
      if (socket !== mine) return;
      heardAt = Date.now();
      probedAt = 0;
      const frame = JSON.parse(data);
      if (frame.t === "ping") {
        mine.send('{"t":"pong"}');
        return;
      }
      if (frame.t === "welcome") report("open");
      onFrame(frame);
    };
    mine.onclose = ({ code, reason }) => {
      if (socket !== mine) return;
      socket = null;
      clearTimeout(timer);
      if (opened) closed(code, reason);
      else void failedToOpen();
    };
  }

  function connect() {
    const { name, token } = identity();
    const url = new URL("chat", page);
    url.protocol = page.protocol === "https:" ? "wss:" : "ws:";
    url.hash = "";
    if (name) url.searchParams.set("name", name);
    return new WebSocket(url, token ? ["chat.v1.json", `token.${token}`] : ["chat.v1.json"]);
  }

  /** @param {number} code @param {string} reason */
  function closed(code, reason) {
    const { why, again } = ending(code, reason);
    if (Date.now() - openedAt > STABLE) attempt = lastCode = 0;
    const repeated = code === lastCode;
    lastCode = code;
    if (!again || (again === "once" && repeated)) {
      wanted = false;
      report("ended", why);
      return;
    }
    retry(unlessOffline(why));
  }

  async function failedToOpen() {
    retry(unlessOffline(t("closed.unreachable")));
    if (!navigator.onLine) return;
    const until = waitingUntil;
    const cause = await probe(page);
    if (!cause || socket || !wanted || until !== waitingUntil) return;
    if (cause.later) wait(longDelay(attempt));
    report("waiting", cause.why, waitingUntil, cause.signIn);
  }

  /** @param {string} why */
  function retry(why) {
    wait(delay(attempt++));
    report("waiting", why, waitingUntil);
  }

  /** @param {number} milliseconds until the next attempt */
  function wait(milliseconds) {
    waitingUntil = Date.now() + milliseconds;
    clearTimeout(timer);
    timer = setTimeout(open, milliseconds);
  }

  /** Gives up a socket that can't be trusted any more.
   * @param {WebSocket} mine
   * @param {string} why
   */
  function drop(mine, why) {
    if (socket !== mine) return;
    socket = null;
    mine.close();
    retry(why);
  }

  /** Asks for any answer, to find out whether the connection is alive. */
  function ask() {
    if (!socket || socket.readyState !== WebSocket.OPEN || probedAt) return;
    probedAt = Date.now();
    socket.send(JSON.stringify({ t: "help", rid: "probe", command: "help" }));
  }

  /** The network, the screen or the machine came back: reconnect, or make sure of the connection, at once. */
  function wake() {
    if (!socket) {
      attempt = 0;
      open();
    } else if (Date.now() - heardAt > RECENT) ask();
  }

  function check() {
    const now = Date.now();
    const slept = now - checkedAt > SLEPT;
    checkedAt = now;
    if (!wanted) return;
    if (socket && probedAt && now - probedAt > PATIENCE) drop(socket, unlessOffline(t("closed.silent")));
    else if (slept) wake();
    else if (socket && now - heardAt > SILENCE) ask();
  }

  setInterval(check, CHECK);
  addEventListener("online", () => wanted && wake());
  addEventListener("offline", () => ask());
  addEventListener("pageshow", (event) => wanted && event.persisted && wake());
  document.addEventListener("visibilitychange", () => wanted && !document.hidden && wake());

  return {
    /** Connects, or stops waiting for the next attempt. */
    start() {
      wanted = true;
      wake();
    },
    /** Closes the connection and opens another, as the person that `identity` gives by then. */
    restart() {
      const mine = socket;
      socket = null;
      mine?.close();
      wanted = true;
      attempt = 0;
      open();
    },
    /** Disconnects for good. */
    stop() {
      const mine = socket;
      wanted = false;
      socket = null;
      clearTimeout(timer);
      mine?.close();
      report("idle");
    },
    /** Sends a frame; without a connection it is lost. @param {object} frame */
    send(frame) {
      if (socket?.readyState !== WebSocket.OPEN) return;
      socket.send(JSON.stringify(frame));
    },
  };
}
