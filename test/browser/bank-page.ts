/**
 * A page of a bank's app: follows channels together with its other tabs, and after every transaction of the
 * store looks whether the rows are such as the bank's transactions leave them. Its address says the server,
 * the store, and the channels.
 */
import { changecast } from "../../src/client/client.js";
import { type IndexedDbStore, indexedDbStore } from "../../src/client/stores/indexeddb-store.js";
import type { SharedStore } from "../../src/client/stores/store.js";
import { type WasmStore, wasmStore } from "../../src/client/stores/wasm-store.js";
import { syncTabs } from "../../src/client/tabs.js";
import { table } from "../../src/client/table.js";

export type BankRow = Readonly<Record<string, unknown>>;

export interface BankPage {
  live(): Promise<void>;
  until(position: string): Promise<void>;
  attach(channel: string): void;
  detach(channel: string): Promise<void>;
  /** Tries at once, instead of when the wait is over. */
  reconnect(): void;
  rows(table: string): Promise<readonly BankRow[]>;
  /** The server's content is whole: from now on each transaction is looked at. */
  look(): void;
  status(): string;
}

/** What a page tells the test by itself, by the name of its client. */
export type BankWord = "counted" | "violation" | "gap";

declare const tell: (word: BankWord, text: string) => Promise<void>;

const asked = new URLSearchParams(location.search);
const moneyChannels = (asked.get("money") ?? "").split(",");
const centsTotal = BigInt(asked.get("cents") ?? "0");
/** Tables whose rows tell by themselves which channels may hold them, with what is looked at. */
const COLUMNS: Readonly<Record<string, readonly string[]>> = {
  accounts: ["id", "region", "balance"],
  vaults: ["id", "balance"],
  rich: ["id", "money"],
  items: ["id", "shelf"],
};
const LOOKED_AT = Object.keys(COLUMNS);

interface Seen {
  /** Of the channels that the store holds, whether each was whole once. */
  readonly channels: ReadonlyMap<string, boolean>;
  readonly rows: ReadonlyMap<string, readonly BankRow[]>;
}

interface BankStore {
  readonly store: SharedStore;
  rows(name: string): Promise<readonly BankRow[]>;
  /** As one transaction left it. */
  see(): Promise<Seen>;
}

const cast = changecast({ url: asked.get("url") ?? "" });
const bank =
  asked.get("store") === "sqlite"
    ? inSqlite(await wasmStore("bank", { worker: startWorker }))
    : inIndexedDb(await indexedDbStore("bank"));
let isLooking = asked.get("look") === "yes";
let looks = Promise.resolve();
let due = 0;

bank.store.watch(undefined, () => {
  due += 1;
  const mine = due;
  // Of transactions that come during a look, the newest is looked at.
  if (isLooking) looks = looks.then(() => (mine === due ? look() : undefined)).catch(reportError);
});
const sync = syncTabs(cast, bank.store, (asked.get("channels") ?? "").split(","));
sync.on("gap", ({ channel }) => {
  tell("gap", channel).catch(reportError);
});

const page: BankPage = {
  live: () => sync.live(),
  until: (position) => sync.until("bank", position),
  attach: (channel) => {
    sync.attach([channel]);
  },
  detach: (channel) => sync.detach([channel]),
  reconnect: () => {
    cast.reconnect();
  },
  rows: (name) => bank.rows(name),
  look: () => {
    isLooking = true;
  },
  status: () => {
    const { connection, channels, trouble } = sync.status;
    const states = [...channels].map(
      ([name, { state, ready }]) => `${name} ${state} ${String(ready)}`,
    );
    return JSON.stringify({ leads: sync.leads, connection, trouble, states });
  },
};

(globalThis as unknown as { page: BankPage }).page = page;

function startWorker(): Worker {
  return new Worker("/sqlite-worker.js", { type: "module" });
}

// -------------------------------------------------------------- what each transaction leaves

async function look(): Promise<void> {
  const seen = await bank.see();
  if (moneyChannels.every((channel) => seen.channels.get(channel) === true)) await countMoney(seen);
  if ([...seen.channels.values()].every((isReady) => isReady)) await lookForStrays(seen);
}

/** Decimals are texts with two digits after the point. */
async function countMoney({ rows }: Seen): Promise<void> {
  const all = [...(rows.get("accounts") ?? []), ...(rows.get("vaults") ?? [])];
  const cents = all.reduce((sum, row) => sum + BigInt(String(row["balance"]).replace(".", "")), 0n);
  await tell("counted", "");
  if (cents !== centsTotal) {
    await tell("violation", `it holds ${cents} cents instead of ${centsTotal}`);
  }
}

/** Rows that no channel of the store can have. */
async function lookForStrays({ channels, rows }: Seen): Promise<void> {
  const isIn = (channel: string): boolean => channels.has(channel);
  const mayBe: Readonly<Record<string, (row: BankRow) => boolean>> = {
    accounts: (row) =>
      isIn(`region:${String(row["region"])}`) ||
      (isIn("very-rich") && Number(row["balance"]) > 1_300),
    vaults: () => isIn("vaults"),
    rich: (row) => isIn("rich") && Number(row["money"]) > 1_000,
    items: (row) => isIn(`shelf:${String(row["shelf"])}`),
  };
  for (const name of LOOKED_AT) {
    const stray = rows.get(name)?.find((row) => mayBe[name]?.(row) !== true);
    if (stray === undefined) continue;
    const held = [...channels.keys()].join(", ");
    await tell("violation", `${name} holds a stray: ${String(stray["id"])}, channels ${held}`);
  }
}

// -------------------------------------------------------------- the two stores

function inIndexedDb(store: IndexedDbStore): BankStore {
  return {
    store,
    rows: (name) => table(store, name).rows(),
    see: async () => {
      const { database } = store;
      const there = new Set(await database.names());
      const names = LOOKED_AT.filter((name) => there.has(name));
      const scope = [...names, "changecast_channels"];
      return database.transact(scope, "readonly", async (transaction) => {
        const all = (name: string): Promise<readonly BankRow[]> =>
          answer(transaction.objectStore(name).getAll() as IDBRequest<BankRow[]>);
        const [held, ...found] = await Promise.all(["changecast_channels", ...names].map(all));
        return {
          channels: new Map(held?.map((row) => [String(row["channel"]), row["ready"] === true])),
          rows: new Map(names.map((name, at) => [name, found[at] ?? []])),
        };
      });
    },
  };
}

function inSqlite(store: WasmStore): BankStore {
  const names = async (): Promise<ReadonlySet<string>> => {
    const found = await store.all<{ name: string }>("SELECT name FROM changecast_tables");
    return new Set(found.map(({ name }) => name));
  };
  return {
    store,
    rows: async (name) => ((await names()).has(name) ? store.all(`SELECT * FROM "${name}"`) : []),
    see: async () => {
      const there = await names();
      // One statement, so that all of it is of one moment.
      const held = "json_object('channel', channel, 'ready', ready)";
      const parts = [`SELECT 'channels' AS name, ${held} AS content FROM changecast_channels`];
      for (const name of LOOKED_AT.filter((one) => there.has(one))) {
        const columns = COLUMNS[name]?.map((column) => `'${column}', "${column}"`).join(", ") ?? "";
        parts.push(`SELECT '${name}', json_object(${columns}) FROM "${name}"`);
      }
      const sql = parts.join(" UNION ALL ");
      const found = await store.all<{ name: string; content: string }>(sql);
      const rows = new Map<string, BankRow[]>();
      for (const { name, content } of found) {
        const list = rows.get(name) ?? [];
        list.push(JSON.parse(content) as BankRow);
        rows.set(name, list);
      }
      const channels = rows.get("channels") ?? [];
      return {
        channels: new Map(channels.map((row) => [String(row["channel"]), row["ready"] === 1])),
        rows,
      };
    },
  };
}

function answer<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => {
      resolve(request.result);
    };
    request.onerror = () => {
      reject(new Error("the request failed"));
    };
  });
}
