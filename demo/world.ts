/**
 * The parts of the demo: the databases with the shop, Changecast on its configuration, and two clients with an
 * SQLite file each, every one in a process of its own. Files go to a new temporary folder, which goes at the
 * end, unless something failed.
 */
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Child } from "./children.js";
import type { ClientWord, DemoWord } from "./client.js";
import { Latencies } from "./latencies.js";
import { buildPage, ShopApi } from "./page-server.js";
import { pause } from "./pause.js";
import { MongodbSide } from "./mongodb-side.js";
import { PostgresSide } from "./postgres-side.js";
import type { ShopSide } from "./shop-side.js";

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
  reached: Readonly<Record<string, string>> = {};

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

export const modes = ["postgres", "mongodb", "both"] as const;

/** Where the shop is: all on one database, or its products on MongoDB and its orders on Postgres. */
export type Mode = (typeof modes)[number];

const configs: Readonly<Record<Mode, string>> = {
  postgres: "config/demo.yaml",
  mongodb: "config/mongodb.yaml",
  both: "config/both.yaml",
};

export class World {
  readonly folder = mkdtempSync(join(tmpdir(), "changecast-demo-"));
  readonly devices: Device[] = [];
  readonly sides: readonly ShopSide[];
  /** Path from the root of the checkout. */
  readonly config: string;
  serviceUrl = "";
  opsUrl = "";
  /** Undefined where the shop has no page. */
  pageUrl: string | undefined;
  #service: Child | undefined;
  #api: ShopApi | undefined;
  readonly #end: AbortSignal;
  readonly #fail: (reason: string) => void;

  /** `fail` is told when a part ended that should not; every wait ends with `end`. */
  constructor(mode: Mode, end: AbortSignal, fail: (reason: string) => void) {
    this.#end = end;
    this.#fail = fail;
    this.config = configs[mode];
    const context = { folder: this.folder, end, onFailed: fail };
    this.sides = {
      postgres: () => [new PostgresSide({ source: "shop", holds: "shop" }, context)],
      mongodb: () => [new MongodbSide("shop", context)],
      both: () => [
        new MongodbSide("shop", context),
        new PostgresSide({ source: "orders", holds: "orders" }, context),
      ],
    }[mode]();
  }

  async startService(): Promise<void> {
    const port = await freePort(PORT);
    const pages = join(this.folder, "pages");
    await this.#startPage(pages, port);
    const opsPort = await freePort(OPS_PORT);
    this.opsUrl = `http://127.0.0.1:${String(opsPort)}`;
    this.#service = new Child({
      name: "Changecast",
      script: built("../src/main.js"),
      args: ["run", "-c", fileURLToPath(new URL(`../../${this.config}`, import.meta.url))],
      env: {
        ...Object.fromEntries(this.sides.flatMap(({ env }) => Object.entries(env))),
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

  /** The page writes to Postgres; it comes where all of the shop is there. */
  async #startPage(pages: string, port: number): Promise<void> {
    for (const side of this.sides) {
      const client = await side.pageClient?.();
      if (client === undefined) continue;
      this.#api = await ShopApi.start(client);
      await buildPage(pages, this.#api.url);
      this.pageUrl = `http://127.0.0.1:${String(port)}/`;
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

  /** All stores hold everything up to what the databases have now. */
  async allReached(): Promise<void> {
    const positions = this.sides.map(async (side) => [side.source, await side.position()]);
    const until = Object.fromEntries(await Promise.all(positions)) as Record<string, string>;
    for (const { child } of this.devices) child.tell({ until } satisfies DemoWord);
    const wanted = JSON.stringify(until);
    await this.until(`the clients have everything up to ${wanted}`, () =>
      this.devices.every(({ reached }) => JSON.stringify(reached) === wanted),
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

  /** From the clients back to the databases. May be called twice. */
  async stop(): Promise<void> {
    await Promise.all(this.devices.map(({ child }) => child.stop()));
    await this.#service?.stop();
    this.#api?.close();
    await Promise.all(this.sides.map((side) => side.stop()));
  }

  /** At once: for a second Ctrl-C. The databases end by themselves when the demo is gone, and clean up. */
  killAll(): void {
    for (const { child } of this.devices) child.cut();
    this.#service?.cut();
  }

  removeFiles(): void {
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 3 });
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
