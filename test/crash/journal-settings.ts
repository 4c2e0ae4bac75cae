/** What the process that is killed and the one that looks afterwards must agree on. */
import type { JournalSettings } from "../../src/journal/journal-settings.js";

/** Longer than the step in which the journal notes the times of log numbers. */
const UNIT_MS = 61_000;

/** Each unit takes a minute of the journal's time, so that retention works all along. */
export function crashTime(unit: number): number {
  return 1_700_000_000_000 + unit * UNIT_MS;
}

export const EVENTS_KEPT = 20;

export const crashSettings: Partial<JournalSettings> = {
  retentionEveryMs: 15,
  tombstonesAgeMs: 12 * UNIT_MS,
  blocksAgeMs: 6 * UNIT_MS,
  eventsCountMax: EVENTS_KEPT,
  // Every write-back takes several transactions, and may be cut off between them.
  slicePages: 4,
};

export function positionOf(unit: number): string {
  return String(unit).padStart(8, "0");
}
