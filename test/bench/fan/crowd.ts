/**
 * A process full of raw clients, each with the shared channel, with one of its own, or with both. It notes when which
 * serial came; what that means in latency is reckoned afterwards, from the times at which messages were due.
 */
import { answerParent } from "./far-process.js";
import { SHARED } from "./publishing.js";
import type { DueTimes } from "./publishing.js";
import { RawSocket } from "./raw-socket.js";
import { Spread } from "./spread.js";
import { pauseMs, sharedNow } from "./time.js";

export interface CrowdOptions {
  readonly port: number;
  readonly count: number;
  /** The server is plain: sockets are asked for nothing. */
  readonly isPlain: boolean;
  readonly has: "own" | "shared" | "both";
  /** Number of the first own channel. */
  readonly first: number;
}

interface Place {
  readonly epoch: number;
  readonly serial: number;
  readonly log: number;
}

class Member {
  readonly #crowd: Crowd;
  readonly #own: number;
  readonly places = new Map<string, Place>();
  socket: RawSocket | undefined;
  isReady = false;

  constructor(crowd: Crowd, own: number) {
    this.#crowd = crowd;
    this.#own = own;
  }

  open(): void {
    const { options } = this.#crowd;
    const own = `own:${String(this.#own)}`;
    const channels = { own: [own], shared: [SHARED], both: [own, SHARED] }[options.has];
    const query = options.has === "shared" ? "" : `?own=${own}`;
    const hello = options.isPlain ? "" : this.#hello(channels);
    this.isReady = false;
    const opening = { port: options.port, query, hello };
    this.socket = new RawSocket(opening, channels.length > 1, {
      opened: () => {
        if (options.isPlain) this.#ready();
      },
      ready: () => {
        this.#ready();
      },
      commit: (channel, { epoch, to, log }) => {
        this.#crowd.note(channel, this.places.get(channel)?.serial ?? to, to);
        this.places.set(channel, { epoch, serial: to, log });
      },
      run: (run) => {
        this.#crowd.run = run;
      },
      closed: () => {
        this.#crowd.closed(this.isReady);
        this.isReady = false;
      },
    });
  }

  #hello(channels: readonly string[]): string {
    const { run } = this.#crowd;
    const wanted = channels.map((channel) => {
      const place = this.places.get(channel);
      return { channel, from: place === undefined ? "start" : { ...place, run } };
    });
    const attach = JSON.stringify({ t: "attach", id: 1, channels: wanted });
    return `{"t":"hello","v":1}\n${attach}`;
  }

  #ready(): void {
    if (this.isReady) return;
    this.isReady = true;
    this.#crowd.ready();
  }
}

class Crowd {
  readonly options: CrowdOptions;
  readonly members: Member[];
  run = "";
  readonly #readyAt: number[] = [];
  #ready = 0;
  #lost = 0;
  /** Channel, serial before, serial now, and when. */
  #arrivals: [string, number, number, number][] = [];
  #isWatching = false;
  #lastAt = 0;

  constructor(options: CrowdOptions) {
    this.options = options;
    this.members = Array.from({ length: options.count }, (_, nth) => {
      return new Member(this, options.first + nth);
    });
  }

  note(channel: string, from: number, to: number): void {
    if (!this.#isWatching || from === to) return;
    this.#lastAt = sharedNow();
    this.#arrivals.push([channel, from, to, this.#lastAt]);
  }

  ready(): void {
    this.#ready += 1;
    this.#readyAt.push(sharedNow());
  }

  closed(wasReady: boolean): void {
    this.#lost += 1;
    if (wasReady) this.#ready -= 1;
  }

  /** All at once, no jitter; when each was there. */
  async openAll(atOnce = Infinity): Promise<number[]> {
    this.#readyAt.length = 0;
    this.#lost = 0;
    let opened = 0;
    for (const member of this.members) {
      member.open();
      opened += 1;
      while (opened - this.#ready >= atOnce) await pauseMs(1);
    }
    while (this.#ready < this.members.length) {
      if (this.#lost > 0) throw new Error(`${String(this.#lost)} sockets were refused or lost`);
      await pauseMs(2);
    }
    return [...this.#readyAt];
  }

  async cut(): Promise<void> {
    this.#lost = 0;
    for (const { socket } of this.members) socket?.reset();
    while (this.#ready > 0) await pauseMs(2);
  }

  watch(): void {
    this.#arrivals = [];
    this.#isWatching = true;
  }

  /** Waits until everybody holds everything, or nothing came for a while. */
  async settled(lastSerial: ReadonlyMap<string, number>): Promise<number> {
    const isHeld = ({ places }: Member): boolean =>
      [...places].every(([channel, { serial }]) => serial >= (lastSerial.get(channel) ?? 0));
    for (let waited = 0; waited < 20_000; waited += 20) {
      if (this.members.every(isHeld)) break;
      await pauseMs(20);
    }
    const behind = this.members.filter((member) => !isHeld(member)).length;
    if (behind > 0) throw new Error(`${String(behind)} clients did not get everything in time`);
    return this.#lastAt;
  }

  /** Latencies of the shared channel and of the own ones. */
  latencies(due: DueTimes): {
    shared: ReadonlyMap<number, number>;
    own: ReadonlyMap<number, number>;
  } {
    const shared = new Spread();
    const own = new Spread();
    for (const [channel, from, to, at] of this.#arrivals) {
      const spread = channel === SHARED ? shared : own;
      const times = due.get(channel) ?? [];
      for (let serial = from + 1; serial <= to; serial += 1) {
        spread.add(at - (times[serial - 1] ?? at));
      }
    }
    return { shared: shared.counts, own: own.counts };
  }
}

let crowd: Crowd | undefined;

function current(): Crowd {
  if (crowd === undefined) throw new Error("the crowd is not open");
  return crowd;
}

answerParent({
  open: (options: CrowdOptions & { atOnce?: number }) => {
    crowd = new Crowd(options);
    return crowd.openAll(options.atOnce);
  },
  reopen: () => current().openAll(),
  cut: () => current().cut(),
  watch: () => {
    current().watch();
  },
  settled: (lastSerial: ReadonlyMap<string, number>) => current().settled(lastSerial),
  latencies: (due: DueTimes) => current().latencies(due),
});
