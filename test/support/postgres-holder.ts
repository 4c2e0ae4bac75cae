/**
 * A process that starts a Postgres, prints where it is and waits to be killed: for the guard's
 * test.
 */
import { startPostgres } from "./postgres-server.js";

const server = await startPostgres({ version: 15, exclusive: true });
process.stdout.write(`${JSON.stringify({ pid: server.pid, dataDir: server.dataDir })}\n`);
setInterval(() => undefined, 60_000);
