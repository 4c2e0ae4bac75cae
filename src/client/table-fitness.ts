/** Which tables a store can keep, asked once per version. */
import { AppError } from "../base/errors.js";
import type { TableSchema } from "../model/table.js";
import type { Store } from "./stores/store.js";

export class TableFitness {
  /** Tables whose newest version does not fit, with the reason. */
  readonly unfit = new Map<string, AppError>();
  readonly #store: Store;
  /** Versions that were looked at: undefined if fit. */
  readonly #looked = new Map<TableSchema, AppError | undefined>();

  constructor(store: Store) {
    this.#store = store;
  }

  async look(schema: TableSchema): Promise<void> {
    if (!this.#looked.has(schema)) this.#looked.set(schema, await this.#check(schema));
    const error = this.#looked.get(schema);
    if (error === undefined) this.unfit.delete(schema.table);
    else this.unfit.set(schema.table, error);
  }

  /** What did not fit is looked at again: the app may have mended it. */
  forget(): void {
    for (const [schema, error] of this.#looked)
      if (error !== undefined) this.#looked.delete(schema);
  }

  async #check(schema: TableSchema): Promise<AppError | undefined> {
    try {
      await this.#store.check(schema);
      return undefined;
    } catch (error) {
      const isUnfit =
        error instanceof AppError &&
        (error.code === "CLIENT_TABLE_EXISTS" || error.code === "CLIENT_TABLE_MISFIT");
      if (isUnfit) return error;
      throw error;
    }
  }
}
