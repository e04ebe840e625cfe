// The entry: the page starts in the reader's language.

import { loadLanguage } from "./i18n/language.js";
import { startPage } from "./page.js";

void loadLanguage(navigator.languages).then(startPage);

if ("serviceWorker" in navigator) navigator.serviceWorker.register("worker.js").catch(() => null);
