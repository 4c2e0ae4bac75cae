/**
 * The parts of the demo: Postgres with the shop, Changecast on config/demo.yaml, and two clients with an
 * SQLite file each, every one in a process of its own. Files go to a new temporary folder, which goes at the
 * end, unless something failed.
 */
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import pg from "pg";
import { Child } from "./children.js";
import type { ClientWord, DemoWord } from "./client.js";
import type { DatabaseWord } from "./database.js";
import { Latencies } from "./latencies.js";
import { buildPage, ShopApi } from "./page-server.js";
import { pause } from "./pause.js";
import { createShop } from "./shop.js";

const READY_MS_MAX = 60_000;

/** Where a user looks first, so that the commands of the README work beside the demo; else a free one. */
const PORT = 7070;
const OPS_PORT = 7071;

/** Newest measured latencies per client. */
const LATENCIES_MAX = 10_000;

export class Device {
  readonly name: string;
  readonly channels: readonly string[];
  readonly file: string;
  readonly child: Child;
  readonly latencies = new Latencies(LATENCIES_MAX);
  state = "not started";
  rows: Readonly<Record<string, number>> = {};
  reached = "";

  constructor(
    options: Pick<Device, "name" | "channels"> & {
      readonly folder: string;
      readonly url: string;
      readonly onFailed: (reason: string) => void;
    },
  ) {
    const { name, channels, folder, url, onFailed } = options;
    this.name = name;
    this.channels = channels;
    this.file = join(folder, `${name}.sqlite`);
    this.child = new Child({
      name: `client ${name}`,
      script: built("./client.js"),
      args: [url, this.file, ...channels],
      logFile: join(folder, `${name}.log`),
      onWord: (word) => {
        this.#hear(word as ClientWord);
      },
      onFailed,
    });
  }

  start(): void {
    this.state = "starting";
    this.child.start();
  }

  async kill(): Promise<void> {
    await this.child.kill();
    this.state = "killed";
  }

  #hear(word: ClientWord): void {
    if ("reached" in word) this.reached = word.reached;
    else {
      this.state = word.state;
      this.rows = word.rows;
      this.latencies.add(word.latencies);
    }
  }
}

export class World {
  readonly folder = mkdtempSync(join(tmpdir(), "changecast-demo-"));
  readonly devices: Device[] = [];
  /** Of the database. */
  url = "";
  serviceUrl = "";
  opsUrl = "";
  pageUrl = "";
  version = "";
  #database: Child | undefined;
  #service: Child | undefined;
  #api: ShopApi | undefined;
  readonly #clients: pg.Client[] = [];
  readonly #end: AbortSignal;
  readonly #fail: (reason: string) => void;

  /** `fail` is told when a part ended that should not; every wait ends with `end`. */
  constructor(end: AbortSignal, fail: (reason: string) => void) {
    this.#end = end;
    this.#fail = fail;
  }

  async startDatabase(): Promise<void> {
    let told: (word: DatabaseWord) => void = () => undefined;
    const word = new Promise<DatabaseWord>((resolve) => {
      told = resolve;
    });
    this.#database = new Child({
      name: "the database",
      script: built("./database.js"),
      args: [],
      logFile: join(this.folder, "database.log"),
      onWord: (heard) => {
        told(heard as DatabaseWord);
      },
      onFailed: this.#fail,
    });
    this.#database.start();
    const answer = await this.#orEnd(word);
    if ("failed" in answer) throw new Error(answer.failed);
    this.url = answer.url;
    this.version = answer.version;
    await createShop(await this.connect());
  }

  /** A session of the database's; ended with the demo. */
  async connect(): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: this.url });
    // What ends a session fails its query too; the demo's end needs no second word about it.
    client.on("error", () => undefined);
    await client.connect();
    await client.query("set timezone = 'UTC'");
    this.#clients.push(client);
    return client;
  }

  async startService(): Promise<void> {
    const port = await freePort(PORT);
    this.pageUrl = `http://127.0.0.1:${String(port)}/`;
    const pages = join(this.folder, "pages");
    this.#api = await ShopApi.start(await this.connect());
    await buildPage(pages, this.#api.url);
    const opsPort = await freePort(OPS_PORT);
    this.opsUrl = `http://127.0.0.1:${String(opsPort)}`;
    this.#service = new Child({
      name: "Changecast",
      script: built("../src/main.js"),
      args: ["run", "-c", fileURLToPath(new URL("../../config/demo.yaml", import.meta.url))],
      env: {
        CHANGECAST_DEMO_URL: this.url,
        CHANGECAST_DEMO_JOURNAL: join(this.folder, "journal"),
        CHANGECAST_DEMO_PORT: String(port),
        CHANGECAST_DEMO_PAGES: pages,
        CHANGECAST_DEMO_OPS_PORT: String(opsPort),
      },
      logFile: join(this.folder, "changecast.log"),
      onFailed: this.#fail,
    });
    this.#service.start();
    await this.serviceReady();
    const url = `ws://127.0.0.1:${String(port)}/v1`;
    this.serviceUrl = url;
    const { folder } = this;
    const shops = [
      { name: "amsterdam", channels: ["stores", "store:1", "stock:1"] },
      { name: "iberia", channels: ["stores", "store:2", "store:3"] },
    ];
    for (const shop of shops) {
      this.devices.push(new Device({ ...shop, folder, url, onFailed: this.#fail }));
    }
  }

  restartService(): void {
    this.#service?.start();
  }

  async killService(): Promise<void> {
    await this.#service?.kill();
  }

  serviceReady(): Promise<void> {
    return this.until("Changecast serves", async () => {
      try {
        return (await fetch(`${this.opsUrl}/readyz`)).ok;
      } catch {
        return false;
      }
    });
  }

  /** All stores hold everything up to what the database has now. */
  async allReached(client: pg.Client): Promise<void> {
    const { rows } = await client.query<{ at: string }>("select pg_current_wal_lsn()::text as at");
    const until = rows[0]?.at ?? "";
    for (const { child } of this.devices) child.tell({ until } satisfies DemoWord);
    await this.until(`the clients have everything up to ${until}`, () =>
      this.devices.every(({ reached }) => reached === until),
    );
  }

  /** Looks again until `test` holds; an error that says so when it takes too long. */
  async until(what: string, test: () => boolean | Promise<boolean>): Promise<void> {
    const deadline = performance.now() + READY_MS_MAX;
    while (!(await test())) {
      this.#end.throwIfAborted();
      if (performance.now() > deadline) {
        const states = this.devices.map(({ name, state }) => `${name}: ${state}`).join("; ");
        throw new Error(`waited ${String(READY_MS_MAX / 1_000)} s until ${what} (${states})`);
      }
      await pause(20);
    }
    this.#end.throwIfAborted();
  }

  /** From the clients back to the database. May be called twice. */
  async stop(): Promise<void> {
    await Promise.all(this.devices.map(({ child }) => child.stop()));
    await this.#service?.stop();
    this.#api?.close();
    await Promise.all(this.#clients.map((client) => client.end().catch(() => undefined)));
    await this.#database?.stop();
  }

  /** At once: for a second Ctrl-C. The database ends by itself when the demo is gone, and cleans up. */
  killAll(): void {
    for (const { child } of this.devices) child.cut();
    this.#service?.cut();
  }

  removeFiles(): void {
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 3 });
  }

  #orEnd<T>(promise: Promise<T>): Promise<T> {
    const end = this.#end;
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        reject(end.reason as Error);
      };
      if (end.aborted) onAbort();
      end.addEventListener("abort", onAbort, { once: true });
      promise.then(resolve, reject).finally(() => {
        end.removeEventListener("abort", onAbort);
      });
    });
  }
}

function built(path: string): string {
  return fileURLToPath(new URL(path, import.meta.url));
}

async function freePort(wanted: number): Promise<number> {
  for (const port of [wanted, 0]) {
    const probe = createServer();
    const free = await new Promise<boolean>((resolve) => {
      probe.once("error", () => {
        resolve(false);
      });
      probe.listen(port, "127.0.0.1", () => {
        resolve(true);
      });
    });
    if (!free) continue;
    const found = (probe.address() as AddressInfo).port;
    probe.close();
    await once(probe, "close");
    return found;
  }
  throw new Error("no port is free on 127.0.0.1");
}
