/**
 * A broker over a scripted journal, a network between that can fail, and clients with stores of every kind:
 * what the integration tests of the client stand on.
 */
import { WebSocket } from "ws";
import type { BrokerOptions } from "../../src/broker/broker-options.js";
import { type Cast, type CastOptions, changecast } from "../../src/client/client.js";
import { type MemoryStore, memoryStore } from "../../src/client/stores/memory-store.js";
import type { Store } from "../../src/client/stores/store.js";
import type { Sync } from "../../src/client/sync.js";
import type { TableSchema } from "../../src/model/table.js";
import {
  openBetterSqlite3,
  openPhotostructure,
  sqliteSubject,
} from "../contract/sqlite-subject.js";
import { BrokerWorld, eventually } from "./broker-world.js";
import { PATIENCE_MS } from "./patience.js";
import type { ScriptedReader, Write } from "./scripted-reader.js";
import { SeededRandom } from "./seeded-random.js";
import { TcpProxy } from "./tcp-proxy.js";

/** A store under test, with a way to read it. */
export interface WorldStore {
  readonly store: Store;
  /** Rows of the scripted reader's table `rows` as key → value. */
  rows(): Promise<Record<number, unknown>>;
  /** A second store object over the same data. */
  again(): Store;
  close(): Promise<void>;
}

export const rowsSchema: TableSchema = {
  table: "rows",
  version: 1,
  kind: "state",
  columns: [
    { name: "id", type: "int" },
    { name: "value", type: "text" },
  ],
  key: ["id"],
};

export const storeKinds: readonly (readonly [string, () => Promise<WorldStore>])[] = [
  ["memory", async () => ofMemory(memoryStore())],
  ["@photostructure/sqlite", async () => ofSqlite(openPhotostructure)],
  ["better-sqlite3", async () => ofSqlite(openBetterSqlite3)],
];

export class ClientWorld {
  readonly broker: BrokerWorld;
  readonly #casts: Cast[] = [];
  readonly #stores: WorldStore[] = [];
  #proxy: TcpProxy | undefined;

  constructor(options: Partial<BrokerOptions> = {}) {
    this.broker = new BrokerWorld(options);
  }

  get reader(): ScriptedReader {
    return this.broker.reader;
  }

  async open(): Promise<this> {
    await this.broker.open();
    this.#proxy = await TcpProxy.start({ host: "127.0.0.1", port: this.broker.port });
    return this;
  }

  get network(): TcpProxy {
    if (this.#proxy === undefined) throw new Error("open the world first");
    return this.#proxy;
  }

  cast(options: Partial<CastOptions> = {}): Cast {
    const url = `ws://127.0.0.1:${this.network.port}/v1`;
    const cast = changecast({ url, WebSocket, random: new SeededRandom(1), ...options });
    this.#casts.push(cast);
    return cast;
  }

  async store(create: () => Promise<WorldStore>): Promise<WorldStore> {
    const store = await create();
    this.#stores.push(store);
    return store;
  }

  async close(): Promise<void> {
    for (const cast of this.#casts) await cast.close();
    for (const store of this.#stores) await store.close();
    await this.#proxy?.close();
    await this.broker.close();
  }
}

export function put(channel: string, key: number, value = `v${key}`): Write {
  return { channel, op: "i", key, value };
}

/** Waits until the store's rows are just these. */
export async function holds(store: WorldStore, rows: Record<number, unknown>): Promise<void> {
  const wanted = JSON.stringify(rows);
  const until = performance.now() + PATIENCE_MS;
  for (;;) {
    const found = JSON.stringify(await store.rows());
    if (found === wanted) return;
    if (performance.now() > until) throw new Error(`the store holds ${found}, not ${wanted}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Waits until a channel of the sync has this state. */
export function channelIs(
  sync: Pick<Sync, "status">,
  channel: string,
  state: string,
): Promise<void> {
  return eventually(() => sync.status.channels.get(channel)?.state === state);
}

function ofMemory(store: MemoryStore): WorldStore {
  return {
    store,
    rows: async () => keyed(store.rows("rows")),
    again: () => store,
    close: () => store.close(),
  };
}

async function ofSqlite(open: typeof openPhotostructure): Promise<WorldStore> {
  const subject = await sqliteSubject(open);
  return {
    store: subject.store,
    rows: async () => keyed(await subject.rows(rowsSchema)),
    again: () => subject.again(),
    close: () => subject.close(),
  };
}

function keyed(rows: readonly Readonly<Record<string, unknown>>[]): Record<number, unknown> {
  const found: Record<number, unknown> = {};
  for (const row of rows) found[Number(row["id"])] = row["value"];
  return found;
}
