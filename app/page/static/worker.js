// The service worker: it caches the files that the page is made of, and nothing else, so that the page opens without a
// connection. An open page keeps its files until it is closed: a new worker waits for that. It also shows the page's
// notifications, and brings the page to the front when one is clicked.

/** @typedef {{ version: string, files: string[] }} Shell */

const worker = /** @type {ServiceWorkerGlobalScope} */ (/** @type {unknown} */ (self));

/** The files to cache; the server writes them here. @type {Shell} */
const SHELL = { version: "", files: ["./"] };

const PREFIX = `natter ${worker.registration.scope} `;
const CACHE = PREFIX + SHELL.version;

const HOME = worker.registration.scope;
const OFFLINE = new URL("offline.html", HOME).href;
/** A cached answer fits any request: what varies is its compression, and the language that this browser asks for. */
const ANY = { ignoreVary: true };
const FILES = new Set(SHELL.files.map((file) => new URL(file, HOME).href));

async function install() {
  const cache = await caches.open(CACHE);
  await cache.addAll([...FILES].map((url) => new Request(url, { cache: "no-cache" })));
}

async function deleteOldCaches() {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith(PREFIX) && name !== CACHE).map((name) => caches.delete(name)));
}

/** The page from the server or, without a connection, from the cache.
 * @param {Request} request
 */
async function navigate(request) {
  try {
    return await fetch(request);
  } catch {
    const cache = await caches.open(CACHE);
    const home = request.url.split(/[?#]/)[0] === HOME;
    const [page, offline] = await Promise.all([cache.match(home ? HOME : request, ANY), cache.match(OFFLINE, ANY)]);
    if (page || home || !offline) return page ?? offline ?? Response.error();
    return Response.redirect(OFFLINE); // the addresses in it are relative to its own
  }
}

/** @param {Request} request */
async function fromCache(request) {
  const cache = await caches.open(CACHE);
  return (await cache.match(request, ANY)) ?? fetch(request);
}

/** Brings the page to the front, and shows the room of a notification there; without a page, opens one.
 * @param {string} room
 */
async function show(room) {
  const pages = await worker.clients.matchAll({ type: "window", includeUncontrolled: true });
  const page = pages.find(({ url }) => url.split(/[?#]/)[0] === HOME);
  if (!page) return worker.clients.openWindow(`${HOME}#${room}`);
  page.postMessage({ room });
  return page.focus();
}

worker.addEventListener("install", (event) => event.waitUntil(install()));
worker.addEventListener("activate", (event) => event.waitUntil(deleteOldCaches()));
worker.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(show(event.notification.data.room));
});
worker.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET") return;
  if (request.mode === "navigate") event.respondWith(navigate(request));
  else if (FILES.has(request.url)) event.respondWith(fromCache(request));
});
