/** What the benches measure in a browser: the stores of IndexedDB and SQLite, and each database by itself. */
import { IndexedDbStore, indexedDbStore } from "../../src/client/stores/indexeddb-store.js";
import type { StoreUnit } from "../../src/client/stores/store.js";
import { wasmStore } from "../../src/client/stores/wasm-store.js";
import { table } from "../../src/client/table.js";
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
  /** Latencies of changes that come evenly, in units of 10, while a live query is shown. */
  live(perSecond: number, seconds: number): Promise<readonly number[]>;
  /** Milliseconds from nothing to 20 rows: with the store; with IndexedDB by itself. */
  start(): Promise<number>;
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
    for (let at = 0; at < rows; at += PAGE_ROWS) units.push(unitOf(at, PAGE_ROWS, false));
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
    for (let at = 0; at < rows; at += PAGE_ROWS) units.push(unitOf(at, PAGE_ROWS, false));
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
    await store.open();
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
    const began = performance.now();
    const done: Promise<void>[] = [];
    for (let count = 0; count < (seconds * perSecond) / UNIT_CHANGES; count += 1) {
      const due = began + count * everyMs;
      while (performance.now() < due) await pause();
      const unit = unitOf((count * UNIT_CHANGES) % 10_000, UNIT_CHANGES, true);
      done.push(
        store.apply(unit).then(() => {
          latencies.push(performance.now() - due);
        }),
      );
    }
    await Promise.all(done);
    stop();
    await store.close();
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

function unitOf(from: number, count: number, ready: boolean): StoreUnit {
  log += 1;
  const entries = Array.from({ length: count }, (_, at): WireEntry => {
    const { id, store_id: shop, name, quantity, price, updated_at: updated } = objectOf(from + at);
    return [from + at + 1, 0, at, ready ? "u" : "i", id, shop, name, quantity, price, updated];
  });
  const place = { epoch: 1, serial: from + count, log, run: "r" };
  return {
    at: log,
    schemas: [],
    batches: [{ channel: "a", schema, base: log, entries }],
    channels: [{ channel: "a", place, ready }],
  };
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

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
}
