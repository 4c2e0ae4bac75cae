/**
 * Who brings units from the blocks file into the derived one. Both files say all that it takes, so it may run
 * in the thread that appends or in one of its own (derived-thread.ts).
 */
import { must } from "../../base/assert.js";
import type { LogNumber } from "../journal.js";
import type { BlocksFile } from "./blocks-file.js";
import { MetaKey } from "./derived-file.js";
import type { DerivedFile } from "./derived-file.js";
import { numberKey } from "./row-keys.js";
import { WriteBack } from "./write-back.js";

export interface DerivedWriter {
  /**
   * The units `from` to `to`, none of them huge, are in the derived file when it resolves. `from` follows what is there;
   * of a batch that was cut off all units are there too, also those behind `to`.
   */
  units(from: LogNumber, to: LogNumber): Promise<void>;
  /** The parts of the huge unit `log`, whose commit is durable and follows what is in the derived file. */
  merge(log: LogNumber): Promise<void>;
  close(): Promise<void>;
}

export class BlockWriter implements DerivedWriter {
  readonly #blocks: BlocksFile;
  readonly #file: DerivedFile;
  readonly #writeBack: WriteBack;

  constructor(blocks: BlocksFile, file: DerivedFile, slicePages: number) {
    this.#blocks = blocks;
    this.#file = file;
    this.#writeBack = new WriteBack(file, slicePages);
  }

  async units(from: LogNumber, to: LogNumber): Promise<void> {
    this.#file.environment.fresh();
    const cutOff = this.#file.number(MetaKey.writing);
    // What was cut off is written again as it was: a larger batch leaves out rows that a later unit takes back, and
    // would not remove what was written of them; a smaller one would say nothing of what was written behind it.
    if (cutOff >= from) this.#batch(from, cutOff);
    if (cutOff < to) this.#batch(Math.max(from, cutOff + 1), to);
  }

  async merge(log: LogNumber): Promise<void> {
    const { environment, meta } = this.#file;
    this.#blocks.environment.fresh();
    const { unit, parts } = this.#blocks.block(log);
    const { id, count } = must(parts, `the parts of block ${log}`);
    environment.commitNow(() => {
      meta.putNow(MetaKey.merging, numberKey(log));
    });
    const baseOf = (name: string) => must(unit.channels.get(name), `channel ${name} of a unit`);
    for (let at = 0; at < count; at += 1) {
      const bytes = this.#blocks.part(id, at);
      const fold = this.#writeBack.fold();
      this.#blocks.reading(`part ${at} of unit ${id}`, () => {
        fold.part(bytes, log, baseOf);
      });
      this.#writeBack.part(fold);
    }
    this.#writeBack.whole(unit);
  }

  async close(): Promise<void> {
    // The files are their owner's.
  }

  #batch(from: LogNumber, to: LogNumber): void {
    this.#blocks.environment.fresh();
    const fold = this.#writeBack.fold();
    for (let log = from; log <= to; log += 1) {
      const bytes = this.#blocks.bytes(log);
      const told = this.#blocks.reading(`block ${log}`, () => fold.block(bytes));
      if (told !== log) throw this.#blocks.damaged(`block ${log}`, `it says that it is ${told}`);
    }
    this.#writeBack.units(fold);
  }
}
