// The entry: the page starts in the reader's language.

import { loadLanguage } from "./i18n/language.js";
import { startPage } from "./page.js";

void loadLanguage(navigator.languages).then(startPage);

// Where storage is blocked, already asking for the service worker may be an error. The page works without it.
Promise.resolve()
  .then(() => navigator.serviceWorker?.register("worker.js"))
  .catch(() => null);
