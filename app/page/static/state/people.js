// The people in a room, kept up to date by `presence`.

/** @typedef {import("../types.d.ts").Person} Person */
/** @typedef {readonly Person[] | null} People null if only their number is known */

/** After a `presence` frame. If it has a number only, no more than that is known.
 * @param {People} people
 * @param {import("../types.d.ts").Frame} presence
 * @returns {People}
 */
export function withPresence(people, presence) {
  const { members, came = [], went = [], changed = [] } = presence;
  if (!people || (!came.length && !went.length && !changed.length && members !== people.length)) return null;
  const known = new Map(people.map((person) => [person.id, person]));
  for (const person of [...came, ...changed]) known.set(person.id, person);
  for (const { id } of went) known.delete(id);
  return [...known.values()];
}

/** What `presence` says of a person holds in every room, and is told in one of them.
 * @param {People} people
 * @param {readonly Person[]} changed
 * @returns {People}
 */
export function withChanged(people, changed) {
  const known = new Map(changed.map((person) => [person.id, person]));
  if (!people?.some(({ id }) => known.has(id))) return people;
  return people.map((person) => known.get(person.id) ?? person);
}

/** Nobody is looked for yet. */
export const NOBODY = Object.freeze({ room: "", find: "", people: /** @type {People} */ ([]), more: false });

/** The people of a room that are shown: those whose name has the part that is looked for.
 * @param {import("../types.d.ts").State} state
 * @param {import("../types.d.ts").Room} room
 * @returns {People}
 */
export function shownPeople({ finding }, { name, people }) {
  if (finding.room !== name) return people;
  const part = finding.find.trim().toLowerCase();
  return people?.filter((person) => person.name.toLowerCase().includes(part)) ?? finding.people;
}

/** People who are not away first, each group by name.
 * @param {readonly Person[]} people
 */
export const sorted = (people) =>
  [...people].sort((a, b) => Number(a.away !== undefined) - Number(b.away !== undefined) || compare(a.name, b.name));

const { compare } = new Intl.Collator(undefined, { sensitivity: "base", numeric: true });

/** What somebody may do in a room. A name that the owner or an operator gave up may be another person's.
 * @param {Pick<import("../types.d.ts").Room, "owner" | "operators" | "ownerUser" | "operatorUsers">} room
 * @param {{ name: string, id?: number }} person
 * @returns {"owner" | "operator" | ""}
 */
export function roleOf({ owner, operators, ownerUser, operatorUsers }, { name, id }) {
  if (id && ownerUser ? id === ownerUser : name === owner) return "owner";
  return (id && operatorUsers ? operatorUsers.includes(id) : operators.includes(name)) ? "operator" : "";
}
