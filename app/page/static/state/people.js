// Who is in a room, kept up by the hints of `presence`.

/** @typedef {import("../types.d.ts").Person} Person */
/** @typedef {readonly Person[] | null} People */

/** After a `presence`. Where only the number of people is known it stays so.
 * @param {People} people
 * @param {import("../types.d.ts").Frame} presence
 * @returns {People}
 */
export function moved(people, presence) {
  const { members, came = [], went = [], changed = [] } = presence;
  if (!people || (!came.length && !went.length && !changed.length && members !== people.length)) return null;
  const known = new Map(people.map((person) => [person.id, person]));
  for (const person of [...came, ...changed]) known.set(person.id, person);
  for (const { id } of went) known.delete(id);
  return [...known.values()];
}

/** Those at the keyboard first, each by name.
 * @param {readonly Person[]} people
 */
export const sorted = (people) =>
  [...people].sort((a, b) => Number(a.away !== undefined) - Number(b.away !== undefined) || compare(a.name, b.name));

const { compare } = new Intl.Collator(undefined, { sensitivity: "base", numeric: true });
