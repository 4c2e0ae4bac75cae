/** What a page downloads whose app keeps its rows in SQLite; its worker is apart. */
export { changecast } from "../../src/client/client.js";
export { wasmStore } from "../../src/client/stores/wasm-store.js";
