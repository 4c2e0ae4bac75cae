/** What the worker of such an app downloads, besides SQLite. */
export { serveStore } from "../../src/client/stores/wasm-worker.js";
