// Tables whose keys are words that people choose: names of rooms and of people.

/** @template T @typedef {import("../types.d.ts").Table<T>} Table */

/** The entries of some tables in one, of which the last one counts. Unlike other objects it has nothing of its own: there is no
 * `constructor` in it unless a room is called that. A copy by `...` is no table.
 * @template T
 * @param {readonly Readonly<Record<string, T>>[]} tables
 * @returns {Table<T>}
 */
export const table = (...tables) => Object.assign(Object.create(null), ...tables);

/** @template T @param {Iterable<readonly [string, T]>} pairs */
export const tableOf = (pairs) => /** @type {Table<T>} */ (table(Object.fromEntries(pairs)));

/** @template T @param {Table<T>} entries @param {string} key */
export const without = (entries, key) => tableOf(Object.entries(entries).filter(([word]) => word !== key));
