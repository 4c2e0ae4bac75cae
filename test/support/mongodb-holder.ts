/**
 * A process that starts a MongoDB, prints where it is and waits to be killed: for the guard's test.
 */
import { startMongodb } from "./mongodb-server.js";

const server = await startMongodb({ exclusive: true, flags: ["--oplogSize", "16"] });
const [member] = server.members;
process.stdout.write(`${JSON.stringify({ pid: member?.pid() })}\n`);
setInterval(() => undefined, 60_000);
