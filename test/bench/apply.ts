/**
 * How fast live entries go from wire bytes into SQLite, in transactions of 1 to 1,000 entries; beside the very
 * statements that the store ran, run again on another file by nothing but the library.
 */
import { changecast } from "../../src/client/client.js";
import { nodeSqlite } from "../../src/client/drivers/node-sqlite.js";
import type { SqliteDriver } from "../../src/client/stores/sqlite-driver.js";
import { sqliteStore } from "../../src/client/stores/sqlite-store.js";
import type { ChannelEntry } from "../../src/model/entry.js";
import { encodeServerFrame } from "../../src/protocol/codec.js";
import { encodeChanges } from "../../src/protocol/wire-entries.js";
import { SeededRandom } from "../support/seeded-random.js";
import { lowest, median, ratioOf, usageOf } from "./figure.js";
import type { Bench, Figure, Variant } from "./figure.js";
import { itemBody, itemEntry, itemKey, itemsSchema } from "./item-rows.js";
import { inDatabase, watchedStore } from "./local-store.js";
import { replaySocket } from "./replay-socket.js";
import { loggingDriver, replay } from "./statement-log.js";
import type { Step } from "./statement-log.js";

const SIZES = [1, 10, 100, 1_000];
const KEYS = 50_000;
const MARK = 0.65;
const MARKED_FROM = 100;
const CHANNEL = "items";

export const apply: Bench = {
  name: "apply",
  run: async (isQuick) => {
    const total = isQuick ? 100_000 : 300_000;
    const variants: Variant[] = [];
    let costs = { cpuUsPerItem: 0, rssAnonMb: 0 };
    for (const size of SIZES) {
      const measured = await measure(size, size < 100 ? total / 10 : total, isQuick ? 3 : 5);
      variants.push(measured.variant);
      costs = measured.costs;
    }
    const { figure, reference, ratio } = lowest(variants);
    const what = "the same statements without us";
    return {
      ...{ bench: "apply", figure, unit: "entries/s", reference: { what, figure: reference } },
      ...{ ratio, ...costs, variants },
      ...(isQuick ? { reduced: "100,000 entries instead of 300,000, 3 rounds instead of 5" } : {}),
    } satisfies Figure;
  },
};

/** Ours and the reference take turns, on the same kind of file; a round before them warms both up. */
async function measure(
  size: number,
  total: number,
  rounds: number,
): Promise<{
  readonly variant: Variant;
  readonly costs: { cpuUsPerItem: number; rssAnonMb: number };
}> {
  const messages = liveMessages(size, total);
  const steps: Step[] = [];
  await follow(messages, total / size, (driver) => loggingDriver(driver, steps));
  await runAgain(steps);
  const ours: number[] = [];
  const plain: number[] = [];
  let cpuMs = 0;
  for (let round = 0; round < rounds; round += 1) {
    const before = usageOf(process.pid).cpuMs;
    ours.push(total / (await follow(messages, total / size, (driver) => driver)));
    cpuMs += usageOf(process.pid).cpuMs - before;
    plain.push(total / (await runAgain(steps)));
  }
  const figure = Math.round(median(ours));
  const reference = Math.round(median(plain));
  const name = `${String(size)} entries a transaction`;
  const ratio = ratioOf(figure, reference);
  const mark = size >= MARKED_FROM ? { mark: MARK } : {};
  const cpuUsPerItem = Number(((cpuMs * 1_000) / (rounds * total)).toFixed(2));
  const { rssAnonMb } = usageOf(process.pid);
  return {
    variant: { name, figure, reference, ratio, ...mark },
    costs: { cpuUsPerItem, rssAnonMb },
  };
}

/** One message a transaction: puts over 50,000 keys, every tenth entry a removal. */
function liveMessages(size: number, total: number): Buffer[] {
  const random = new SeededRandom(1);
  const messages = [Buffer.from(encodeServerFrame({ t: "schema", ...itemsSchema }) + firstCommit)];
  let serial = 0;
  for (let log = 1; serial < total; log += 1) {
    const entries: ChannelEntry[] = [];
    for (let index = 0; index < size; index += 1) {
      serial += 1;
      const id = Math.floor(random.next() * KEYS);
      const place = { serial, log, index };
      entries.push(
        serial % 10 === 0
          ? itemEntry(place, "d", itemKey(id))
          : itemEntry(place, serial % 3 === 0 ? "i" : "u", itemBody(id, serial)),
      );
    }
    const moved = [[CHANNEL, 1, serial - size, serial]] as const;
    const commit = encodeServerFrame({ t: "commit", at: log, moved });
    messages.push(Buffer.concat([...encodeChanges(CHANNEL, entries), Buffer.from(commit)]));
  }
  return messages;
}

const firstCommit = encodeServerFrame({
  ...{ t: "commit", at: 0, moved: [[CHANNEL, 1, 0, 0]], ready: [CHANNEL] },
});

/** Seconds from the first message until the store holds log number `last`. */
async function follow(
  messages: readonly Buffer[],
  last: number,
  wrap: (driver: SqliteDriver) => SqliteDriver,
): Promise<number> {
  return inDatabase(async (database) => {
    let begunAt = 0;
    const begun = (): void => {
      begunAt = performance.now();
    };
    const { store, held } = watchedStore(sqliteStore(wrap(nodeSqlite(database))), last);
    const socket = replaySocket({ channel: CHANNEL, messages, begun });
    const cast = changecast({ url: "ws://bench", WebSocket: socket });
    cast.sync(store, [CHANNEL]);
    await held;
    const seconds = (performance.now() - begunAt) / 1_000;
    await cast.close();
    return seconds;
  });
}

async function runAgain(steps: readonly Step[]): Promise<number> {
  return inDatabase(async (database) => {
    const begunAt = performance.now();
    replay(database, steps);
    return (performance.now() - begunAt) / 1_000;
  });
}
