/**
 * A client of the convergence test: an SQLite file that follows channels of the bank, loses its network,
 * goes away, comes back, changes its channels, or begins anew. After every transaction of its store it looks
 * whether the rows are such as the bank's transactions leave them, and keeps what it found wrong.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { inspect } from "node:util";
import { WebSocket } from "ws";
import { type Cast, changecast } from "../../src/client/client.js";
import { sqliteStore } from "../../src/client/stores/sqlite-store.js";
import type { Gap } from "../../src/client/feed-sink.js";
import type { Sync } from "../../src/client/sync.js";
import { type OpenDatabase, openPhotostructure } from "../contract/sqlite-subject.js";
import { type BankDevice, type DeviceOptions, VIOLATIONS_MAX } from "./bank-device.js";
import { MONEY_TOTAL } from "./bank-workload.js";
import { hasTable, type StoredEvent, storedEvents, storedRows } from "./convergence-compare.js";
import { moneyChannels } from "./convergence-rules.js";
import { TcpProxy } from "./tcp-proxy.js";

export class Device implements BankDevice {
  readonly name: string;
  readonly channels: Set<string>;
  readonly violations: string[] = [];
  readonly gaps: Gap[] = [];
  counted = 0;
  #isContentWhole = false;
  readonly #options: DeviceOptions;
  readonly #proxy: TcpProxy;
  #database: OpenDatabase;
  #cast: Cast | undefined;
  #sync: Sync | undefined;

  private constructor(options: DeviceOptions, proxy: TcpProxy) {
    this.name = options.name;
    this.channels = new Set(options.channels);
    this.#options = options;
    this.#proxy = proxy;
    this.#database = this.#open();
  }

  static async create(options: DeviceOptions): Promise<Device> {
    const proxy = await TcpProxy.start({ host: "127.0.0.1", port: options.port });
    return new Device(options, proxy);
  }

  get isHere(): boolean {
    return this.#cast !== undefined;
  }

  contentIsWhole(): void {
    this.#isContentWhole = true;
  }

  async live(): Promise<void> {
    await this.#here.live();
  }

  async until(position: string, ms: number): Promise<void> {
    await this.#here.until("bank", position, { signal: AbortSignal.timeout(ms) });
  }

  async arrive(): Promise<void> {
    if (this.#cast !== undefined) return;
    const url = `ws://127.0.0.1:${String(this.#proxy.port)}/v1`;
    const cast = changecast({ url, WebSocket });
    const sync = cast.sync(sqliteStore(this.#database.driver), [...this.channels]);
    sync.on("changed", () => {
      this.#look();
    });
    sync.on("gap", (gap) => this.gaps.push(gap));
    this.#cast = cast;
    this.#sync = sync;
  }

  async vanish(): Promise<void> {
    const cast = this.#cast;
    this.#cast = undefined;
    this.#sync = undefined;
    await cast?.close();
  }

  async forget(): Promise<void> {
    await this.vanish();
    this.#database.close();
    for (const end of ["", "-wal", "-shm"]) rmSync(`${this.#file}${end}`, { force: true });
    this.#database = this.#open();
  }

  cut(): void {
    this.#proxy.cut();
  }

  async mend(): Promise<void> {
    this.#proxy.mend();
  }

  async toggle(channel: string): Promise<void> {
    const isThere = this.channels.delete(channel);
    if (!isThere) this.channels.add(channel);
    if (this.#sync === undefined) return;
    if (isThere) await this.#sync.detach([channel]);
    else this.#sync.attach([channel]);
  }

  async rows(table: string): Promise<readonly string[]> {
    return storedRows(this.#database, table);
  }

  async events(table: string): Promise<readonly StoredEvent[]> {
    return storedEvents(this.#database, table);
  }

  async statusText(): Promise<string> {
    if (this.#sync === undefined) return `${this.name}: away`;
    const { connection, channels, trouble } = this.#sync.status;
    const states = [...channels].map(([name, { state, ready, trouble: cause }]) => {
      return `${name} ${state}${ready ? "" : " (not ready)"}${cause === undefined ? "" : ` ${cause.message}`}`;
    });
    return `${this.name}: ${JSON.stringify(connection)} ${trouble?.message ?? ""} ${states.join(", ")}`;
  }

  async close(): Promise<void> {
    await this.vanish();
    await this.#proxy.close();
    this.#database.close();
  }

  get #here(): Sync {
    if (this.#sync === undefined) throw new Error(`${this.name} is away`);
    return this.#sync;
  }

  get #file(): string {
    return join(this.#options.folder, `${this.name}.db`);
  }

  #open(): OpenDatabase {
    const database = openPhotostructure(this.#file);
    database.exec("pragma journal_mode = wal; pragma synchronous = off");
    return database;
  }

  // ---------------------------------------------------------------- what each transaction leaves

  #look(): void {
    if (!this.#isContentWhole) return;
    const rows = this.#database.all("select channel from changecast_channels where ready = 1");
    const ready = new Set(rows.map((row) => String(row["channel"])));
    if (moneyChannels.every((channel) => ready.has(channel))) this.#countMoney();
    if ([...this.channels].every((channel) => ready.has(channel))) this.#lookForStrays();
  }

  #countMoney(): void {
    this.counted += 1;
    const cents =
      this.#sum("select balance from accounts") + this.#sum("select balance from vaults");
    if (cents !== BigInt(MONEY_TOTAL) * 100n) {
      this.#violated(`it holds ${cents} cents instead of ${MONEY_TOTAL}00`);
    }
  }

  /** Decimals are texts with two digits after the point. */
  #sum(sql: string): bigint {
    return this.#database
      .all(sql)
      .reduce((sum, row) => sum + BigInt(String(row["balance"]).replace(".", "")), 0n);
  }

  /** Rows that no attached channel can have. */
  #lookForStrays(): void {
    const regions = [...this.channels].filter((name) => name.startsWith("region:"));
    const mayBe = regions.map((name) => name.slice("region:".length)).join(", ");
    const isRich = this.channels.has("very-rich") ? "cast(balance as real) > 1300" : "0";
    this.#none("accounts", `not (region in (${mayBe}) or ${isRich})`);
    this.#none("rich", "cast(money as real) <= 1000");
    const shelves = [...this.channels].filter((name) => name.startsWith("shelf:"));
    const mayStand = shelves.map((name) => name.slice("shelf:".length)).join(", ");
    this.#none("items", `shelf not in (${mayStand})`);
  }

  #none(table: string, condition: string): void {
    if (!hasTable(this.#database, table)) return;
    const found = this.#database.all(`select * from "${table}" where ${condition}`);
    if (found.length > 0) {
      this.#violated(
        `${table} holds ${String(found.length)} strays: ${inspect(found[0]).slice(0, 300)}`,
      );
    }
  }

  #violated(what: string): void {
    if (this.violations.length >= VIOLATIONS_MAX) return;
    this.violations.push(`${this.name} (${[...this.channels].join(", ")}): ${what}`);
  }
}
