/** From the configuration's words to an open journal. Which kinds there are is known here alone. */
import type { Clock, Random } from "../base/clock.js";
import type { JournalConfig } from "../config/config.js";
import type { JournalReader, JournalWriter } from "../journal/journal.js";
import { openMemoryJournal } from "../journal/memory/memory-journal.js";

export interface JournalSurroundings {
  readonly clock: Clock;
  readonly random: Random;
}

/** A journal that another process may be writing, opened for its parked documents. */
export interface ParkedReader {
  readonly count: number;
  page: JournalReader["parked"];
  close(): Promise<void>;
}

/** Errors: JOURNAL_… */
export async function openJournal(
  _config: JournalConfig,
  around: JournalSurroundings,
): Promise<JournalWriter> {
  return openMemoryJournal(around);
}

/** Errors: JOURNAL_… */
export async function openParked(_config: JournalConfig, clock: Clock): Promise<ParkedReader> {
  const journal = openMemoryJournal({ clock });
  const { reader } = journal;
  return {
    count: reader.parkedCount,
    page: (...asked) => reader.parked(...asked),
    close: () => journal.close(),
  };
}
