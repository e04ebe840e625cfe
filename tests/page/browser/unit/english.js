// The page in English, for tests of what it says.

import { readFileSync } from "node:fs";
import { use } from "../../../../app/page/static/i18n/messages.js";

export const LANGUAGES = new URL("../../../../app/page/static/languages/", import.meta.url);
export const read = (tag) => JSON.parse(readFileSync(new URL(`${tag}.json`, LANGUAGES), "utf8"));

use(read("en"), "en");
