/** A look at a journal that makes and changes nothing: for a check, also beside the process that writes it. */
import { platform } from "node:os";
import type { SourcePosition } from "../../model/position.js";
import { BlocksFile } from "./blocks-file.js";
import { lookIntoFolder } from "./journal-folder.js";
import { findWriter } from "./writer-lock.js";

const GIB = 1024 ** 3;

export interface JournalLook {
  /** Process id of who writes it at the moment. */
  readonly writer: string | undefined;
  /** By source. */
  readonly positions: ReadonlyMap<string, SourcePosition>;
  readonly facts: ReadonlyMap<string, string>;
}

/** Undefined where there is no journal yet. Throws JOURNAL_FOREIGN, _NEWER, _DAMAGED, _UNREADABLE. */
export async function lookAtJournal(folder: string, mapGib = 64): Promise<JournalLook | undefined> {
  const files = lookIntoFolder(folder);
  if (files === undefined) return undefined;
  const writer = await findWriter(folder, platform());
  const blocks = new BlocksFile({ path: files.blocks, mapBytes: mapGib * GIB, readOnly: true });
  try {
    return { writer, positions: blocks.positions(), facts: blocks.facts() };
  } finally {
    await blocks.environment.close();
  }
}
