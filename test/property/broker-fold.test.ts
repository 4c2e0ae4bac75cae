/**
 * Random units, attaches, detaches, reconnects, slow sockets, huge units, forgotten memory and rising floors:
 * at every commit each client's ready channels hold just what the journal holds at that log number (I4), and
 * serials have no holes (I5; WireClient throws on one). Sockets are queues in memory, so that slowness is
 * part of the scenario. A failure prints the seed and path that repeat it.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { BrokerContext } from "../../src/broker/broker-context.js";
import { createContext } from "../../src/broker/create-context.js";
import { noMetrics } from "../../src/broker/metrics.js";
import type { SessionSocket } from "../../src/broker/session-socket.js";
import { Session } from "../../src/broker/session.js";
import type { WireMessage } from "../../src/broker/wire-message.js";
import type { AttachFrom, CommitFrame } from "../../src/protocol/frames.js";
import { ScriptedReader } from "../support/scripted-reader.js";
import type { Write } from "../support/scripted-reader.js";
import { WireClient } from "../support/wire-client.js";

const channels = ["a", "b", "c", "events"];
const decoder = new TextDecoder();

/** What the scenarios brought about: a property that never met a slow client proves nothing of them. */
const seen = new Set<string>();

/** A socket whose bytes wait until the scenario lets them through. */
class QueueSocket implements SessionSocket {
  readonly remote = "memory";
  takenBytes = 0;
  waitingBytes = 0;
  isOver = false;
  readonly #queue: WireMessage[] = [];

  send(messages: readonly WireMessage[]): void {
    for (const message of messages) {
      this.#queue.push(message);
      this.waitingBytes += message.bytes;
    }
  }

  /** Lets up to `count` messages through. */
  drain(client: WireClient, session: Session, count: number): void {
    for (const message of this.#queue.splice(0, count)) {
      this.waitingBytes -= message.bytes;
      this.takenBytes += message.bytes;
      client.hear(decoder.decode(message.payload));
    }
    if (this.#queue.length === 0) session.onDrained();
  }

  hold(): void {
    this.takenBytes += 0;
  }
  release(): void {
    this.takenBytes += 0;
  }
  ping(): void {
    this.takenBytes += 1;
  }
  pause(): void {
    this.takenBytes += 0;
  }
  resume(): void {
    this.takenBytes += 0;
  }
  close(): void {
    this.isOver = true;
  }
  destroy(): void {
    this.isOver = true;
  }
}

interface Peer {
  client: WireClient;
  session: Session;
  socket: QueueSocket;
}

class World {
  readonly reader = new ScriptedReader();
  readonly context: BrokerContext;
  readonly peers: Peer[] = [];
  readonly #end = new AbortController();
  readonly #hub: Promise<void>;
  failure: unknown;
  commits = 0;

  constructor(pageBytes: number) {
    this.reader.append(channels.map((channel) => ({ channel, op: "i", key: 1, value: "first" })));
    const { context, failure } = createContext({
      reader: this.reader,
      sources: [],
      parsePosition: (_source, text) => text,
      metrics: {
        ...noMetrics,
        catchUp: (reason) => {
          seen.add(reason);
        },
        attached: (how) => {
          seen.add(how);
        },
      },
      limits: {
        pageBytes,
        socketBytesMax: 100_000,
        frames: { perSecond: 1e6, burst: 1e6 },
        attaches: { perSecond: 1e6, burst: 1e6 },
      },
    });
    this.context = context;
    failure.signal.addEventListener("abort", () => {
      this.failure = failure.signal.reason;
    });
    this.#hub = context.hub.run(this.#end.signal);
  }

  join(before?: WireClient): Peer {
    const socket = new QueueSocket();
    const session = new Session(this.context, `s${this.peers.length}`, socket);
    const client = new WireClient((text) => {
      session.onText(text, text.length);
    });
    if (before !== undefined) {
      for (const [name, held] of before.channels) client.channels.set(name, held);
      client.run = before.run;
    }
    client.onCommit = (_client, frame) => {
      this.#check(client, frame);
    };
    this.context.sessions.add(session);
    client.say({ t: "hello", v: 1 });
    return { client, session, socket };
  }

  attach(peer: Peer, channel: string, fresh: AttachFrom | undefined): void {
    const held = peer.client.channels.get(channel);
    const hasPlace = held !== undefined && held.stage !== "attaching" && fresh === undefined;
    const from = hasPlace ? peer.client.place(channel) : (fresh ?? "start");
    const rows = held?.rows;
    const isLoading = hasPlace && held.stage === "loading";
    peer.client.attach([{ channel, from, ...(isLoading ? { loading: true } : {}) }]);
    if (hasPlace && rows !== undefined) peer.client.held(channel).rows = rows;
  }

  #check(client: WireClient, frame: CommitFrame): void {
    this.commits += 1;
    for (const [name, held] of client.channels) {
      if (held.stage !== "ready") continue;
      const rows = this.reader.content(name, frame.at);
      if (name.startsWith("events")) {
        for (const [serial, value] of held.rows) expect(value).toBe(rows.get(serial));
      } else expect([name, frame.at, held.rows]).toEqual([name, frame.at, rows]);
    }
  }

  async turns(count: number): Promise<void> {
    for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
  }

  /** Everything flows until nothing moves: every client must be at the head. */
  async settle(): Promise<void> {
    const isDone = (): boolean =>
      this.peers.every(
        ({ client, session }) =>
          session.isLive &&
          [...client.channels].every(
            ([name, held]) => held.stage === "ready" && held.serial === this.reader.serial(name),
          ),
      );
    for (let round = 0; round < 3_000 && !isDone(); round++) {
      for (const peer of this.peers) peer.socket.drain(peer.client, peer.session, 1_000);
      await this.turns(1);
      if (round % 50 === 49) await new Promise((resolve) => setTimeout(resolve, 5));
    }
    const open = this.peers.map(({ client, session }) => [
      session.phase,
      [...client.channels].map(([name, { stage, serial }]) => [name, stage, serial]),
      client.find("error"),
    ]);
    expect(isDone(), JSON.stringify(open)).toBe(true);
    for (const { client } of this.peers) await client.until(() => true);
  }

  async close(): Promise<void> {
    this.#end.abort(new Error("the scenario ended"));
    await this.#hub;
  }
}

const write: fc.Arbitrary<Write> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      channel: fc.constantFrom(...channels),
      op: fc.constant("u" as const),
      key: fc.nat(6),
      value: fc.oneof(
        { weight: 4, arbitrary: fc.string({ maxLength: 8 }) },
        { weight: 1, arbitrary: fc.constant("x".repeat(30_000)) },
      ),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      channel: fc.constantFrom("a", "b", "c"),
      op: fc.constantFrom("d" as const, "m" as const),
      key: fc.nat(6),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ channel: fc.constantFrom("a", "b"), op: fc.constant("t" as const) }),
  },
);

type Step = (world: World) => Promise<void> | void;

const peerOf = (world: World, index: number): Peer | undefined =>
  world.peers[index % world.peers.length];

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.array(write, { minLength: 1, maxLength: 5 }).map((writes): Step => (world) => {
      world.reader.append(writes);
    }),
  },
  {
    weight: 2,
    arbitrary: fc.array(write, { minLength: 1, maxLength: 5 }).map((writes): Step => (world) => {
      world.reader.huge.add(world.reader.notice.log + 1);
      world.reader.append(writes);
    }),
  },
  {
    weight: 8,
    arbitrary: fc
      .tuple(fc.nat(5), fc.constantFrom(...channels), fc.constantFrom(undefined, "start" as const))
      .map(([index, channel, fresh]): Step => (world) => {
        const peer = peerOf(world, index);
        if (peer !== undefined) world.attach(peer, channel, fresh);
      }),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.nat(5), fc.constantFrom(...channels)).map(([index, channel]): Step => {
      return (world) => {
        const peer = peerOf(world, index);
        peer?.client.say({ t: "detach", channels: [channel] });
        peer?.client.channels.delete(channel);
      };
    }),
  },
  {
    weight: 10,
    arbitrary: fc.tuple(fc.nat(5), fc.integer({ min: 1, max: 20 })).map(([index, count]): Step => {
      return (world) => {
        const peer = peerOf(world, index);
        peer?.socket.drain(peer.client, peer.session, count);
      };
    }),
  },
  {
    weight: 8,
    arbitrary: fc.integer({ min: 1, max: 4 }).map(
      (n): Step =>
        (w) =>
          w.turns(n),
    ),
  },
  {
    weight: 2,
    arbitrary: fc.nat(5).map((index): Step => (world) => {
      const at = index % world.peers.length;
      const peer = world.peers[at];
      if (peer === undefined) return;
      peer.session.onClosed(1006);
      const next = world.join(peer.client);
      world.peers[at] = next;
      for (const name of [...next.client.channels.keys()]) world.attach(next, name, undefined);
    }),
  },
  {
    // More than a socket takes, while nobody reads.
    weight: 2,
    arbitrary: fc.constantFrom(...channels).map((channel): Step => async (world) => {
      for (let key = 0; key < 6; key++) {
        const value = `${key}`.repeat(30_000);
        world.reader.append([{ channel, op: "u", key, value }]);
        await world.turns(2);
      }
    }),
  },
  {
    weight: 3,
    arbitrary: fc.constantFrom(...channels).map((name): Step => (world) => {
      const floor = Math.floor(world.reader.serial(name) * 0.9);
      world.reader.raiseFloor(name, floor);
    }),
  },
  {
    weight: 1,
    arbitrary: fc.constant<Step>((world) => {
      world.reader.memoryFrom = world.reader.notice.log;
    }),
  },
  {
    weight: 1,
    arbitrary: fc.nat(3).map((turns): Step => (world) => {
      world.reader.readTurns = turns;
    }),
  },
);

test("every client equals the journal at every commit, whatever happens", async () => {
  let commits = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 20, maxLength: 150, size: "max" }),
      fc.constantFrom(200, 5_000, 200_000),
      async (steps, pageBytes) => {
        const world = new World(pageBytes);
        try {
          for (let n = 0; n < 3; n++) world.peers.push(world.join());
          await world.turns(2);
          for (const act of steps) await act(world);
          world.reader.readTurns = 1;
          await world.settle();
          expect(world.failure).toBeUndefined();
          commits += world.commits;
        } finally {
          await world.close();
        }
      },
    ),
    { numRuns: Number(process.env["FOLD_RUNS"] ?? 150) },
  );
  expect(commits).toBeGreaterThan(1_000);
  const reasons = ["attach", "slow", "huge", "lost", "resumed", "delta", "snapshot", "gap"];
  expect([...seen].sort()).toEqual(reasons.sort());
});
