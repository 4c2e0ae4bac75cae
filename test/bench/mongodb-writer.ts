/**
 * Writes documents at a steady pace, a process of its own, and notes when a majority had each. Arguments: url,
 * the first `_id`, documents, documents a second. Tells its parent `{seen: [[_id, milliseconds], …]}`.
 */
import { MongoClient } from "mongodb";
import { itemOf } from "./mongodb-world.js";

const [url = "", first = "", wanted = "", rate = ""] = process.argv.slice(2);
const client = new MongoClient(url, { writeConcern: { w: "majority" } });
const items = client.db("bench").collection("items");
const seen: [number, number][] = [];
const startedAt = performance.now();
const writes: Promise<void>[] = [];
for (let at = 0; at < Number(wanted); at += 1) {
  const dueIn = startedAt + (at * 1_000) / Number(rate) - performance.now();
  if (dueIn > 0) await new Promise((resolve) => setTimeout(resolve, dueIn));
  const id = Number(first) + at;
  writes.push(
    items.insertOne(itemOf(id)).then(() => {
      seen.push([id, performance.timeOrigin + performance.now()]);
    }),
  );
}
await Promise.all(writes);
await client.close();
process.send?.({ seen }, () => {
  process.disconnect();
});
