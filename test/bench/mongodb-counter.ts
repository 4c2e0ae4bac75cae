/**
 * The reference of ingest-mongodb, a process of its own: reads raw batches from a place of the stream and counts
 * changes, and does nothing else. Arguments: url, seconds and ordinal of the place, changes. Prints one line of JSON.
 */
import { Timestamp } from "mongodb";
import { openDeployment } from "../../connectors/mongodb/deployment.js";
import { parseMongodbOptions } from "../../connectors/mongodb/options.js";
import { ServerCursor } from "../../connectors/mongodb/server-cursor.js";
import { usageOf } from "./figure.js";

const AWAIT_MS = 1_000;

const [url = "", seconds = "", ordinal = "", wanted = ""] = process.argv.slice(2);
const parsed = parseMongodbOptions({ url });
if ("problems" in parsed) throw new Error("the options of the bench are wrong");

const { signal } = new AbortController();
const deployment = await openDeployment(parsed.options, "counter", signal);
const match = { $match: { "ns.db": "bench", "ns.coll": "items" } };
const plan = { deployment, database: "bench", stages: [match], hasImages: false };
const startAtOperationTime = new Timestamp({ t: Number(seconds), i: Number(ordinal) });
const { cpuMs } = usageOf(process.pid);
const startedAt = performance.now();
const { cursor } = await ServerCursor.open(plan, { startAtOperationTime }, signal);
let count = 0;
while (count < Number(wanted)) count += (await cursor.next(AWAIT_MS, signal)).documents.length;
const ms = performance.now() - startedAt;
const usage = usageOf(process.pid);
process.stdout.write(`${JSON.stringify({ ...usage, ms, cpuMs: usage.cpuMs - cpuMs })}\n`);
await cursor.close();
await deployment.client.close();
