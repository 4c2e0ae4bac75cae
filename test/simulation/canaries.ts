/**
 * Parts made wrong on purpose, one for each checker: a simulation with one of them must fail, by that
 * checker alone. A checker that passes its canary looks at nothing.
 */
import type { Connector, SourceSession } from "../../src/connector/connector.js";
import type { SourceBatch } from "../../src/model/change.js";
import type { CommitFrame, ServerFrame } from "../../src/protocol/frames.js";
import { positionText } from "../../connectors/scripted/scripted-source.js";
import type { Mutation } from "./world.js";
import { SOURCE } from "./shop.js";

export interface Canary extends Mutation {
  /** Faults that are to strike: without them the mistake shows seldom. */
  readonly faults?: readonly string[];
  readonly actions?: number;
}

/** By the checker that must see it. */
export const canaries: ReadonlyMap<string, Canary> = new Map<string, Canary>([
  [
    "I1 acknowledges what is durable",
    // The source may forget a transaction as soon as it was read.
    {
      writer: {
        connector: reading((inner, batch) => {
          inner.acknowledge(batch.position);
          return [batch];
        }),
      },
    },
  ],
  [
    "I2 appends once",
    // Entries reach the disk without their position.
    {
      writer: {
        wrote: (disk, before) => {
          if (before !== undefined) disk.positions.set(SOURCE, before);
        },
      },
    },
  ],
  ["I3 tells what is durable", { writer: { showsEarly: true } }],
  [
    "I4 units are transactions",
    // One transaction is told as one for each of its parts.
    { writer: { connector: reading((_inner, batch) => apart(batch)) } },
  ],
  [
    "I4 commits speak for all channels",
    { network: { alter: commits((frame) => ({ ...frame, moved: frame.moved.slice(0, 1) })) } },
  ],
  [
    "I4 devices show whole units",
    // The store takes a part of the unit.
    { device: { alter: (unit) => ({ ...unit, batches: unit.batches.slice(0, 1) }) } },
  ],
  [
    "I5 serials have no holes",
    {
      network: {
        alter: commits((frame) => ({
          ...frame,
          moved: frame.moved.map(([channel, epoch, from, to]) => [channel, epoch, from + 1, to]),
        })),
      },
    },
  ],
  [
    "I6 devices reopen consistent",
    // Places move without their rows.
    { device: { alter: (unit) => ({ ...unit, batches: [] }) } },
  ],
  [
    "I7 a lost source is told",
    { writer: { connector: opening((session, resume) => asIfHeld(session, resume)) } },
  ],
  [
    "I7 a lost journal is told",
    // The server takes any place for one of its own.
    {
      gateway: { accepts: true },
      faults: ["the journal is backed up", "the journal is restored"],
    },
  ],
  [
    "I8 the journal leaves no rows",
    { writer: { connector: reading((_inner, batch) => [withoutDeletes(batch)]) } },
  ],
  [
    "I8 devices show no stray rows",
    {
      device: {
        alter: (unit) => ({
          ...unit,
          batches: unit.batches.map((batch) => ({
            ...batch,
            entries: batch.entries.filter(([, , , op]) => op !== "d" && op !== "m"),
          })),
        }),
      },
    },
  ],
  // Sockets say that nothing waits in them.
  [
    "I9 waits are bounded",
    { network: { shows: () => 0 }, faults: ["a device reads slowly"], actions: 100 },
  ],
  [
    "devices end where the tables are",
    {
      device: {
        alter: (unit) => ({
          ...unit,
          batches: unit.batches.map((batch) => ({ ...batch, entries: batch.entries.slice(1) })),
        }),
      },
    },
  ],
]);

type ConnectorMutation = NonNullable<NonNullable<Mutation["writer"]>["connector"]>;
type Resume = Parameters<Connector["open"]>[0]["resume"];

function opening(
  alter: (session: SourceSession, resume: Resume) => SourceSession,
): ConnectorMutation {
  return (connector) => ({
    ...connector,
    open: async (context) => alter(await connector.open(context), context.resume),
  });
}

function reading(
  alter: (session: SourceSession, batch: SourceBatch) => readonly SourceBatch[],
): ConnectorMutation {
  return opening((session) => {
    async function* read(signal: AbortSignal): AsyncGenerator<SourceBatch> {
      for await (const batch of session.read(signal)) yield* alter(session, batch);
    }
    return over(session, { read });
  });
}

/** Classes keep their state private: what is not altered is asked of the session itself. */
function over(session: SourceSession, altered: Partial<SourceSession>): SourceSession {
  const { generation, lost, relations, copy } = session;
  return {
    ...{ generation, lost, relations },
    ...(copy === undefined ? {} : { copy }),
    read: (signal) => session.read(signal),
    acknowledge: (position) => {
      session.acknowledge(position);
    },
    memo: () => session.memo(),
    close: () => session.close(),
    ...altered,
  };
}

function asIfHeld(session: SourceSession, resume: Resume): SourceSession {
  if (session.lost === undefined || resume === undefined) return session;
  return over(session, { generation: resume.generation, lost: undefined });
}

function apart(batch: SourceBatch): SourceBatch[] {
  if (batch.kind === "idle") return [batch];
  const { part, last, position, transaction } = batch;
  // Between the transaction before and its own.
  const place = last ? position : `${positionText(Number(position) - 1)}/${part}`;
  return [
    { ...batch, part: 0, last: true, position: place, transaction: `${transaction}/${part}` },
  ];
}

function withoutDeletes(batch: SourceBatch): SourceBatch {
  if (batch.kind === "idle") return batch;
  return { ...batch, changes: batch.changes.filter(({ op }) => op !== "delete") };
}

function commits(alter: (frame: CommitFrame) => CommitFrame): (text: string) => string {
  return (text) =>
    text
      .split("\n")
      .map((line) => {
        if (line === "") return line;
        const frame = JSON.parse(line) as ServerFrame;
        return frame.t === "commit" ? JSON.stringify(alter(frame)) : line;
      })
      .join("\n");
}
