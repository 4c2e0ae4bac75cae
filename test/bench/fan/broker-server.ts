/** The server under test as a process: the broker over a journal on disk, fed by a load of its own. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock, systemRandom } from "../../../src/base/clock.js";
import { createBroker } from "../../../src/broker/broker.js";
import type { JournalWriter } from "../../../src/journal/journal.js";
import { openLmdbJournal } from "../../../src/journal/lmdb/lmdb-journal.js";
import { answerParent } from "./far-process.js";
import { bodyOf, noteDue, publishLoad, SHARED } from "./publishing.js";
import type { DueTimes, Load } from "./publishing.js";
import { sharedNow } from "./time.js";

/** Rows of the shared channel are updated in turn; an own channel has one. */
const SHARED_ROWS = 1_000;

const folder = mkdtempSync(join(tmpdir(), "changecast-bench-"));
process.once("exit", () => {
  rmSync(folder, { recursive: true, force: true });
});

/** As the program has it. */
const worker = new URL("../../../src/journal/lmdb/derived-worker.js", import.meta.url);
const journal = await openLmdbJournal({
  folder: join(folder, "journal"),
  ...{ clock: systemClock, random: systemRandom, pid: process.pid, mapGib: 8, worker },
});
const columns = [
  { name: "id", type: "int" as const },
  { name: "name", type: "text" as const },
];
const schema = journal.schemaVersion("rows", { kind: "state", columns, key: ["id"] });
const due: DueTimes = new Map();
let published = 0;

const end = new AbortController();
const listening = new Promise<number>((resolve, reject) => {
  createBroker({
    reader: journal.reader,
    listen: { host: "127.0.0.1", port: 0 },
    sources: [],
    parsePosition: (_source, text) => text,
    onListening: ({ port }) => {
      resolve(port);
    },
  })
    .run(end.signal)
    .catch(reject);
});

async function publish(channels: readonly string[]): Promise<void> {
  const rows = channels.map((channel) => {
    const key = channel === SHARED ? published++ % SHARED_ROWS : 0;
    return { channel, key, id: { rule: "r", relation: channel, identity: `[${String(key)}]` } };
  });
  await append(journal, rows);
}

async function append(
  writer: JournalWriter,
  rows: readonly {
    channel: string;
    key: number;
    id: { rule: string; relation: string; identity: string };
  }[],
): Promise<void> {
  await writer.ready();
  const draft = writer.block();
  await draft.prepare(rows.map(({ id }) => id));
  for (const { channel, key, id } of rows) {
    const body = bodyOf(key);
    draft.put({
      document: id,
      state: {
        ...{ body, key: String(key), table: "rows", schema, hidden: "", pending: "" },
        ...{ channels: [channel], leaf: "", copy: 1, ruleVersion: 1, parked: undefined },
      },
      entries: [{ channel, kind: "state", op: "u", table: "rows", schema, body }],
    });
  }
  await writer.append(draft, { positions: new Map(), facts: new Map() });
}

answerParent({
  open: () => listening,
  /** Every channel has an entry from here on. */
  seed: async ({ owners }: { owners: number }) => {
    const channels = [SHARED, ...Array.from({ length: owners }, (_, nth) => `own:${String(nth)}`)];
    for (const channel of channels) noteDue(due, channel, sharedNow());
    for (let at = 0; at < channels.length; at += 1_000) {
      await publish(channels.slice(at, at + 1_000));
    }
  },
  publish: (load: Load) => publishLoad(load, due, publish),
  due: () => due,
  collect: () => {
    globalThis.gc?.();
  },
});
