// The service worker: it keeps the files that the page is made of, so that the page opens without a connection, and
// nothing else. A page that is open keeps its files until it is closed: a new worker waits for that.

/** @typedef {{ version: string, files: string[] }} Shell */

const worker = /** @type {ServiceWorkerGlobalScope} */ (/** @type {unknown} */ (self));

/** What to keep, which the server writes here. @type {Shell} */
const SHELL = { version: "", files: ["./"] };

const PREFIX = `natter ${worker.registration.scope} `;
const CACHE = PREFIX + SHELL.version;

const HOME = worker.registration.scope;
const OFFLINE = new URL("offline.html", HOME).href;
/** What the server says of Vary is no matter: all of it is compressed or not on the way only. */
const ANY = { ignoreVary: true };
const KEPT = new Set(SHELL.files.map((file) => new URL(file, HOME).href));

async function keep() {
  const cache = await caches.open(CACHE);
  await cache.addAll([...KEPT].map((url) => new Request(url, { cache: "no-cache" })));
}

async function forgetOlder() {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith(PREFIX) && name !== CACHE).map((name) => caches.delete(name)));
}

/** The page as the server has it or, without a connection, as it was kept.
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
    return Response.redirect(OFFLINE); // there the addresses in it, which are relative, lead to its files
  }
}

/** @param {Request} request */
async function kept(request) {
  const cache = await caches.open(CACHE);
  return (await cache.match(request, ANY)) ?? fetch(request);
}

worker.addEventListener("install", (event) => event.waitUntil(keep()));
worker.addEventListener("activate", (event) => event.waitUntil(forgetOlder()));
worker.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET") return;
  if (request.mode === "navigate") event.respondWith(navigate(request));
  else if (KEPT.has(request.url)) event.respondWith(kept(request));
});
