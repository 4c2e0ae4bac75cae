/**
 * Goal: what the stream tells of an update, applied to what is kept of the document, gives what the server made of
 * it, or says that it cannot be told; never something else. Method: random updates of random documents on a
 * real server; after each the raw description is applied to the forms before, and compared with the document.
 */
import type { Collection, Document } from "mongodb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { documentForm, itemsOf, membersOf, arrayForm } from "../../src/model/any-form.js";
import { documentForms } from "../../connectors/mongodb/values/document-forms.js";
import { elementsOf } from "../../connectors/mongodb/values/elements.js";
import type { UpdateReading } from "../../connectors/mongodb/values/forms.js";
import { documentFields, randomDocument, randomUpdate } from "../support/document-workload.js";
import { freshMongodbDatabase, sharedMongodb } from "../support/mongodb-server.js";
import { SeededRandom } from "../support/seeded-random.js";

const SEEDS = 20;
const UPDATES = 60;

let collection: Collection;
let changes: RawChanges;

beforeAll(async () => {
  const { db } = await freshMongodbDatabase();
  collection = await db.createCollection("documents");
  changes = new RawChanges(collection);
  await changes.open();
});

afterAll(async () => {
  await changes.close();
  await (await sharedMongodb()).close();
});

describe("an update, applied to the forms before it", () => {
  const told = { values: 0, patches: 0, untold: 0 };

  test.each(Array.from({ length: SEEDS }, (_, at) => at + 1))(
    "gives what the server made of the document, seed %d",
    async (seed) => {
      const random = new SeededRandom(seed);
      const _id = `seed ${String(seed)}`;
      await collection.insertOne({ ...randomDocument(random), _id } as Document);
      await changes.next();
      for (let count = 0; count < UPDATES; count += 1) {
        const before = await rawOf({ _id });
        const { name, update, arrayFilters, moves } = randomUpdate(random);
        const where = `seed ${String(seed)}, update ${String(count)}: ${name} ${JSON.stringify(update)}`;
        if (!(await changed(_id, update, arrayFilters))) continue;
        const change = await changes.next();
        const after = await rawOf({ _id });
        for (const reading of ["none", "nested"] as const) {
          const { forms, counts } = applied({ before, change, reading });
          told.values += counts.values;
          told.patches += counts.patches;
          told.untold += counts.untold;
          const wanted = documentForms(documentFields).document(after);
          expectSame({ forms, wanted, where: `${where}, ${reading}`, moves: moves === true });
        }
      }
    },
  );

  test("was often told, by values as well as by patches", () => {
    expect(told.values).toBeGreaterThan(300);
    expect(told.patches).toBeGreaterThan(300);
    expect(told.untold).toBeGreaterThan(300);
  });
});

test("a name with a dot is never taken for a path", async () => {
  const _id = "dots";
  await collection.insertOne({ _id: _id as never, a: { b: 1, c: [1, 2] }, list: [1, 2] });
  await changes.next();
  const fields = ["a", "a.b", "list", "list.0"];
  for (const set of ["a.b", "list.0"]) {
    const before = await rawOf({ _id });
    const root = { $setField: { field: { $literal: set }, input: "$$ROOT", value: 7 } };
    await collection.updateOne({ _id: _id as never }, [{ $replaceWith: root }]);
    const change = await changes.next();
    const description = partOf(change, "updateDescription");
    const kept = documentForms(fields).document(before);
    const none = documentForms(fields).update(description, "none");
    expect(none.values).toEqual([undefined, undefined, undefined, undefined]);
    expect(none.patches.size).toBe(0);
    expect(none.untold).toEqual(set === "a.b" ? [0, 1] : [2, 3]);
    // Nobody asks for what may have changed.
    expect(documentForms(["n"]).update(description, "none").untold).toEqual([]);
    expect(kept).toHaveLength(4);
  }
});

test("an item far past the end of an array comes with nulls before it, as on the server", async () => {
  const _id = "padded";
  await collection.insertOne({ _id: _id as never, tags: ["a"], deep: { rows: [] }, lines: [] });
  await changes.next();
  const updates: Document[] = [
    { $set: { "tags.3": "b" } },
    { $set: { "tags.7": "d", "tags.5": "c" } },
    { $set: { "deep.rows.2.cells": [], "lines.1.note.x": 1 } },
    { $push: { "deep.rows.2.cells": 1 }, $set: { "deep.rows.4.cells.1": 2 } },
    { $set: { "lines.1500002": 1 } },
  ];
  for (const update of updates) {
    const before = await rawOf({ _id });
    expect(await changed(_id, update, undefined)).toBe(true);
    const { forms } = applied({ before, change: await changes.next(), reading: "nested" });
    const wanted = documentForms(documentFields).document(await rawOf({ _id }));
    expect(
      forms.every((form, place) => form === wanted[place]),
      JSON.stringify(update),
    ).toBe(true);
  }
  // Never more at once.
  const refused = collection.updateOne({ _id: _id as never }, { $set: { "tags.1500009": 1 } });
  await expect(refused).rejects.toThrow("can't backfill more than 1500000 elements");
});

interface Applied {
  /** Undefined where it cannot be told. */
  readonly forms: readonly (string | undefined)[];
  readonly counts: { readonly values: number; readonly patches: number; readonly untold: number };
}

function applied(how: {
  readonly before: Buffer;
  readonly change: Buffer;
  readonly reading: UpdateReading;
}): Applied {
  const reader = documentForms(documentFields);
  const before = reader.document(how.before);
  const description = partOf(how.change, "updateDescription");
  const { values, patches, untold } = reader.update(description, how.reading);
  const forms = before.map((form, place) => {
    if (untold.includes(place)) return undefined;
    const patch = patches.get(place);
    return patch === undefined ? (values[place] ?? form) : patch(form);
  });
  const counts = {
    values: values.filter((value) => value !== undefined).length,
    patches: patches.size,
    untold: untold.length,
  };
  return { forms, counts };
}

function expectSame(found: {
  readonly forms: readonly (string | undefined)[];
  readonly wanted: readonly string[];
  readonly where: string;
  readonly moves: boolean;
}): void {
  for (const [place, wanted] of found.wanted.entries()) {
    const form = found.forms[place];
    if (form === undefined) continue;
    const pair = found.moves ? [ordered(form), ordered(wanted)] : [form, wanted];
    expect(pair[0], `${found.where}, ${documentFields[place] ?? ""}`).toBe(pair[1]);
  }
}

/** With the members of all documents in the order of their names. */
function ordered(form: string): string {
  const items = itemsOf(form);
  if (items !== undefined) return arrayForm(items.map(ordered));
  const members = membersOf(form);
  if (members === undefined) return form;
  const sorted = members.map(({ key, form: member }) => ({ key, form: ordered(member) }));
  return documentForm(sorted.sort((a, b) => (a.key < b.key ? -1 : 1)));
}

/** False where it changed nothing, or the server refused it: the document was of another make. */
async function changed(
  _id: string,
  update: Document,
  arrayFilters: Document[] | undefined,
): Promise<boolean> {
  try {
    const options = arrayFilters === undefined ? {} : { arrayFilters };
    const { modifiedCount } = await collection.updateOne({ _id: _id as never }, update, options);
    return modifiedCount > 0;
  } catch (error) {
    const { code } = error as { code?: number };
    // TypeMismatch, BadValue, PathNotViable and their kin.
    if (code !== undefined && [2, 14, 28, 9, 40, 16837].includes(code)) return false;
    throw error;
  }
}

async function rawOf(filter: Document): Promise<Buffer> {
  const [found] = await collection.find(filter, { raw: true }).toArray();
  return asBuffer(found);
}

class RawChanges {
  readonly #cursor;

  constructor(of: Collection) {
    this.#cursor = of.aggregate([{ $changeStream: {} }], { raw: true, maxAwaitTimeMS: 200 });
  }

  async open(): Promise<void> {
    await this.#cursor.tryNext();
  }

  async next(): Promise<Buffer> {
    return asBuffer(await this.#cursor.next());
  }

  async close(): Promise<void> {
    await this.#cursor.close();
  }
}

function asBuffer(found: unknown): Buffer {
  if (!(found instanceof Uint8Array)) throw new Error("raw bytes were expected");
  return Buffer.from(found);
}

function partOf(document: Buffer, name: string): Buffer {
  const found = elementsOf(document, 0).find((element) => element.name === name);
  if (found === undefined) throw new Error(`the change has no ${name}`);
  return document.subarray(found.at, found.at + document.readInt32LE(found.at));
}
