/** The client as a React Native app has it: no DOM, no Node. */
export { changecast } from "../../src/client/client.js";
export { expoSqlite } from "../../src/client/drivers/expo-sqlite.js";
export { opSqlite } from "../../src/client/drivers/op-sqlite.js";
export { sqliteStore } from "../../src/client/stores/sqlite-store.js";
