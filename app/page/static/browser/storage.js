// What the browser stores, per chat: several chats may share an origin below different paths.

const PREFIX = "natter";

/**
 * @param {string} base the address of the page, without what follows its path
 * @param {Storage} local for all tabs, for good
 * @param {Storage} session for this tab, until it is closed
 */
export function createStorage(base, local, session) {
  /** @param {Storage} storage @param {string} name @param {any} otherwise */
  function read(storage, name, otherwise) {
    try {
      return JSON.parse(storage.getItem(`${PREFIX} ${base} ${name}`) ?? "null") ?? otherwise;
    } catch {
      return otherwise;
    }
  }

  /** @param {Storage} storage @param {string} name @param {unknown} value */
  function write(storage, name, value) {
    try {
      if (value === null) storage.removeItem(`${PREFIX} ${base} ${name}`);
      else storage.setItem(`${PREFIX} ${base} ${name}`, JSON.stringify(value));
    } catch {
      return; // full or forbidden: the page works without it until it is closed
    }
  }

  return {
    /** @param {string} name @param {any} [otherwise] */
    get: (name, otherwise = null) => read(local, name, otherwise),
    /** @param {string} name @param {unknown} value */
    set: (name, value) => write(local, name, value),
    /** @param {string} name @param {any} [otherwise] */
    getOfTab: (name, otherwise = null) => read(session, name, otherwise),
    /** @param {string} name @param {unknown} value */
    setOfTab: (name, value) => write(session, name, value),
  };
}
