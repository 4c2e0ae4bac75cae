/**
 * A client of Changecast, a process of its own: when its handler saw each document. Arguments: url, documents.
 * Tells its parent `{ready}`, then `{seen: [[_id, milliseconds], …]}`.
 */
import { WebSocket } from "ws";
import { changecast } from "../../src/client/client.js";
import { subscribe } from "../../src/client/subscription.js";

const [url = "", wanted = ""] = process.argv.slice(2);
const seen: [number, number][] = [];
const cast = changecast({ url, WebSocket });
const channels = Array.from({ length: 100 }, (_, store) => `store:${String(store)}`);
const subscription = subscribe(cast, channels, ({ entries }) => {
  const at = performance.timeOrigin + performance.now();
  for (const { values } of entries) seen.push([Number(values["_id"]), at]);
  if (seen.length < Number(wanted)) return;
  process.send?.({ seen }, () => {
    process.exit(0);
  });
});
await subscription.ready();
process.send?.({ ready: true });
