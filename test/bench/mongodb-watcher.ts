/**
 * The reference of latency-mongodb, a process of its own: the driver's `watch()`, and when it saw each document.
 * Arguments: url, documents. Tells its parent `{ready}`, then `{seen: [[_id, milliseconds], …]}`.
 */
import { MongoClient } from "mongodb";

const [url = "", wanted = ""] = process.argv.slice(2);
const client = new MongoClient(url);
const seen: [number, number][] = [];
const stream = client.db("bench").collection("items").watch();
await stream.tryNext();
process.send?.({ ready: true });
while (seen.length < Number(wanted)) {
  const change = await stream.next();
  if (change.operationType !== "insert") continue;
  seen.push([Number(change.documentKey._id), performance.timeOrigin + performance.now()]);
}
await stream.close();
await client.close();
process.send?.({ seen }, () => {
  process.disconnect();
});
