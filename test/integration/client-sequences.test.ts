/**
 * Goal: whatever happens to a connection, in any order, the store ends with what the server has, and never
 * shows half a transaction or a status that explains nothing. Method: random sequences of what networks,
 * platforms, tokens, servers and apps do, against a real broker over real sockets; after each, the world is
 * mended and the store compared. `CLIENT_SEQUENCES=10000` runs them all, `CLIENT_SEED=<seed>` one alone.
 */
import { WebSocket } from "ws";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Cast, changecast } from "../../src/client/client.js";
import { type MemoryStore, memoryStore } from "../../src/client/stores/memory-store.js";
import type { Sync } from "../../src/client/sync.js";
import { BrokerWorld } from "../support/broker-world.js";
import { PATIENCE_MS } from "../support/patience.js";
import { SeededRandom } from "../support/seeded-random.js";
import { TcpProxy } from "../support/tcp-proxy.js";

const SEQUENCES = Number(process.env["CLIENT_SEQUENCES"] ?? 300);
const only = process.env["CLIENT_SEED"];
const STEPS_MAX = 8;
/** The scripted journal looks at all it ever held for each comparison: a new one now and then. */
const WORLD_SEQUENCES = 100;
const KEYS = 6;
const KEY = "a key of twenty characters";
/** Every unit writes both with the same value. */
const PAIR = ["store:1", "store:2"] as const;
/** Keys of the second channel, so that they are rows of their own. */
const SECOND = 1_000;

const real = { ...globalThis } as { addEventListener?: unknown; removeEventListener?: unknown };
/** What a browser's window would tell. */
const platform = new EventTarget();
const taken = new Map<string, number>();

beforeAll(() => {
  Object.assign(globalThis, {
    addEventListener: platform.addEventListener.bind(platform),
    removeEventListener: platform.removeEventListener.bind(platform),
    document: Object.assign(new EventTarget(), { visibilityState: "visible" }),
  });
});

afterAll(() => {
  const { addEventListener, removeEventListener } = real;
  Object.assign(globalThis, { addEventListener, removeEventListener, document: undefined });
});

class World {
  readonly broker = new BrokerWorld({
    auth: { keys: [{ key: KEY, channels: ["*"] }] },
    // What is tried is the machine, not how often it may try.
    limits: { frames: { perSecond: 1e6, burst: 1e6 }, attaches: { perSecond: 1e6, burst: 1e6 } },
  });
  #network: TcpProxy | undefined;
  #written = 0;

  async open(): Promise<this> {
    await this.broker.open();
    this.#network = await TcpProxy.start({ host: "127.0.0.1", port: this.broker.port });
    return this;
  }

  get network(): TcpProxy {
    if (this.#network === undefined) throw new Error("open the world first");
    return this.#network;
  }

  write(random: SeededRandom): void {
    this.#written += 1;
    const key = random.below(KEYS);
    const op = random.next() < 0.2 ? "d" : "u";
    const value = `v${this.#written}`;
    this.broker.reader.append(
      PAIR.map((channel, at) => ({ channel, op, key: key + at * SECOND, value })),
    );
  }

  rows(channels: readonly string[]): Record<string, string> {
    const rows: Record<string, string> = {};
    for (const channel of channels) {
      for (const [key, value] of this.broker.reader.content(channel)) rows[key] = value;
    }
    return rows;
  }

  async close(): Promise<void> {
    await this.network.close();
    await this.broker.close();
  }
}

/** One app: a store that outlives casts and syncs. */
class App {
  readonly store: MemoryStore = memoryStore();
  readonly attached = new Set<string>(PAIR);
  token = KEY;
  failure: string | undefined;
  #cast: Cast;
  #sync: Sync;
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
    this.#cast = this.#open();
    this.#sync = this.#follow();
    this.store.watch(undefined, () => {
      this.#look();
    });
  }

  get sync(): Sync {
    return this.#sync;
  }

  get cast(): Cast {
    return this.#cast;
  }

  async restart(): Promise<void> {
    await this.#cast.close();
    this.#cast = this.#open();
    this.#sync = this.#follow();
  }

  async resume(): Promise<void> {
    await this.#sync.stop();
    this.#sync = this.#follow();
  }

  rows(): Record<string, unknown> {
    return Object.fromEntries(
      this.store.rows("rows").map((row) => [Number(row["id"]), row["value"]]),
    );
  }

  /** Both channels stand at one log number whenever both are ready: so each pair is whole. */
  #look(): void {
    const { channels } = this.#sync.status;
    if (PAIR.some((channel) => channels.get(channel)?.ready !== true)) return;
    const rows = this.rows();
    for (let key = 0; key < KEYS; key += 1) {
      if (rows[key] !== rows[key + SECOND]) {
        this.failure ??= `row ${key} is ${String(rows[key])}, its pair ${String(rows[key + SECOND])}`;
      }
    }
  }

  #open(): Cast {
    const cast = changecast({
      url: this.#url,
      WebSocket,
      token: async () => this.token,
      random: { next: () => 0 },
    });
    cast.onStatus((status) => {
      const isExplained = !("code" in status) || (status.code !== "" && status.message !== "");
      if (!isExplained) this.failure ??= `${status.state} without a reason`;
      if (status.state === "refused" && status.cure === "") this.failure ??= "no cure";
    });
    return cast;
  }

  #follow(): Sync {
    return this.#cast.sync(this.store, [...this.attached]);
  }
}

type Step = (world: World, app: App, random: SeededRandom) => void | Promise<void>;

const tell = (name: string): void => {
  platform.dispatchEvent(new Event(name));
};

const pause: Step = (_world, _app, random) =>
  new Promise((resolve) => setTimeout(resolve, random.below(4)));

const steps: Readonly<Record<string, Step>> = {
  write: (world, _app, random) => {
    world.write(random);
  },
  writeMany: (world, _app, random) => {
    for (let count = 0; count < 10; count += 1) world.write(random);
  },
  cut: ({ network }) => {
    network.cut();
    network.mend();
  },
  cutForLonger: ({ network }) => {
    network.cut();
  },
  cutInside: ({ network }, _app, random) => {
    network.cutAfter(random.below(400));
  },
  freeze: ({ network }) => {
    network.freeze();
  },
  mend: ({ network }) => {
    network.mend();
  },
  goOffline: () => {
    tell("offline");
  },
  comeOnline: () => {
    tell("online");
  },
  wake: () => {
    const { document } = globalThis as unknown as { document: EventTarget };
    document.dispatchEvent(new Event("visibilitychange"));
  },
  reconnect: (_world, { cast }) => {
    cast.reconnect();
  },
  loseToken: (_world, app) => {
    app.token = "a key that nobody knows";
  },
  findToken: (_world, app) => {
    app.token = KEY;
  },
  detach: async (_world, app, random) => {
    const channel = random.pick(PAIR) ?? PAIR[0];
    if (!app.attached.delete(channel)) return;
    await app.sync.detach([channel]);
  },
  attach: (_world, app, random) => {
    const channel = random.pick(PAIR) ?? PAIR[0];
    app.attached.add(channel);
    app.sync.attach([channel]);
  },
  raiseFloor: ({ broker }, _app, random) => {
    const channel = random.pick(PAIR) ?? PAIR[0];
    broker.reader.raiseFloor(channel, broker.reader.serial(channel));
  },
  resume: (_world, app) => app.resume(),
  restart: (_world, app) => app.restart(),
  pause,
  pauseAgain: pause,
};
const names = Object.keys(steps);

async function sequence(world: World, app: App, seed: number): Promise<void> {
  const random = new SeededRandom(seed);
  const done: string[] = [];
  for (let count = 1 + random.below(STEPS_MAX); count > 0; count -= 1) {
    const name = random.pick(names) ?? "pause";
    done.push(name);
    taken.set(name, (taken.get(name) ?? 0) + 1);
    await steps[name]?.(world, app, random);
  }
  world.network.mend();
  app.token = KEY;
  tell("online");
  app.cast.reconnect();
  const what = `CLIENT_SEED=${seed}: ${done.join(", ")}`;
  await settled(world, app, what);
  expect(app.failure, what).toBeUndefined();
}

async function settled(world: World, app: App, what: string): Promise<void> {
  const until = performance.now() + PATIENCE_MS;
  for (;;) {
    const wanted = JSON.stringify(world.rows([...app.attached]));
    const found = JSON.stringify(app.rows());
    const { connection, channels } = app.sync.status;
    const isLive = [...app.attached].every((name) => channels.get(name)?.state === "live");
    if (sorted(found) === sorted(wanted) && isLive && connection.state === "live") return;
    if (performance.now() > until) {
      const status = JSON.stringify({ connection, channels: [...channels] });
      throw new Error(`${what}: holds ${found}, not ${wanted}; ${status}`);
    }
    // A token that was lost while it was being fetched is refused only now.
    if (connection.state === "refused") app.cast.reconnect();
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

function sorted(rows: string): string {
  return JSON.stringify(Object.entries(JSON.parse(rows) as object).sort());
}

it(
  "any sequence of troubles ends with the server's content, told all the way",
  async () => {
    const all = Array.from({ length: SEQUENCES }, (_, at) => at + 1);
    const seeds = only === undefined ? all : [Number(only)];
    for (let at = 0; at < seeds.length; at += WORLD_SEQUENCES) {
      await oneWorld(seeds.slice(at, at + WORLD_SEQUENCES));
    }
    if (only === undefined) expect([...taken.keys()].sort()).toEqual([...names].sort());
  },
  60_000 + SEQUENCES * 200,
);

async function oneWorld(seeds: readonly number[]): Promise<void> {
  const world = await new World().open();
  const app = new App(`ws://127.0.0.1:${world.network.port}/v1`);
  try {
    for (const seed of seeds) await sequence(world, app, seed);
  } finally {
    await app.cast.close();
    await world.close();
  }
}
