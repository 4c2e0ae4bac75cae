/** From the configuration's words to an open journal. Which kinds there are is known here alone. */
import type { Clock, Random } from "../base/clock.js";
import type { JournalConfig } from "../config/config.js";
import type { JournalWriter } from "../journal/journal.js";
import type { JournalSettings } from "../journal/journal-settings.js";
import { openLmdbJournal, readParked } from "../journal/lmdb/lmdb-journal.js";
import { lookAtJournal } from "../journal/lmdb/look.js";
import type { JournalLook } from "../journal/lmdb/look.js";
import type { ParkedDocuments } from "../journal/lmdb/lmdb-journal.js";
import { openMemoryJournal } from "../journal/memory/memory-journal.js";

/** The thread that writes the derived state. */
const worker = new URL("../journal/lmdb/derived-worker.js", import.meta.url);

const MIB = 1024 ** 2;

export interface JournalSurroundings {
  readonly clock: Clock;
  readonly random: Random;
  /** Of this process. */
  readonly pid: number;
}

/** Errors: JOURNAL_… */
export async function openJournal(
  config: JournalConfig,
  around: JournalSurroundings,
): Promise<JournalWriter> {
  const settings = settingsOf(config);
  if (config.kind === "memory") return openMemoryJournal({ ...around, settings });
  const { path: folder, mapSizeGb: mapGib } = config;
  return openLmdbJournal({ ...around, settings, folder, mapGib, worker });
}

/** Of a journal that another process may be writing. Errors: JOURNAL_… */
export function openParked(config: JournalConfig): ParkedDocuments {
  return readParked(config.path, config.mapSizeGb);
}

/** Undefined where there is none to look at. Errors: JOURNAL_… */
export async function lookAt(config: JournalConfig): Promise<JournalLook | undefined> {
  return config.kind === "memory" ? undefined : lookAtJournal(config.path, config.mapSizeGb);
}

function settingsOf({ retention, memoryMb }: JournalConfig): Partial<JournalSettings> {
  const { blocks, events, tombstones } = retention;
  return {
    ...{ blocksAgeMs: blocks.ageMs, blocksBytesMax: blocks.bytes },
    ...{ eventsAgeMs: events.ageMs, eventsBytesMax: events.bytes, eventsCountMax: events.count },
    tombstonesAgeMs: tombstones.ageMs,
    behindBytesMax: memoryMb * MIB,
  };
}
