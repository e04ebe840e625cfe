// The part of the page's address after #: a room, a conversation, or a message in one of them.

/** @typedef {{ room: string, seq: number }} Route */

const ROOM = /^[a-z0-9][a-z0-9._-]{0,63}$/;
const CONVERSATION = /^@[1-9][0-9]*(,[1-9][0-9]*)*$/;

/** @param {string} hash @returns {Route | null} null if it is none of them */
export function parse(hash) {
  const [name, seq = ""] = decode(hash.replace(/^#/, "")).split("/");
  const room = isConversationName(name) ? name : name.toLowerCase();
  if (!isRoomName(room) && !isConversationName(room)) return null;
  return { room, seq: /^[1-9][0-9]{0,15}$/.test(seq) ? Number(seq) : 0 };
}

/** @param {string} room @param {number} [seq] */
export const format = (room, seq = 0) => `#${room}${seq ? `/${seq}` : ""}`;

/** @param {string} name */
export const isRoomName = (name) => ROOM.test(name);

/** @param {string} name */
const isConversationName = (name) => CONVERSATION.test(name);

/** The part after # of an address that leads into this chat; "" of any other address.
 * @param {string} address
 * @param {string} page the address of a page of this chat
 */
export function inPlace(address, page) {
  const [to, here] = [new URL(address), new URL("./", page)];
  const route = to.origin + to.pathname + to.search === here.href && parse(to.hash);
  return route ? format(route.room, route.seq) : "";
}

/** @param {string} text */
function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
