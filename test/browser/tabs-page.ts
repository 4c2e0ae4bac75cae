/** A page of an app that shares one sync with its other tabs. Its address says the server, the channels and the store. */
import { changecast } from "../../src/client/client.js";
import type { SyncStatus } from "../../src/client/status.js";
import { indexedDbStore } from "../../src/client/stores/indexeddb-store.js";
import type { SharedStore } from "../../src/client/stores/store.js";
import { wasmStore } from "../../src/client/stores/wasm-store.js";
import { table } from "../../src/client/table.js";
import { syncTabs } from "../../src/client/tabs.js";

export interface TabsPage {
  leads(): boolean;
  status(): SyncStatus["connection"]["state"];
  trouble(): string | undefined;
  /** What a live query over the rows told last, as `id=value`. */
  shown(): readonly string[];
  /** Rows of which one of a pair was shown without the other. */
  torn(): number;
  attach(channel: string): Promise<void>;
  detach(channel: string): Promise<void>;
  until(position: string): Promise<void>;
  /** How many times the store told of a change. */
  heard(): number;
}

/** Of an app that wants both channels; both hold each key, the second this much higher. */
const SECOND = 1_000;

const asked = new URLSearchParams(location.search);
if (asked.get("locks") === "no") Object.defineProperty(navigator, "locks", { value: undefined });

interface ShownRow {
  readonly id: number;
  readonly value: string;
}

const cast = changecast({ url: asked.get("url") ?? "" });
const channels = (asked.get("channels") ?? "store:1,store:2").split(",");
let shown: readonly ShownRow[] = [];
let torn = 0;
let heard = 0;

const store = asked.get("store") === "sqlite" ? await liveSqlite() : await liveIndexedDb();
store.watch("rows", () => {
  heard += 1;
});
const sync = syncTabs(cast, store, channels);

async function liveIndexedDb(): Promise<SharedStore> {
  const made = await indexedDbStore("tabs");
  table<ShownRow>(made, "rows").orderBy("id").live(show);
  return made;
}

/** Read again after each change; of those that come during a read, once. */
async function liveSqlite(): Promise<SharedStore> {
  const worker = (): Worker => new Worker("/sqlite-worker.js", { type: "module" });
  const made = await wasmStore("tabs", { worker });
  let isReading = false;
  let due = 0;
  const read = async (): Promise<void> => {
    for (let told = -1; told !== due;) {
      told = due;
      show(await made.all<ShownRow>("SELECT id, value FROM rows ORDER BY id"));
    }
    isReading = false;
  };
  made.watch("rows", () => {
    due += 1;
    if (isReading) return;
    isReading = true;
    read().catch(reportError);
  });
  return made;
}

function show(rows: readonly ShownRow[]): void {
  shown = rows;
  if (channels.length < 2) return;
  const values = new Map(rows.map(({ id, value }) => [id, value]));
  for (const [id, value] of values) {
    if (id < SECOND && values.get(id + SECOND) !== value) torn += 1;
  }
}

const page: TabsPage = {
  leads: () => sync.leads,
  status: () => sync.status.connection.state,
  trouble: () => sync.status.trouble?.code,
  shown: () => shown.map(({ id, value }) => `${id}=${value}`),
  torn: () => torn,
  attach: async (channel) => {
    sync.attach([channel]);
    await sync.ready([channel]);
  },
  detach: (channel) => sync.detach([channel]),
  until: (position) => sync.until("shop", position),
  heard: () => heard,
};

(globalThis as unknown as { page: TabsPage }).page = page;
