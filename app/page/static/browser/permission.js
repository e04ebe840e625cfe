// Whether the browser shows notifications of the page.

/** Asks the person for permission to show notifications. */
export const askPermission = async () =>
  typeof Notification === "function" ? Notification.requestPermission() : "denied";

export const permission = () => (typeof Notification === "function" ? Notification.permission : "denied");
