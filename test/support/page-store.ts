/** Stores that live in a page of a real browser, as stores of the test: every call goes there. */
import type { Page } from "playwright-core";
import type { ErrorCode } from "../../src/base/error-catalogue.js";
import { AppError } from "../../src/base/errors.js";
import { silentLog } from "../../src/base/log.js";
import type {
  EntryBatch,
  KeptChannel,
  Store,
  StoreChanges,
  StoreUnit,
  TableChange,
} from "../../src/client/stores/store.js";
import { Watchers } from "../../src/client/stores/watchers.js";
import type { TableSchema } from "../../src/model/table.js";
import type { StorePage } from "../browser/store-page.js";
import { naturalRow } from "../contract/sqlite-subject.js";
import type { Row, StoreSubject } from "../contract/store.contract.js";

let count = 0;

/** Calls what the page has under this name. Plain data travels both ways, with bigints and bytes. */
export async function callPage<Name extends keyof StorePage>(
  page: Page,
  method: Name,
  ...args: Parameters<StorePage[Name]>
): Promise<Awaited<ReturnType<StorePage[Name]>>> {
  const run = ([called, given]: readonly [Name, readonly unknown[]]): unknown => {
    const { page: target } = globalThis as unknown as { page: StorePage };
    return (target[called] as (...values: readonly unknown[]) => unknown)(...given);
  };
  // Playwright's types look into the argument deeper than the compiler wants to go.
  const evaluate = page.evaluate.bind(page) as (
    code: unknown,
    argument: unknown,
  ) => Promise<unknown>;
  return (await evaluate(run, [method, args])) as Awaited<ReturnType<StorePage[Name]>>;
}

/** An opened IndexedDB store of a database of its own. */
export async function indexedDbSubject(page: Page): Promise<StoreSubject> {
  count += 1;
  const name = `store ${count}`;
  const store = new PageStore(page, callPage(page, "create", name));
  await store.open();
  return {
    store,
    rows: async ({ table }) => (await callPage(page, "rows", name, table)) as readonly Row[],
    again: () => new PageStore(page, callPage(page, "create", name)),
    close: async () => {
      await store.close();
      await callPage(page, "remove", name);
    },
  };
}

/** The same in SQLite on OPFS. */
export async function sqliteOpfsSubject(page: Page): Promise<StoreSubject> {
  count += 1;
  const name = `sqlite ${count}`;
  const store = new PageStore(page, callPage(page, "createSqlite", name));
  await store.open();
  return {
    store,
    rows: async (schema) => {
      const table = `"${schema.table.replaceAll('"', '""')}"`;
      const { rows } = await callPage(page, "sqliteRows", name, `SELECT * FROM ${table}`);
      return rows.map((row) => naturalRow(row, schema));
    },
    again: () => new PageStore(page, callPage(page, "createSqlite", name)),
    close: () => store.close(),
  };
}

export class PageStore implements Store {
  readonly #page: Page;
  readonly #id: Promise<number>;
  readonly #watchers = new Watchers(silentLog);

  /** `id`: of the store in the page. */
  constructor(page: Page, id: Promise<number>) {
    this.#page = page;
    this.#id = id;
  }

  async open(): Promise<readonly KeptChannel[]> {
    return (await this.#call("open")) as readonly KeptChannel[];
  }

  async check(schema: TableSchema): Promise<void> {
    await this.#call("check", schema);
  }

  async apply(unit: StoreUnit): Promise<StoreChanges> {
    return new Map((await this.#call("apply", unit)) as [string, TableChange][]);
  }

  async stage(batches: readonly EntryBatch[]): Promise<void> {
    await this.#call("stage", batches);
  }

  async unstage(channels: readonly string[]): Promise<void> {
    await this.#call("unstage", channels);
  }

  async detach(channels: readonly string[]): Promise<StoreChanges> {
    return new Map((await this.#call("detach", channels)) as [string, TableChange][]);
  }

  watch(
    tables: string | readonly string[] | undefined,
    listener: (changes: StoreChanges) => void,
  ): () => void {
    return this.#watchers.add(tables, listener);
  }

  async close(): Promise<void> {
    await this.#call("close");
  }

  async #call(method: keyof Store, argument?: unknown): Promise<unknown> {
    const answer = await callPage(this.#page, "call", await this.#id, method, argument);
    for (const changes of answer.told) {
      this.#watchers.tell(new Map(changes as [string, TableChange][]));
    }
    if (answer.error === undefined) return answer.value;
    throw new AppError(answer.error.code as ErrorCode, answer.error.message);
  }
}
