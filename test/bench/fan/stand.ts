/** One server with its crowds, and the questions that several benches ask of both: ours and the reference. */
import type { Usage } from "../figure.js";
import type { CrowdOptions } from "./crowd.js";
import { FarProcess } from "./far-process.js";
import type { DueTimes, Load } from "./publishing.js";
import { Spread } from "./spread.js";
import { sharedNow } from "./time.js";

export type Side = "ours" | "plain";

/** Sockets that are being opened at once where it is not a storm. */
const AT_ONCE = 200;

/** Descriptors of one process stay below 20,000. */
const CROWD_MAX = 10_000;

export interface StandOptions {
  readonly side: Side;
  readonly clients: number;
  readonly owners?: number;
  /** Processes that hold the clients. */
  readonly crowds?: number;
}

export interface Loaded {
  /** From the first message to the last arrival. */
  readonly seconds: number;
  readonly serverCpuMs: number;
  readonly crowdCpuMs: number;
  readonly shared: Spread;
  readonly own: Spread;
}

type Counts = ReadonlyMap<number, number>;

export class Stand {
  readonly server: FarProcess;
  readonly crowds: FarProcess[] = [];
  readonly port: number;
  readonly #options: StandOptions;

  private constructor(server: FarProcess, port: number, options: StandOptions) {
    this.server = server;
    this.port = port;
    this.#options = options;
  }

  static async open(options: StandOptions): Promise<Stand> {
    const server = new FarProcess(options.side === "ours" ? "broker-server" : "plain-server");
    const port = await server.ask<number>("open");
    server.stayOn(0);
    await server.ask("seed", { owners: options.owners ?? 0 });
    return new Stand(server, port, options);
  }

  /** Brings all clients in, in good order. */
  async fill(): Promise<void> {
    const { clients, crowds = 1, owners } = this.#options;
    const each = Math.ceil(clients / crowds);
    for (let first = 0; first < clients; first += each) {
      const count = Math.min(each, clients - first);
      await this.addCrowd({ count, first, has: owners === undefined ? "shared" : "both" });
    }
  }

  async addCrowd(group: Pick<CrowdOptions, "count" | "first" | "has">): Promise<FarProcess> {
    if (group.count > CROWD_MAX) throw new Error(`a process holds at most ${String(CROWD_MAX)}`);
    const crowd = new FarProcess("crowd");
    this.crowds.push(crowd);
    crowd.stayOn(1);
    const isPlain = this.#options.side === "plain";
    await crowd.ask("open", { ...group, port: this.port, isPlain, atOnce: AT_ONCE });
    return crowd;
  }

  /** Publishes and waits until everybody has it. */
  async load(load: Omit<Load, "owners">): Promise<Loaded> {
    for (const crowd of this.crowds) await crowd.ask("watch");
    const startedAt = sharedNow();
    const before = this.#usages();
    await this.publish(load);
    const lastAt = await this.settled(this.crowds);
    const after = this.#usages();
    return {
      seconds: (lastAt - startedAt) / 1_000,
      serverCpuMs: (after[0]?.cpuMs ?? 0) - (before[0]?.cpuMs ?? 0),
      crowdCpuMs: sum(after.slice(1)) - sum(before.slice(1)),
      ...(await this.latencies(this.crowds)),
    };
  }

  async publish(load: Omit<Load, "owners">): Promise<void> {
    await this.server.ask("publish", { ...load, owners: this.#options.owners ?? 0 });
  }

  /** Waits until these crowds hold everything; when the last of it came. */
  async settled(crowds: readonly FarProcess[]): Promise<number> {
    const due = await this.server.ask<DueTimes>("due");
    const last = new Map([...due].map(([channel, times]) => [channel, times.length]));
    return Math.max(...(await Promise.all(crowds.map((one) => one.ask<number>("settled", last)))));
  }

  /** Of what came since they were told to watch. */
  async latencies(crowds: readonly FarProcess[]): Promise<Record<"shared" | "own", Spread>> {
    const due = await this.server.ask<DueTimes>("due");
    const spreads = { shared: new Spread(), own: new Spread() };
    for (const crowd of crowds) {
      const told = await crowd.ask<Record<"shared" | "own", Counts>>("latencies", due);
      spreads.shared.addAll(told.shared);
      spreads.own.addAll(told.own);
    }
    return spreads;
  }

  #usages(): Usage[] {
    return [this.server, ...this.crowds].map((part) => part.usage());
  }

  async close(): Promise<void> {
    for (const crowd of this.crowds) await crowd.end();
    await this.server.end();
  }
}

export async function onStand<T>(
  options: StandOptions,
  work: (stand: Stand) => Promise<T>,
): Promise<T> {
  const stand = await Stand.open(options);
  try {
    return await work(stand);
  } finally {
    await stand.close();
  }
}

function sum(usages: readonly Usage[]): number {
  return usages.reduce((total, { cpuMs }) => total + cpuMs, 0);
}
