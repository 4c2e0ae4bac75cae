/**
 * The reference of the bench latency: reads a slot and notes how long after its commit's statement each row came. Does nothing
 * else. Rows end with the microsecond at which they were written.
 */
import { systemClock } from "../../../src/base/clock.js";
import { Secret } from "../../../src/base/secret.js";
import { ReplicationStream } from "../../../connectors/postgres/replication-stream.js";
import { answerParent } from "./far-process.js";
import { Spread } from "./spread.js";
import { WallClock } from "./wall-clock.js";

export interface ReaderQuestion {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  readonly slot: string;
  readonly publication: string;
}

const UPDATE = "U".charCodeAt(0);
/** Of a time in microseconds, until the year 2286. */
const DIGITS = 16;

const clock = new WallClock();
let spread = new Spread();

answerParent({
  open: async (question: ReaderQuestion) => {
    const { host, port, user, password, database, slot, publication } = question;
    const stream: ReplicationStream = new ReplicationStream(
      {
        connection: {
          ...{ host, port, user, database },
          ...{ password: new Secret(password), tls: { mode: "disable" } },
        },
        ...{ applicationName: "commit reader", slot, publication, clock: systemClock },
      },
      {
        data: (bytes, from, to) => {
          if (bytes[from] !== UPDATE) return;
          const at = Number(bytes.toString("latin1", to - DIGITS, to));
          spread.add(clock.ms() - at / 1_000);
        },
        keepalive: (walEnd, wantsReply) => {
          if (wantsReply) stream.acknowledge(walEnd, false);
        },
        ended: () => undefined,
      },
    );
    await stream.start(new AbortController().signal);
  },
  watch: () => {
    clock.set();
    spread = new Spread();
  },
  latencies: () => spread.counts,
});
