// English, which every other language falls back to. It is a part of the script, so that nobody waits for it.

/** The messages of languages/en.json that the first screens may show; the server writes them here. */
export const ENGLISH = /** @type {import("../types.d.ts").Catalogue} */ ({});
