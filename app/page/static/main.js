// The entry: the page starts in the reader's language.

import { serviceWorkers } from "./browser/serviceworkers.js";
import { loadLanguage } from "./i18n/language.js";
import { startPage } from "./page.js";

void loadLanguage(navigator.languages).then(startPage);

void serviceWorkers()?.register("worker.js").catch(() => null);
