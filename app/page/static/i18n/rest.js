// What of English the first screens don't show. It comes with what shows it.

/** The other messages of languages/en.json; the server writes them here. */
export const REST = /** @type {Partial<import("../types.d.ts").Catalogue>} */ ({});
