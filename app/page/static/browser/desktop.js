// Notifications as the browser shows them.

/** Asks the person for permission to show notifications. */
export const askPermission = async () =>
  typeof Notification === "function" ? Notification.requestPermission() : "denied";

export const permission = () => (typeof Notification === "function" ? Notification.permission : "denied");

/** Shows a notification, which leads to a room. The service worker shows it where there is one: phones allow nothing
 * else, and its notifications outlive the page. Several tabs show one notification for one `tag`.
 * @param {string} title
 * @param {{ body: string, tag: string, data: { room: string } }} options
 * @param {(room: string) => void} show
 */
export async function notify(title, options, show) {
  if (permission() !== "granted") return;
  try {
    const worker = await navigator.serviceWorker?.getRegistration();
    if (worker?.active) return await worker.showNotification(title, options);
  } catch {
    // the page shows it itself
  }
  try {
    const notification = new Notification(title, options);
    notification.onclick = () => {
      window.focus();
      notification.close();
      show(options.data.room);
    };
  } catch {
    return; // nobody can show it
  }
}

/** Calls `show` when somebody clicks a notification of the service worker, which brings this page to the front.
 * @param {(room: string) => void} show
 */
export function listenToClicks(show) {
  try {
    navigator.serviceWorker?.addEventListener("message", ({ data }) => {
      if (typeof data?.room === "string") show(data.room);
    });
  } catch {
    return; // storage is blocked, and service workers with it
  }
}
