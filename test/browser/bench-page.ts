/** What the benches measure in a browser: the stores of IndexedDB and SQLite, and each database by itself. */
import { changecast } from "../../src/client/client.js";
import { IndexedDbStore, indexedDbStore } from "../../src/client/stores/indexeddb-store.js";
import type { StoreUnit } from "../../src/client/stores/store.js";
import { wasmStore } from "../../src/client/stores/wasm-store.js";
import { table } from "../../src/client/table.js";
import type { Op } from "../../src/model/entry.js";
import type { TableSchema } from "../../src/model/table.js";
import type { WireEntry } from "../../src/protocol/frames.js";

export interface BenchPage {
  /** Milliseconds for so many rows, a page of the server's size at a time. */
  apply(rows: number): Promise<number>;
  /** The same rows as ready objects, put in transactions of 5,000. */
  bare(rows: number): Promise<number>;
  /** The same into SQLite on OPFS; as lists of values, an insert each, in transactions of 5,000. */
  sqliteApply(rows: number): Promise<number>;
  sqliteBare(rows: number): Promise<number>;
  /** Latencies from a message of the server to the store, of changes that come evenly in transactions of 10, while a live query is shown. */
  live(perSecond: number, seconds: number): Promise<readonly number[]>;
  /** Milliseconds from nothing to 20 rows: with the store; with IndexedDB by itself. */
  start(): Promise<number>;
  /** Rows that are there. */
  count(): Promise<number>;
  bareStart(): Promise<number>;
}

const schema: TableSchema = {
  table: "items",
  version: 1,
  kind: "state",
  columns: [
    { name: "id", type: "int" },
    { name: "store_id", type: "int" },
    { name: "name", type: "text" },
    { name: "quantity", type: "int" },
    { name: "price", type: "decimal" },
    { name: "updated_at", type: "timestamptz" },
  ],
  key: ["id"],
};

/** About what a page of 256 KiB holds. */
const PAGE_ROWS = 2_500;
const BARE_ROWS = 5_000;
const UNIT_CHANGES = 10;
const NAME = "bench";

const page: BenchPage = {
  apply: async (rows) => {
    await removed(NAME);
    const store = new IndexedDbStore(NAME, {});
    await store.open();
    // As parsed from the wire, before the clock starts.
    const units: StoreUnit[] = [];
    for (let at = 0; at < rows; at += PAGE_ROWS) units.push(unitOf(at, PAGE_ROWS));
    const began = performance.now();
    for (const unit of units) await store.apply(unit);
    const ms = performance.now() - began;
    await store.close();
    return ms;
  },
  bare: async (rows) => {
    await removed(`${NAME} bare`);
    const database = await opened(`${NAME} bare`, "items");
    const objects = Array.from({ length: rows }, (_, id) => objectOf(id));
    const began = performance.now();
    for (let at = 0; at < rows; at += BARE_ROWS) {
      await new Promise<void>((resolve, reject) => {
        const transaction = database.transaction("items", "readwrite", { durability: "relaxed" });
        transaction.oncomplete = () => {
          resolve();
        };
        transaction.onabort = () => {
          reject(new Error("the transaction was aborted"));
        };
        const store = transaction.objectStore("items");
        for (const object of objects.slice(at, at + BARE_ROWS)) store.put(object, object.id);
      });
    }
    const ms = performance.now() - began;
    database.close();
    return ms;
  },
  sqliteApply: async (rows) => {
    const name = `${NAME} ${String((count += 1))}`;
    const worker = (): Worker => new Worker("/sqlite-worker.js", { type: "module" });
    const store = await wasmStore(name, { worker });
    await store.open();
    const units: StoreUnit[] = [];
    for (let at = 0; at < rows; at += PAGE_ROWS) units.push(unitOf(at, PAGE_ROWS));
    const began = performance.now();
    for (const unit of units) await store.apply(unit);
    const ms = performance.now() - began;
    await store.close();
    return ms;
  },
  sqliteBare: async (rows) => {
    const worker = new Worker("/sqlite-bare-worker.js", { type: "module" });
    const ms = await new Promise<number>((resolve, reject) => {
      worker.onmessage = ({ data }: MessageEvent<number>) => {
        resolve(data);
      };
      worker.onerror = ({ message }) => {
        reject(new Error(message));
      };
      const lists = Array.from({ length: rows }, (_, id) => Object.values(objectOf(id)));
      worker.postMessage({ name: `bare ${String((count += 1))}`, lists, each: BARE_ROWS });
    });
    worker.terminate();
    return ms;
  },
  live: async (perSecond, seconds) => {
    const store = await indexedDbStore(NAME);
    const socket: { current?: FedSocket } = {};
    const cast = changecast({
      url: "ws://fed",
      WebSocket: class extends FedSocket {
        constructor() {
          super();
          socket.current = this;
        }
      },
    });
    const sync = cast.sync(store, ["a"]);
    await sync.live();
    const shown = document.createElement("pre");
    document.body.append(shown);
    const stop = table(store, "items")
      .where({ id: { lt: 20 } })
      .orderBy("id")
      .live((rows) => {
        shown.textContent = JSON.stringify(rows);
      });
    const latencies: number[] = [];
    const everyMs = (1_000 * UNIT_CHANGES) / perSecond;
    const count = (seconds * perSecond) / UNIT_CHANGES;
    const began = performance.now();
    const dueAt = (at: number): number => began + at * everyMs;
    const done = new Promise<void>((resolve) => {
      let rows = 0;
      store.watch("items", (changes) => {
        rows += changes.get("items")?.updated ?? 0;
        while (latencies.length < rows / UNIT_CHANGES)
          latencies.push(performance.now() - dueAt(latencies.length));
        if (latencies.length === count) resolve();
      });
    });
    for (let at = 0; at < count; at += 1) {
      while (performance.now() < dueAt(at)) await pause(dueAt(at) - performance.now());
      socket.current?.feed((at * UNIT_CHANGES) % 10_000);
    }
    await done;
    stop();
    await cast.close();
    return latencies;
  },
  start: async () => {
    const began = performance.now();
    const store = await indexedDbStore(NAME);
    await store.open();
    const rows = await table(store, "items")
      .where({ id: { gte: 0 } })
      .limit(20)
      .rows();
    const ms = performance.now() - began;
    if (rows.length !== 20) throw new Error(`${rows.length} rows were found`);
    await store.close();
    return ms;
  },
  count: async () => {
    const database = await opened(NAME, "items");
    const count = await answered(database.transaction("items").objectStore("items").count());
    database.close();
    return count;
  },
  bareStart: async () => {
    const began = performance.now();
    const database = await opened(NAME, "items");
    const request = database.transaction("items").objectStore("items").getAll(undefined, 20);
    await answered(request);
    const ms = performance.now() - began;
    database.close();
    return ms;
  },
};

(globalThis as unknown as { page: BenchPage }).page = page;

let log = 0;
/** Of databases that were made: each is new. */
let count = 0;

/** A server's side of a socket, in the page: its frames are text, as they come over the wire. */
class FedSocket {
  readonly #listeners = new Map<string, (event: object) => void>();
  #at = 0;
  #serial = 0;

  constructor() {
    setTimeout(() => this.#listeners.get("open")?.({}));
  }

  addEventListener(name: string, listener: (event: object) => void): void {
    this.#listeners.set(name, listener);
  }

  send(text: string): void {
    const { t, id } = JSON.parse(text) as { readonly t: string; readonly id?: number };
    const limits = { frameBytesMax: 65_536, channelsMax: 10, attachChannelsMax: 10 };
    if (t === "hello")
      this.#say({ t: "welcome", v: 1, session: "s", run: "r", heartbeatMs: 60_000, limits });
    if (t !== "attach") return;
    const status = { state: "ready" };
    const channels = [{ channel: "a", epoch: 1, how: "snapshot", after: 0, status }];
    this.#say({ t: "attached", id, channels }, { t: "schema", ...schema });
    this.#at = log;
    this.#say({ t: "commit", at: this.#at, moved: [], ready: ["a"] });
  }

  /** One transaction of the source. */
  feed(from: number): void {
    this.#at += 1;
    const serial = this.#serial + UNIT_CHANGES;
    const base = this.#at;
    const entries = entriesOf(from, { count: UNIT_CHANGES, serial: this.#serial, op: "u" });
    this.#say(
      { t: "changes", channel: "a", table: "items", schema: 1, base, entries },
      { t: "commit", at: this.#at, moved: [["a", 1, this.#serial, serial]] },
    );
    this.#serial = serial;
  }

  close(): void {
    // Nobody listens any more.
  }

  #say(...frames: readonly object[]): void {
    const data = frames.map((frame) => JSON.stringify(frame)).join("\n");
    queueMicrotask(() => this.#listeners.get("message")?.({ data }));
  }
}

function unitOf(from: number, count: number): StoreUnit {
  log += 1;
  const place = { epoch: 1, serial: from + count, log, run: "r" };
  const entries = entriesOf(from, { count, serial: from, op: "i" });
  return {
    at: log,
    schemas: [],
    batches: [{ channel: "a", schema, base: log, entries }],
    channels: [{ channel: "a", place, ready: false }],
  };
}

function entriesOf(
  from: number,
  { count, serial, op }: { readonly count: number; readonly serial: number; readonly op: Op },
): WireEntry[] {
  return Array.from({ length: count }, (_, at) => {
    const { id, store_id: shop, name, quantity, price, updated_at: updated } = objectOf(from + at);
    return [serial + at + 1, 0, at, op, id, shop, name, quantity, price, updated];
  });
}

function objectOf(id: number) {
  return {
    id,
    store_id: id % 7,
    name: `product number ${id}`,
    quantity: id % 50,
    price: `${id % 97}.50`,
    updated_at: "2024-05-01T12:00:00.123456Z",
  };
}

function removed(name: string): Promise<unknown> {
  return answered(indexedDB.deleteDatabase(name));
}

async function opened(name: string, store: string): Promise<IDBDatabase> {
  const request = indexedDB.open(name);
  request.onupgradeneeded = () => {
    request.result.createObjectStore(store);
  };
  return answered(request);
}

function answered<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => {
      resolve(request.result);
    };
    request.onerror = () => {
      reject(new Error("the request failed"));
    };
  });
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
