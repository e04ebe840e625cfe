// Tables whose keys are words that people choose: names of rooms and of people.

/** The entries of some tables in one, of which the last one counts. Unlike other objects it has nothing of its own: there is no
 * `constructor` in it unless a room is called that. A copy by `...` is no table.
 * @template T
 * @param {readonly Readonly<Record<string, T>>[]} tables
 * @returns {Record<string, T>}
 */
export const table = (...tables) => Object.assign(Object.create(null), ...tables);

/** @template T @param {Iterable<readonly [string, T]>} pairs */
export const tableOf = (pairs) => /** @type {Record<string, T>} */ (table(Object.fromEntries(pairs)));

/** @template T @param {Readonly<Record<string, T>>} entries @param {string} key */
export function without(entries, key) {
  const rest = /** @type {Record<string, T>} */ (table(entries));
  delete rest[key];
  return rest;
}
