/**
 * A journal on disk and a broker over it, a process of its own: fills 50,000 rows of one channel, then, when
 * told `{ entries }`, writes that many updates over them. Arguments: folder. Speaks over the parent's channel.
 */
import { join } from "node:path";
import { createBroker } from "../../src/broker/broker.js";
import { systemClock, systemRandom } from "../../src/base/clock.js";
import type { JournalWriter } from "../../src/journal/journal.js";
import { openLmdbJournal } from "../../src/journal/lmdb/lmdb-journal.js";
import { itemBody, itemsSchema } from "./item-rows.js";
import { usageOf } from "./figure.js";

export const CHANNEL = "items";
export const KEYS = 50_000;

/** What the parent asks for, and what it is answered. */
export type Ask = { readonly entries: number } | "usage" | "stop";
export interface Answer {
  readonly port: number;
  readonly log: number;
  readonly cpuMs: number;
  readonly rssAnonMb: number;
}

const ROWS_PER_UNIT = 1_000;
/** Units are gathered for up to 5 s (journal/lmdb/derived-queue.ts): the first rounds may read beside some of them. */
const WRITE_BACK_MS = 3_000;

const folder = process.argv[2] ?? "";
const options = { clock: systemClock, random: systemRandom, pid: process.pid, mapGib: 8 };
const journal = await openLmdbJournal({ folder: join(folder, "journal"), ...options });
const { kind, columns, key, table } = itemsSchema;
const schema = journal.schemaVersion(table, { kind, columns, key });
const end = new AbortController();
let port = 0;

await write(journal, KEYS, "i");
const broker = createBroker({
  ...{ reader: journal.reader, listen: { host: "127.0.0.1", port: 0 }, sources: [] },
  parsePosition: (_source, text) => text,
  onListening: (address) => {
    ({ port } = address);
    answer();
  },
});
const running = broker.run(end.signal);

process.on("message", (ask: Ask) => {
  if (ask === "usage") answer();
  else if (ask === "stop") end.abort(new Error("the bench is over"));
  else write(journal, ask.entries, "u").then(answer, end.abort.bind(end));
});

await running;
await journal.close();
process.disconnect();

function answer(): void {
  const { log } = journal.reader.notice;
  process.send?.({ port, log, ...usageOf(process.pid) } satisfies Answer);
}

/** Rows in an order that is not the keys'; returns when all of it is written back. */
async function write(to: JournalWriter, entries: number, op: "i" | "u"): Promise<void> {
  for (let from = 0; from < entries; from += ROWS_PER_UNIT) {
    await to.ready();
    const draft = to.block();
    const ids = Array.from({ length: ROWS_PER_UNIT }, (_, at) => ((from + at) * 7_919) % KEYS);
    const documentOf = (id: number) => ({
      ...{ rule: "items", relation: "public.items", identity: `[${String(id)}]` },
    });
    await draft.prepare(ids.map(documentOf));
    for (const id of ids) {
      const body = itemBody(id, op === "i" ? 0 : 1 + from / ROWS_PER_UNIT);
      draft.put({
        document: documentOf(id),
        state: {
          ...{ body, key: String(id), table, schema, hidden: "", pending: "" },
          ...{ channels: [CHANNEL], leaf: "", copy: 1, ruleVersion: 1, parked: undefined },
        },
        entries: [{ channel: CHANNEL, kind, op, table, schema, body }],
      });
    }
    await to.append(draft, { positions: new Map(), facts: new Map() });
  }
  await new Promise((resolve) => setTimeout(resolve, WRITE_BACK_MS));
}
