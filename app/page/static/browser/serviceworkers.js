// The browser's service workers.

/** Where storage is blocked, already asking for them may be an error. The page works without them. */
export function serviceWorkers() {
  try {
    return navigator.serviceWorker;
  } catch {
    return undefined;
  }
}
