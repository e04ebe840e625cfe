// What the browser stores, per chat: several chats may share an origin below different paths. All tabs share what is
// stored for good, so each thing that changes by itself has a key of its own: a tab never writes what another one changed.

const PREFIX = "natter";

/**
 * @param {string} base the address of the page, without what follows its path
 * @param {() => Storage} local for all tabs, for good
 * @param {() => Storage} session for this tab, until it is closed
 */
export function createStorage(base, local, session) {
  /** Does something with what a browser stores. Where it forbids that, already asking for its storage is an error, and
   * the page works without until it is closed. So it does when the storage is full.
   * @template T
   * @param {() => T} use
   * @param {T} otherwise
   */
  function attempt(use, otherwise) {
    try {
      return use();
    } catch {
      return otherwise;
    }
  }

  /** @param {string} name */
  const keyOf = (name) => `${PREFIX} ${base} ${name}`;

  /** @param {() => Storage} storage @param {string} name @param {any} otherwise */
  const read = (storage, name, otherwise) =>
    attempt(() => JSON.parse(storage().getItem(keyOf(name)) ?? "null"), null) ?? otherwise;

  /** @param {() => Storage} storage @param {string} name @param {unknown} value */
  const write = (storage, name, value) =>
    attempt(() => {
      if (value === null) storage().removeItem(keyOf(name));
      else storage().setItem(keyOf(name), JSON.stringify(value));
    }, undefined);

  const storage = {
    /** @param {string} name @param {any} [otherwise] */
    get: (name, otherwise = null) => read(local, name, otherwise),
    /** @param {string} name @param {unknown} value null removes it */
    set: (name, value) => write(local, name, value),

    /** Calls back when another tab changes something. @param {string} name @param {(value: any) => void} changed */
    watch: (name, changed) =>
      addEventListener("storage", ({ key }) => {
        if (key === null || key === keyOf(name)) changed(storage.get(name));
      }),

    /** Everything of one kind: the names, and what is stored under them.
     * @param {string} kind
     * @returns {[string, any][]}
     */
    entries(kind) {
      const start = keyOf(`${kind} `);
      const keys = attempt(() => Array.from({ length: local().length }, (_, index) => local().key(index) ?? ""), []);
      const names = keys.filter((key) => key.startsWith(start)).map((key) => key.slice(start.length));
      return names.map((name) => [name, storage.get(`${kind} ${name}`)]);
    },

    /** @param {string} name @param {any} [otherwise] */
    getOfTab: (name, otherwise = null) => read(session, name, otherwise),
    /** @param {string} name @param {unknown} value */
    setOfTab: (name, value) => write(session, name, value),
  };
  return storage;
}
