/**
 * What every connector owes (src/connector/connector.ts), as one suite: run it against a source that can be
 * written to, cut and made to forget. The guard stands between, as in the service, so that a broken rule of
 * its own fails the test too.
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Write } from "../../connectors/scripted/scripted-source.js";
import { systemClock, systemRandom } from "../../src/base/clock.js";
import { AppError } from "../../src/base/errors.js";
import { silentLog } from "../../src/base/log.js";
import type { Connector, CopyRow, OpenContext } from "../../src/connector/connector.js";
import { guardConnector } from "../../src/connector/guard.js";
import type { Change, RowChange } from "../../src/model/change.js";
import type { SourcePosition } from "../../src/model/position.js";
import { chunkOf, copyAll, relationOf } from "../support/postgres-world.js";
import { Reading, systemSleep } from "../support/stream-world.js";

/**
 * A source with the tables `items` (id: a whole number, the key; name, notes: texts) and `other` (id, the
 * key), both empty, under the names that rules use.
 */
export interface ConnectorSubject<Options> {
  readonly connector: Connector<Options>;
  readonly options: Options;
  /** Options as the YAML has them, and some that are wrong. */
  readonly written: { readonly good: unknown; readonly bad: unknown };
  readonly items: string;
  readonly other: string;
  /** The key's own name, where it is not `id`; it never changes then. */
  readonly key?: "_id";
  /** One transaction. */
  commit(writes: readonly Write[]): Promise<void>;
  /** Breaks the open connection. */
  cut(): Promise<void>;
  /** Loses what was not read yet, for good. */
  forget(): Promise<void>;
  close(): Promise<void>;
}

export function connectorContract<Options>(
  name: string,
  make: () => Promise<ConnectorSubject<Options>>,
): void {
  describe(`the connector ${name}`, () => {
    let subject: ConnectorSubject<Options>;
    let readings: Reading[] = [];

    beforeEach(async () => {
      subject = await make();
    });

    afterEach(async () => {
      for (const reading of readings) await reading.close();
      readings = [];
      await subject.close();
    });

    const context = (
      signal: AbortSignal,
      resume?: SourcePosition,
      relations = [subject.items, subject.other],
    ): OpenContext<Options> => ({
      ...{ source: "shop", options: subject.options, relations, resume, signal },
      fields: () => ["name", "notes"],
      ...{ clock: systemClock, random: systemRandom, log: silentLog },
    });

    const open = async (resume?: SourcePosition, relations?: string[]): Promise<Reading> => {
      const life = new AbortController();
      const guarded = guardConnector(subject.connector);
      const session = await guarded.open(context(life.signal, resume, relations));
      const reading = new Reading(session, life);
      readings.push(reading);
      return reading;
    };

    const insert = (id: number, table = subject.items): Promise<void> => {
      const key = { [subject.key ?? "id"]: id };
      const row = table === subject.items ? { ...key, name: `n${String(id)}`, notes: "x" } : key;
      return subject.commit([{ insert: table, row }]);
    };

    it("takes good options, and says of bad ones all that is wrong", () => {
      const { connector, written } = subject;
      expect(connector.parseOptions(written.good)).toHaveProperty("options");
      const bad = connector.parseOptions(written.bad);
      const problems = "problems" in bad ? bad.problems : [];
      expect(problems.length).toBeGreaterThan(0);
      for (const problem of problems) {
        expect(problem).toMatchObject({ code: "CONFIG_INVALID", level: "error" });
        expect(problem.cure).not.toBe("");
      }
      expect(connector.optionsSchema).toMatchObject({ type: "object" });
    });

    it("checks what it would read, and changes nothing", async () => {
      const { signal } = new AbortController();
      const { problems, relations } = await subject.connector.check(context(signal));
      expect(problems.filter(({ level }) => level === "error")).toEqual([]);
      expect(relations.map((relation) => relation.name).sort()).toEqual(
        [subject.items, subject.other].sort(),
      );
      expect(problems.filter(({ path }) => path !== undefined)).toEqual([]);
    });

    it("begins with generation 1 and says at once that nothing is waiting", async () => {
      const reading = await open();
      expect([reading.session.generation, reading.lost]).toEqual([1, undefined]);
      await reading.until(() => reading.batches.length > 0);
      expect(reading.batches[0]).toMatchObject({ kind: "idle" });
      await reading.until(() =>
        reading.batches.some((each) => each.kind === "idle" && each.atHead),
      );
    });

    it("shows the relations that are asked for, and no change of others", async () => {
      const reading = await open(undefined, [subject.other]);
      expect(reading.session.relations.map((relation) => relation.name)).toEqual([subject.other]);
      await insert(1);
      await insert(2, subject.other);
      await reading.until(() => reading.changes.length > 0);
      expect(reading.changes.map(({ relation }) => relation.name)).toEqual([subject.other]);
    });

    it("yields transactions whole, in commit order, at rising positions", async () => {
      const reading = await open();
      const key = { [subject.key ?? "id"]: 1 };
      await subject.commit([
        { insert: subject.items, row: { ...key, name: "a", notes: "x" } },
        { insert: subject.other, row: key },
        { update: subject.items, key: [1], set: { name: "b" } },
      ]);
      await insert(2);
      await reading.until(() => reading.changes.length === 4);
      expect(reading.changes.map(({ op }) => op)).toEqual(["insert", "insert", "update", "insert"]);
      const units = new Set(reading.transactions.map(({ transaction }) => transaction));
      expect(units.size).toBe(2);
      const positions = reading.transactions.map(({ position }) => position);
      expect([...positions].sort()).toEqual(positions);
      const age = Math.abs(Date.now() - (reading.transactions[0]?.committedAt ?? 0));
      expect(age).toBeLessThan(120_000);
    });

    it("tells values as JSON, and what an update left alone truly or not at all", async () => {
      const reading = await open();
      const key = { [subject.key ?? "id"]: 1 };
      await subject.commit([{ insert: subject.items, row: { ...key, name: 'a"', notes: null } }]);
      await subject.commit([{ update: subject.items, key: [1], set: { name: "b" } }]);
      await subject.commit([{ delete: subject.items, key: [1] }]);
      await reading.until(() => reading.changes.length === 3);
      const [first, second, last] = reading.changes as RowChange[];
      expect(first?.values).toEqual(["1", String.raw`"a\""`, "null"]);
      expect(second?.values.slice(0, 2)).toEqual(["1", '"b"']);
      expect(["null", undefined]).toContain(second?.values[2]);
      expect(second).not.toHaveProperty("previous");
      expect([last?.op, last?.identity]).toEqual(["delete", "[1]"]);
    });

    it("tells of a row under another key which one it was", async () => {
      if (subject.key !== undefined) return;
      const reading = await open();
      await insert(1);
      await subject.commit([{ update: subject.items, key: [1], set: { id: 2 } }]);
      await reading.until(() => reading.changes.length === 2);
      const [, moved] = reading.changes as RowChange[];
      expect([moved?.identity, moved?.previous]).toEqual(["[2]", "[1]"]);
    });

    it("tells that a table was emptied", async () => {
      const reading = await open();
      await insert(1);
      await subject.commit([{ truncate: subject.items }]);
      await reading.until(() => reading.changes.length === 2);
      expect(reading.changes[1]?.op).toBe("truncate");
      expect(reading.changes[1]?.relation.fingerprint).toBe(
        relationOf(reading, subject.items).fingerprint,
      );
    });

    it("goes on behind a position, and comes again with what was not kept", async () => {
      const first = await open();
      first.acknowledges = false;
      for (const id of [1, 2, 3]) {
        await insert(id);
        await first.until(() => first.changes.length === id);
      }
      const { generation } = first.session;
      const { position = "", mark = "" } = first.transactions[0] ?? {};
      const memo = first.session.memo();
      await first.close();
      await insert(4);
      const second = await open({ generation, position, mark, memo });
      expect([second.session.generation, second.lost]).toEqual([generation, undefined]);
      await second.until(() => second.changes.length === 3);
      expect(identitiesOf(second.changes)).toEqual(["[2]", "[3]", "[4]"]);
    });

    it("takes acknowledgements in any order, and keeps what was not acknowledged", async () => {
      const first = await open();
      first.acknowledges = false;
      for (const id of [1, 2, 3]) {
        await insert(id);
        await first.until(() => first.changes.length === id);
      }
      const [one, two] = first.transactions;
      const memo = first.session.memo();
      first.session.acknowledge(two?.position ?? "");
      first.session.acknowledge(one?.position ?? "");
      await systemSleep(300);
      await first.close();
      const { position = "", mark = "" } = two ?? {};
      const second = await open({ generation: 1, position, mark, memo });
      expect(second.lost).toBeUndefined();
      await second.until(() => second.changes.length === 1);
      expect(identitiesOf(second.changes)).toEqual(["[3]"]);
    });

    it("fails with an AppError when the connection breaks; the next one goes on", async () => {
      const first = await open();
      await insert(1);
      await first.until(() => first.changes.length === 1);
      await subject.cut();
      expect(await first.failed()).toBeInstanceOf(AppError);
      expect(first.session.memo().length).toBeLessThan(256 * 1024);
      const { position } = first;
      await first.close();
      await insert(2);
      const second = await open(position);
      expect(second.lost).toBeUndefined();
      await second.until(() => second.changes.length === 1);
      expect(identitiesOf(second.changes)).toEqual(["[2]"]);
    });

    it("says loudly that history was lost, and begins a new generation (I7)", async () => {
      const first = await open();
      await insert(1);
      await first.until(() => first.changes.length === 1);
      const { position } = first;
      await first.close();
      await subject.forget();
      const second = await open(position);
      expect(second.session.generation).toBe(2);
      expect(second.lost?.message).toContain("shop");
      await insert(5);
      await second.until(() => second.changes.length > 0);
      expect(identitiesOf(second.changes).at(-1)).toBe("[5]");
    });

    it("copies every row once, in chunks that lead on to the next", async () => {
      for (let id = 1; id <= 25; id += 1) await insert(id);
      const reading = await open();
      const { rows, chunks } = await copyAll(reading, subject.items, { rowsMax: 10 });
      expect(chunks.length).toBeGreaterThanOrEqual(3);
      expect(new Set(idsOf(rows)).size).toBe(25);
      expect(rows).toHaveLength(25);
    });

    it("shows in a chunk what was yielded before, and gets to the chunk's place (I3)", async () => {
      const reading = await open();
      for (const id of [1, 2, 3]) {
        await insert(id);
        await reading.until(() => reading.changes.length === id);
        const chunk = await chunkOf(reading, relationOf(reading, subject.items));
        expect(idsOf(chunk.rows)).toEqual(
          Array.from({ length: id }, (_, at) => `[${String(at + 1)}]`),
        );
        await reading.until(() => (reading.position?.position ?? "") >= chunk.hi);
      }
    });

    it("shows equal relations in stream and copy", async () => {
      const reading = await open();
      await insert(1);
      await reading.until(() => reading.changes.length === 1);
      const { rows } = await copyAll(reading, subject.items);
      const [change] = reading.changes as RowChange[];
      expect(rows[0]?.relation.fingerprint).toBe(change?.relation.fingerprint);
      expect(rows[0]?.values).toEqual(change?.values);
      expect(rows[0]?.identity).toBe(change?.identity);
    });

    it("says how far it is behind, if it can", async () => {
      const reading = await open();
      await reading.atHead();
      const lag = await reading.session.lag?.(reading.position?.position ?? "");
      expect(lag?.bytes ?? 0).toBeGreaterThanOrEqual(0);
    });

    it("reads the positions that it gives, and no others", async () => {
      const reading = await open();
      await reading.until(() => reading.position !== undefined);
      const { position = "" } = reading.position ?? {};
      expect(subject.connector.parsePosition(position)).toBe(position);
      expect(subject.connector.parsePosition("not a place")).toBeUndefined();
    });

    it("ends with its signal and may be closed twice, also before anything was read", async () => {
      const reading = await open();
      await reading.close();
      await reading.close();
      expect(reading.failure).toBeUndefined();
      const life = new AbortController();
      const session = await subject.connector.open(context(life.signal));
      await session.close();
      await session.close();
    });

    it("gives an opening up with its signal", async () => {
      const life = new AbortController();
      life.abort(new Error("enough"));
      const opening = guardConnector(subject.connector).open(context(life.signal));
      // A source that is there at once may as well be opened.
      const outcome = await opening.then(
        async (session) => {
          await session.close();
          return "opened";
        },
        (error: unknown) => error,
      );
      expect(["opened", life.signal.reason]).toContain(outcome);
    });
  });
}

function identitiesOf(changes: readonly Change[]): (string | null)[] {
  return (changes as RowChange[]).map(({ identity }) => identity);
}

function idsOf(rows: readonly CopyRow[]): string[] {
  return rows.map(({ identity }) => identity);
}
