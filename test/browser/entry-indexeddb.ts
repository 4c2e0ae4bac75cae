/** What an app downloads that keeps its rows in IndexedDB. */
export { changecast } from "../../src/client/client.js";
export { indexedDbStore } from "../../src/client/stores/indexeddb-store.js";
