// How long a message may be.

/** The most bytes that a frame has beside the text and the name of the room. */
const FRAME_OVERHEAD = 200;
/** The most bytes that one character takes in JSON. */
const CHARACTER = 6;
const ENCODER = new TextEncoder();

/** How many bytes of a message are left. The server bounds the text, and the frame around it, in which quotes and line
 * breaks take two bytes.
 * @param {string} text
 * @param {import("../types.d.ts").Limits} limits
 * @param {string} room
 */
export function bytesLeft(text, { message, frame }, room) {
  const rest = frame - FRAME_OVERHEAD - room.length;
  if (text.length * CHARACTER < Math.min(message || rest, rest)) return Infinity;
  const bytes = message ? message - ENCODER.encode(text).length : Infinity;
  return Math.min(bytes, rest - ENCODER.encode(JSON.stringify(text)).length);
}
