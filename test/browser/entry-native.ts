/** The client as a React Native app has it: no DOM, no Node. */
export { changecast } from "../../src/client/client.js";
export { memoryStore } from "../../src/client/stores/memory-store.js";
export { sqliteStore } from "../../src/client/stores/sqlite-store.js";
