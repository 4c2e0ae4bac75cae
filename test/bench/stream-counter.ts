/**
 * The reference of the ingest benches, a process of its own: reads a slot and counts rows, and does nothing
 * else. Arguments: host, port, user, password, database, slot, publication, rows. Prints one line of JSON.
 */
import { systemClock } from "../../src/base/clock.js";
import { Secret } from "../../src/base/secret.js";
import { ReplicationStream } from "../../connectors/postgres/replication-stream.js";
import { usageOf } from "./figure.js";

const [host = "", port = "", user = "", password = "", database = "", slot = "", publication = ""] =
  process.argv.slice(2);
const wanted = Number(process.argv[9]);

const rowKinds = new Set(["I", "U", "D"].map((letter) => letter.charCodeAt(0)));

let rows = 0;
let startedAt = 0;

const stream: ReplicationStream = new ReplicationStream(
  {
    connection: {
      ...{ host, port: Number(port), user, database },
      ...{ password: new Secret(password), tls: { mode: "disable" } },
    },
    ...{ applicationName: "stream counter", slot, publication, clock: systemClock },
  },
  {
    data: (bytes, from) => {
      if (!rowKinds.has(bytes[from] ?? 0)) return;
      rows += 1;
      if (rows === wanted) finish();
    },
    keepalive: (walEnd, wantsReply) => {
      if (wantsReply) stream.acknowledge(walEnd, false);
    },
    ended: (error) => {
      process.stderr.write(`${String(error)}\n`);
      process.exitCode = 1;
    },
  },
);

function finish(): void {
  const ms = performance.now() - startedAt;
  process.stdout.write(`${JSON.stringify({ ms, ...usageOf(process.pid) })}\n`);
  stream.close().catch(() => undefined);
}

const begun = stream.start(new AbortController().signal);
startedAt = performance.now();
await begun;
