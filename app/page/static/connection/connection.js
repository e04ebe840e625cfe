// The socket: it comes back by itself, and says why it is not there.

import { delay, STABLE } from "./backoff.js";
import { DROPPED, ending, LEAVING, OFFLINE, SILENT, UNREACHABLE } from "./closecodes.js";

/** @typedef {import("../types.d.ts").Connection} State */
/** @typedef {import("../types.d.ts").Frame} Frame */

/** A connection on which nothing came for so long is asked whether it is still there, */
const QUIET = 30_000;
/** has so long to answer, */
const PATIENCE = 5_000;
/** and is looked after so often. A longer gap between two looks means that the machine slept. */
const LOOK = 2_000;
const SLEPT = 10_000;
/** How long the handshake may take. */
const OPENING = 15_000;

/**
 * @param {object} options
 * @param {URL} options.page the address of the page: the chat is beside it
 * @param {() => { name: string, token: string }} options.identity who to be
 * @param {(frame: Frame) => void} options.onFrame
 * @param {(state: State) => void} options.onState
 */
export function createConnection({ page, identity, onFrame, onState }) {
  /** @type {WebSocket | null} */
  let socket = null;
  let attempt = 0;
  let openedAt = 0;
  let heardAt = 0;
  let askedAt = 0;
  let lookedAt = Date.now();
  let wanted = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  /** @param {State["phase"]} phase @param {string} [why] @param {number} [until] */
  const tell = (phase, why = "", until = 0) => onState({ phase, why, until, attempt });

  function open() {
    clearTimeout(timer);
    if (!wanted || socket) return;
    tell("connecting");
    const { name, token } = identity();
    const url = new URL("chat", page);
    url.protocol = page.protocol === "https:" ? "wss:" : "ws:";
    url.hash = "";
    if (name) url.searchParams.set("name", name);
    const mine = new WebSocket(url, token ? ["chat.v1.json", `token.${token}`] : ["chat.v1.json"]);
    let opened = false;
    socket = mine;
    openedAt = heardAt = Date.now();
    askedAt = 0;
    timer = setTimeout(() => lose(mine, UNREACHABLE), OPENING);
    mine.onopen = () => {
      opened = true;
      openedAt = heardAt = Date.now();
      clearTimeout(timer);
    };
    mine.onmessage = ({ data }) => {
      if (socket !== mine) return;
      heardAt = Date.now();
      askedAt = 0;
      const frame = JSON.parse(data);
      if (frame.t === "welcome") tell("open");
      onFrame(frame);
    };
    mine.onclose = ({ code, reason }) => {
      if (socket !== mine) return;
      socket = null;
      clearTimeout(timer);
      if (opened) closed(code, reason);
      else unopened();
    };
  }

  /** @param {number} code @param {string} reason */
  function closed(code, reason) {
    const { why, again } = ending(code, reason);
    if (!again) {
      wanted = false;
      tell("ended", why);
      return;
    }
    if (Date.now() - openedAt > STABLE) attempt = 0;
    retry(navigator.onLine ? why : OFFLINE);
  }

  /** The browser does not tell why a socket did not open: whether the server answers otherwise tells. */
  async function unopened() {
    retry(navigator.onLine ? UNREACHABLE : OFFLINE);
    if (!navigator.onLine) return;
    const until = waitingUntil;
    const response = await fetch(new URL("healthz", page), { cache: "no-store" }).catch(() => null);
    if (response && !socket && wanted && until === waitingUntil)
      tell("waiting", response.ok ? DROPPED : LEAVING, until);
  }

  let waitingUntil = 0;

  /** @param {string} why */
  function retry(why) {
    const wait = delay(attempt++);
    waitingUntil = Date.now() + wait;
    tell("waiting", why, waitingUntil);
    clearTimeout(timer);
    timer = setTimeout(open, wait);
  }

  /** @param {WebSocket} mine @param {string} why */
  function lose(mine, why) {
    if (socket !== mine) return;
    socket = null;
    mine.close();
    retry(why);
  }

  /** Asks a quiet connection for a sign of life. */
  function probe() {
    if (!socket || socket.readyState !== WebSocket.OPEN || askedAt) return;
    askedAt = Date.now();
    socket.send(JSON.stringify({ t: "help", rid: "probe", command: "help" }));
  }

  /** Something happened after which things may be otherwise: the network, the screen, or the machine came back. */
  function poke() {
    if (!socket) {
      attempt = 0;
      open();
    } else if (Date.now() - heardAt > 1_000) probe();
  }

  function look() {
    const now = Date.now();
    const slept = now - lookedAt > SLEPT;
    lookedAt = now;
    if (!wanted) return;
    if (socket && askedAt && now - askedAt > PATIENCE) lose(socket, navigator.onLine ? SILENT : OFFLINE);
    else if (slept) poke();
    else if (socket && now - heardAt > QUIET) probe();
  }

  setInterval(look, LOOK);
  addEventListener("online", () => wanted && poke());
  addEventListener("offline", () => probe());
  addEventListener("pageshow", (event) => wanted && event.persisted && poke());
  document.addEventListener("visibilitychange", () => wanted && !document.hidden && poke());

  return {
    /** Connects, or does so at once instead of later. */
    start() {
      wanted = true;
      poke();
    },
    /** Connects anew, as whoever one is by now. */
    restart() {
      const mine = socket;
      socket = null;
      mine?.close();
      wanted = true;
      attempt = 0;
      open();
    },
    stop() {
      const mine = socket;
      wanted = false;
      socket = null;
      clearTimeout(timer);
      mine?.close();
      tell("idle");
    },
    /** @param {object} frame */
    send(frame) {
      if (socket?.readyState !== WebSocket.OPEN) return;
      socket.send(JSON.stringify(frame));
    },
  };
}
