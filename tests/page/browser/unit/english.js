// The page in English.

import { readFileSync } from "node:fs";
import { use } from "../../../../app/page/static/i18n/messages.js";

export const LANGUAGES = new URL("../../../../app/page/static/languages/", import.meta.url);
export const read = (tag) => JSON.parse(readFileSync(new URL(`${tag}.json`, LANGUAGES), "utf8"));

use(read("en"), "en");
