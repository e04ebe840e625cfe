// The hits of a search in a text. They come as code points; strings here are made of units of UTF-16.

/** @typedef {readonly (readonly [number, number])[]} Marks the start and end of each hit, in order */

/** From this many characters before the first hit on, the beginning of a text is left out. */
const LONG = 200;
/** How many characters before the first hit are shown then. */
const LEAD = 60;

/** The part of a text to show with its hits, and where they are in it.
 * @param {string} text
 * @param {Marks} [marks] in code points
 * @returns {{ text: string, marks: Marks }} with marks in units
 */
export function excerpt(text, marks = []) {
  const signs = [...text];
  const first = marks[0]?.[0] ?? 0;
  const from = first > LONG ? first - LEAD : 0;
  const start = from ? "…" : "";
  const units = [start.length];
  for (const sign of signs.slice(from)) units.push(units[units.length - 1] + sign.length);
  const unit = (/** @type {number} */ at) => units[Math.min(Math.max(at - from, 0), units.length - 1)];
  return {
    text: start + signs.slice(from).join(""),
    marks: marks.map(([begin, end]) => [unit(begin), unit(end)]),
  };
}

/** A part of a text, cut at the hits: those have an odd index.
 * @param {string} part
 * @param {number} at where it is in the text
 * @param {Marks} marks in units
 */
export function cut(part, at, marks) {
  const pieces = [];
  let done = 0;
  for (const [start, end] of marks) {
    const from = Math.max(start - at, done);
    const to = Math.min(end - at, part.length);
    if (from >= to) continue;
    pieces.push(part.slice(done, from), part.slice(from, to));
    done = to;
  }
  return [...pieces, part.slice(done)];
}
