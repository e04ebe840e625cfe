// What the browser keeps: per server, since several may share an origin below different paths.

const PREFIX = "natter";

/**
 * @param {string} base the address of the page, without what follows its path
 * @param {Storage} local kept for good, for all tabs
 * @param {Storage} session kept over reloads of this tab
 */
export function createStorage(base, local, session) {
  /** @param {Storage} kept @param {string} name @param {any} otherwise */
  function read(kept, name, otherwise) {
    try {
      return JSON.parse(kept.getItem(`${PREFIX} ${base} ${name}`) ?? "null") ?? otherwise;
    } catch {
      return otherwise;
    }
  }

  /** @param {Storage} kept @param {string} name @param {unknown} value */
  function write(kept, name, value) {
    try {
      if (value === null) kept.removeItem(`${PREFIX} ${base} ${name}`);
      else kept.setItem(`${PREFIX} ${base} ${name}`, JSON.stringify(value));
    } catch {
      return; // full or forbidden: the page works without, until it is closed
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
