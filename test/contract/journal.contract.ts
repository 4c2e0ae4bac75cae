/** What every journal must do, whatever it is kept in. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { BlockDraft, JournalWriter, ScannedDocument } from "../../src/journal/journal.js";
import type { Op } from "../../src/model/entry.js";
import type { SourcePosition } from "../../src/model/position.js";

export interface JournalSubject {
  /** Opens it, or opens it again after a close, with what it held. */
  open(): Promise<JournalWriter>;
  /** Carries `work` out, and forgets the deletions it made. */
  forget(journal: JournalWriter, work: () => Promise<void>): Promise<void>;
  remove(): void;
}

const nothing = { positions: new Map<string, SourcePosition>(), facts: new Map<string, string>() };

export function journalContract(name: string, create: () => JournalSubject): void {
  describe(`journal: ${name}`, () => {
    let subject: JournalSubject;
    let journal: JournalWriter;
    let schema: number;

    beforeEach(async () => {
      subject = create();
      journal = await subject.open();
      schema = schemaOf(journal);
    });

    afterEach(async () => {
      await journal.close();
      subject.remove();
    });

    const put = (draft: BlockDraft, id: number, value: string, channels = ["a"], op: Op = "i") =>
      putRow(draft, { id, value, channels, op, schema });

    const park = (draft: BlockDraft, id: number, isParked: boolean, relation = "t") =>
      putRow(draft, { id, value: "p", channels: [], op: "u", schema, relation, isParked });

    const block = async (...rows: [number, string, string[]?, Op?][]): Promise<number> => {
      const draft = journal.block();
      for (const [id, value, channels, op] of rows) await put(draft, id, value, channels, op);
      return journal.append(draft, nothing);
    };

    const again = async (): Promise<void> => {
      await journal.close();
      journal = await subject.open();
      schema = schemaOf(journal);
    };

    it("gives blocks the log numbers 1, 2, 3, and channels serials without holes", async () => {
      expect(await block([1, "x"], [2, "y", ["a", "b"]])).toBe(1);
      expect(await block([3, "z"])).toBe(2);
      expect(await entries(journal, "a")).toEqual(["1i1,x", "2i2,y", "3i3,z"]);
      expect(await entries(journal, "b")).toEqual(["1i2,y"]);
      expect((await journal.reader.head("a"))?.serial).toBe(3);
      expect(await journal.reader.head("c")).toBeUndefined();
    });

    it("shows a row once, as its newest entry, and what came after a place", async () => {
      await block([1, "x"], [2, "y"]);
      await block([1, "xx", ["a"], "u"]);
      expect(await entries(journal, "a")).toEqual(["2i2,y", "3u1,xx"]);
      expect(await entries(journal, "a", 2)).toEqual(["3u1,xx"]);
      expect(await entries(journal, "a", 3)).toEqual([]);
    });

    it("keeps positions and facts with their unit, and takes no log number for them alone", async () => {
      const place = { generation: 1, position: "05", mark: "m", memo: "" };
      const positions = new Map([["shop", place]]);
      await journal.append(journal.block(), { positions, facts: new Map([["f", "1"]]) });
      expect(journal.position("shop")).toEqual(place);
      expect(await block([1, "x"])).toBe(1);
      await again();
      expect(journal.position("shop")).toEqual(place);
      expect(journal.fact("f")).toBe("1");
      const none = new Map([["f", null]]);
      await journal.append(journal.block(), { positions: new Map(), facts: none });
      expect(journal.factNames("")).toEqual([]);
    });

    it("refuses a position that goes back", async () => {
      const at = (position: string) => ({
        facts: new Map<string, string>(),
        positions: new Map([["shop", { generation: 1, position, mark: "", memo: "" }]]),
      });
      await journal.append(journal.block(), at("05"));
      await expect(async () => journal.append(journal.block(), at("04"))).rejects.toThrow(
        "goes back",
      );
    });

    it("holds everything when it is opened again, and begins a new run", async () => {
      await block([1, "x"], [2, "y"]);
      await block([2, "yy", ["a"], "u"], [3, "z", ["b"]]);
      const { run } = journal;
      const notice = journal.reader.notice.log;
      await again();
      expect(journal.run).not.toBe(run);
      expect(journal.reader.notice.log).toBe(notice);
      expect(await entries(journal, "a")).toEqual(["1i1,x", "3u2,yy"]);
      expect(await documents(journal)).toEqual(["[1] x", "[2] yy", "[3] z"]);
      expect(await block([4, "v"])).toBe(notice + 1);
      expect((await journal.reader.head("a"))?.serial).toBe(4);
    });

    it("makes the parts of a huge unit one unit, serials going on from part to part", async () => {
      await block([1, "x"], [2, "y"]);
      const parts = journal.parts("shop");
      for (const [id, value] of [
        [1, "x2"],
        [2, "y2"],
        [3, "z2"],
      ] as const) {
        await put(parts, id, value, ["a", "b"], id < 3 ? "u" : "i");
        await parts.flush();
      }
      expect(await entries(journal, "a")).toEqual(["1i1,x", "2i2,y"]);
      expect(await parts.commit(nothing)).toBe(2);
      expect(await entries(journal, "a")).toEqual(["3u1,x2", "4u2,y2", "5i3,z2"]);
      expect(await entries(journal, "b")).toEqual(["1u1,x2", "2u2,y2", "3i3,z2"]);
      await block([3, "z3", ["a", "b"], "u"]);
      expect(await entries(journal, "a", 4)).toEqual(["6u3,z3"]);
      await again();
      expect(await entries(journal, "a")).toEqual(["3u1,x2", "4u2,y2", "6u3,z3"]);
    });

    it("forgets parts that are discarded, or left behind by an end", async () => {
      await block([1, "x"]);
      for (const end of ["discard", "leave"]) {
        const parts = journal.parts("shop");
        await put(parts, 1, end, ["a"], "u");
        await parts.flush();
        if (end === "discard") await parts.discard();
      }
      await again();
      expect(await entries(journal, "a")).toEqual(["1i1,x"]);
      expect(await documents(journal)).toEqual(["[1] x"]);
    });

    it("empties a table by one entry, where one relation alone feeds it", async () => {
      await block([1, "x"], [2, "y"]);
      expect(await journal.isSoleFeeder("rule", "t", "t")).toBe(true);
      const draft = journal.block();
      await draft.truncate("rule", "t", "t", schema);
      await put(draft, 9, "new");
      await journal.append(draft, nothing);
      expect(await entries(journal, "a")).toEqual(["3t", "4i9,new"]);
      expect(await documents(journal)).toEqual(["[9] new"]);
      await again();
      expect(await entries(journal, "a")).toEqual(["3t", "4i9,new"]);
    });

    it.each(["block", "parts"])(
      "counts who is parked while a table is emptied: %s",
      async (kind) => {
        const first = journal.block();
        for (const id of [1, 2, 3, 4]) await park(first, id, true);
        await park(first, 9, true, "other");
        await journal.append(first, nothing);
        expect(journal.reader.parkedCount).toBe(5);
        const parts = kind === "parts" ? journal.parts("shop") : undefined;
        const draft = parts ?? journal.block();
        await park(draft, 2, false);
        await park(draft, 3, true);
        await park(draft, 5, true);
        await parts?.flush();
        await park(draft, 5, false);
        await park(draft, 6, true);
        await draft.truncate("rule", "t", "t", schema);
        await park(draft, 1, true);
        await park(draft, 7, true);
        await parts?.flush();
        await park(draft, 1, false);
        await draft.truncate("rule", "t", "t", schema);
        await park(draft, 2, true);
        if (parts === undefined) await journal.append(draft, nothing);
        else await parts.commit(nothing);
        const found = await journal.reader.parked(undefined, 100);
        expect(found.map(({ key }) => key.relation + key.identity)).toEqual(["other[9]", "t[2]"]);
        expect(journal.reader.parkedCount).toBe(2);
        await again();
        expect(journal.reader.parkedCount).toBe(2);
      },
    );

    it("pages over documents in the order of their keys", async () => {
      await block(...Array.from({ length: 7 }, (_, id): [number, string] => [id, "x"]));
      const first = await journal.scan({ rule: "rule", limit: 3 });
      const after = first.at(-1)?.key;
      expect(after).toBeDefined();
      if (after === undefined) return;
      const rest = await journal.scan({ rule: "rule", relation: "t", after, limit: 10 });
      const all = [...first, ...rest].map(({ key }) => key.identity);
      expect(all).toEqual(["[0]", "[1]", "[2]", "[3]", "[4]", "[5]", "[6]"]);
      expect(await journal.scan({ rule: "other", limit: 3 })).toEqual([]);
    });

    it("pages over documents as they are when their page is read, also those that change between", async () => {
      await block(...Array.from({ length: 7 }, (_, id): [number, string] => [id, "x"]));
      const appended = block([6, "y", ["a"], "u"]);
      const first = await journal.scan({ rule: "rule", limit: 3 });
      await appended;
      await block([3, "y", ["a"], "u"], [8, "y"]);
      const draft = journal.block();
      draft.put({
        document: { rule: "rule", relation: "t", identity: "[4]" },
        state: null,
        entries: [],
      });
      await journal.append(draft, nothing);
      const after = first.at(-1)?.key;
      if (after === undefined) throw new Error("the first page is empty");
      const rest = await journal.scan({ rule: "rule", after, limit: 10 });
      const found = rest.filter(({ key }) => key.identity !== "[8]").map(told);
      expect(found).toEqual(["[3] y", "[5] x", "[6] y"]);
    });

    it("hides what an older version of a rule made, until it is written again", async () => {
      await block([1, "x"], [2, "y"]);
      const hiding = new Map([["rule", 2]]);
      await journal.append(journal.block(), { ...nothing, hiding });
      expect(await entries(journal, "a")).toEqual([]);
      await again();
      expect(await entries(journal, "a")).toEqual([]);
      const draft = journal.block();
      await putRow(draft, { id: 1, value: "x", channels: ["a"], op: "u", schema, ruleVersion: 2 });
      await journal.append(draft, nothing);
      expect(await entries(journal, "a")).toEqual(["3u1,x"]);
    });

    it("reads content page by page past a floor that was there when the reading began", async () => {
      await block(...Array.from({ length: 6 }, (_, id): [number, string] => [id, "x"]));
      await block([5, "xx", ["a"], "u"]);
      await subject.forget(journal, async () => {
        const draft = journal.block();
        const key = { rule: "rule", relation: "t", identity: "[4]" };
        await draft.prepare([key]);
        const entry = { channel: "a", kind: "state", op: "d", table: "t", schema } as const;
        const gone = {
          document: key,
          state: null,
          entries: [{ ...entry, body: Buffer.from("4") }],
        };
        draft.put(gone);
        await journal.append(draft, nothing);
      });
      const [first] = (await journal.reader.read([{ channel: "a", after: 0 }], 1)).channels;
      expect(first).toMatchObject({ belowFloor: false, reached: 1 });
      const floor = first?.floor ?? 0;
      expect(floor).toBe(8);
      const read = async (more: { floor?: number }) =>
        (await journal.reader.read([{ channel: "a", after: 1, ...more }], 10_000)).channels[0];
      expect(await read({})).toMatchObject({ belowFloor: true });
      const rest = await read({ floor });
      expect(rest).toMatchObject({ belowFloor: false, reached: 8, atHead: true });
      expect(rest?.entries.map(({ serial }) => serial)).toEqual([2, 3, 4, 7]);
    });

    it("tells live sessions what came, and whom a place belongs to", async () => {
      await block([1, "x"]);
      await block([2, "y"]);
      const live = journal.reader.live(1);
      const found = live?.channels.get("a")?.entries ?? [];
      expect(found.map(({ serial }) => serial)).toEqual([2]);
      const place = { run: journal.run, log: 2, epoch: 1, serial: 2 };
      expect(journal.reader.accepts(place)).toBe(true);
      expect(journal.reader.accepts({ ...place, log: 3 })).toBe(false);
      expect(journal.reader.accepts({ ...place, run: "other" })).toBe(false);
    });
  });
}

interface PutRow {
  readonly id: number;
  readonly value: string;
  readonly channels: readonly string[];
  readonly op: Op;
  readonly schema: number;
  readonly ruleVersion?: number;
  readonly relation?: string;
  readonly isParked?: boolean;
}

const PARKED = { code: "C", message: "m", position: "05", at: 0 };

export async function putRow(draft: BlockDraft, row: PutRow): Promise<void> {
  const { id, value, channels, op, schema, ruleVersion = 1, relation = "t" } = row;
  const document = { rule: "rule", relation, identity: `[${id}]` };
  const parked = row.isParked === true ? PARKED : undefined;
  await draft.prepare([document]);
  const body = Buffer.from(`${id},${value}`);
  const before = draft.document(document)?.targets.map(({ channel }) => channel) ?? [];
  const shown = [...new Set([...before, ...channels])];
  draft.put({
    document,
    state: {
      ...{ body, key: String(id), table: "t", schema, hidden: "", pending: "", channels: shown },
      ...{ leaf: "", copy: 1, ruleVersion, parked },
    },
    entries: channels.map((channel) => ({ channel, kind: "state", op, table: "t", schema, body })),
  });
}

export function schemaOf(journal: JournalWriter): number {
  const columns = [
    { name: "id", type: "int" as const },
    { name: "value", type: "text" as const },
  ];
  return journal.schemaVersion("t", { kind: "state", columns, key: ["id"] });
}

async function entries(journal: JournalWriter, channel: string, after = 0): Promise<string[]> {
  const lap = await journal.reader.read([{ channel, after }], 1_000_000);
  return (lap.channels[0]?.entries ?? []).map(
    ({ serial, op, body }) => `${serial}${op}${Buffer.from(body).toString()}`,
  );
}

async function documents(journal: JournalWriter): Promise<string[]> {
  return (await journal.scan({ rule: "rule", limit: 100 })).map(told);
}

function told({ key, document }: ScannedDocument): string {
  return `${key.identity} ${Buffer.from(document.body).toString().split(",")[1] ?? ""}`;
}
