/**
 * The whole way in one process: a real Postgres, the pipeline, the journal on disk, the broker on loopback,
 * the client, and a file of SQLite that is read back as an app would read it. All tables of the schema
 * `public` are followed.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WebSocket } from "ws";
import { systemClock, systemRandom } from "../../src/base/clock.js";
import { createBroker } from "../../src/broker/broker.js";
import { type Cast, changecast } from "../../src/client/client.js";
import type { Sync } from "../../src/client/sync.js";
import { openLmdbJournal } from "../../src/journal/lmdb/lmdb-journal.js";
import {
  type OpenDatabase,
  openPhotostructure,
  sqliteSubject,
} from "../contract/sqlite-subject.js";
import { FollowedTables } from "./followed-tables.js";
import { PATIENCE_MS } from "./patience.js";
import { pause } from "./postgres-machine.js";
import type { PostgresDatabase } from "./postgres-server.js";

export interface DeviceColumn {
  readonly name: string;
  /** As SQLite has it declared. */
  readonly type: string;
}

interface Running {
  readonly cast: Cast;
  readonly sync: Sync;
  readonly sqlite: OpenDatabase;
  readonly close: () => Promise<void>;
}

export class FollowedDevice {
  readonly tables: FollowedTables;
  readonly #folder = mkdtempSync(join(tmpdir(), "changecast-device-"));
  readonly #life = new AbortController();
  #serving: Promise<void> | undefined;
  #running: Running | undefined;

  constructor(database: PostgresDatabase) {
    const folder = join(this.#folder, "journal");
    const around = { clock: systemClock, random: systemRandom, pid: process.pid, mapGib: 1 };
    this.tables = new FollowedTables(database, {
      openJournal: () => openLmdbJournal({ folder, ...around }),
    });
  }

  /** Resolves when the tables are copied and the device has them. */
  async start(): Promise<void> {
    await this.tables.start();
    const port = await this.#serve();
    const subject = await sqliteSubject(openPhotostructure);
    const { store, database: sqlite } = subject;
    const cast = changecast({ url: `ws://127.0.0.1:${port}/v1`, WebSocket });
    const sync = cast.sync(store, ["all"]);
    this.#running = { cast, sync, sqlite, close: () => subject.close() };
    await sync.live();
  }

  get sync(): Sync {
    return this.#device.sync;
  }

  /** Integers come as bigint. */
  all(sql: string): Record<string, unknown>[] {
    return this.#device.sqlite.all(sql);
  }

  /** None where there is no such table. */
  columns(table: string): DeviceColumn[] {
    return this.all(`select name, type from pragma_table_info('${table}')`).map((column) => ({
      name: String(column["name"]),
      type: String(column["type"]),
    }));
  }

  /** Until `test` holds. */
  async until(what: string, test: () => boolean): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS;
    while (!test()) {
      if (this.tables.failure !== undefined) throw this.tables.failure as Error;
      if (performance.now() > deadline) throw new Error(`it did not happen in time: ${what}`);
      await pause(20);
    }
  }

  async close(): Promise<void> {
    await this.#running?.cast.close();
    await this.#running?.close();
    this.#life.abort(new Error("the test is over"));
    await this.#serving;
    await this.tables.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  get #device(): Running {
    if (this.#running === undefined) throw new Error("the device does not run");
    return this.#running;
  }

  #serve(): Promise<number> {
    return new Promise((resolve, reject) => {
      const broker = createBroker({
        reader: this.tables.reader,
        listen: { host: "127.0.0.1", port: 0 },
        sources: ["shop"],
        parsePosition: (_source, text) => text,
        limits: { drainMs: 50 },
        onListening: ({ port }) => {
          resolve(port);
        },
      });
      this.#serving = broker.run(this.#life.signal);
      this.#serving.catch(reject);
    });
  }
}
