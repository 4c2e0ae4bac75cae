/** What an app downloads that keeps its rows by itself: the core with its WebSocket. */
export { changecast } from "../../src/client/client.js";
