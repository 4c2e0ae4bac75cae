/** What must hold between the source and the disk: I1, I2, I7 of the source, and the rows of each unit. */
import type { MemoryAppend } from "../../src/journal/memory/memory-journal.js";
import type { MakeChecker, Opened, Scene } from "./checkers.js";
import { contentsOf } from "./journal-model.js";
import { DEEDS, SOURCE, stateChannels } from "./shop.js";
import { pipelineSettings } from "./writer.js";

/** I1: nothing is acknowledged that the disk does not have; mere positions are journaled now and then only. */
export const acknowledgesDurable: MakeChecker = ({ disk, scheduler }, violated) => {
  let idle = 0;
  let excused = 2;
  return {
    opened: () => {
      // A session that ends has what it collected journaled at once.
      excused += 2;
    },
    acknowledged: (history, position) => {
      const held = disk.positions.get(SOURCE);
      const isHeld = held?.memo === history && held.position >= position;
      if (!isHeld) violated(`${history} ${position} was acknowledged, the disk has ${told(held)}`);
    },
    durable: ({ unit, after }) => {
      if (unit !== undefined || after.facts.size > 0 || after.copying !== undefined) return;
      idle += 1;
      const most = excused + scheduler.monotonic() / pipelineSettings.idleMs;
      if (idle > most) violated(`${idle} appends of mere positions, at most ${most} may be`);
    },
  };
};

interface Reading extends Opened {
  readonly seen: number[];
}

/** I2: entries and the position they came from change together, and nothing is appended twice. */
export const appendsOnce: MakeChecker = ({ disk, shop }, violated) => {
  let readings = new Map<number, Reading>();
  return {
    opened: (generation, at) => {
      // One of which nothing was journaled begins anew.
      if (disk.positions.get(SOURCE)?.generation === generation) return;
      readings.set(generation, { ...at, seen: [] });
    },
    durable: (append) => {
      const held = disk.positions.get(SOURCE);
      const reading = readings.get(held?.generation ?? 0);
      const told = deedsOf(append);
      if (held === undefined || reading === undefined) {
        if (told.length > 0) violated(`deeds ${told.join()} without a position`);
        return;
      }
      reading.seen.push(...told);
      const due = shop.deeds(reading.history, reading.after, held.position);
      if (reading.seen.join() === due.join()) return;
      violated(
        `at ${held.generation}/${held.position} the channel holds the deeds ${reading.seen.join()} instead of ${due.join()}`,
      );
    },
    save: () => {
      const kept = new Map(
        [...readings].map(([generation, reading]) => [
          generation,
          { ...reading, seen: [...reading.seen] },
        ]),
      );
      return () => {
        readings = kept;
      };
    },
  };
};

/** I7, of the source: another history is another generation, and `events` channels tell the gap. */
export const tellsLostSource: MakeChecker = ({ disk, shop }, violated) => {
  let generation = 0;
  let owesGap = false;
  return {
    opened: (opened, { history, after }) => {
      const held = disk.positions.get(SOURCE);
      if (held?.generation === opened && held.memo !== history) {
        violated(`generation ${opened} goes on from history ${held.memo} to ${history}`);
      }
      if (after < shop.source.slot) {
        violated(`${after} is read on although the source begins at ${shop.source.slot}`);
      }
    },
    durable: (append) => {
      const now = disk.positions.get(SOURCE)?.generation ?? 0;
      const { entries } = contentsOf(append, DEEDS);
      if (now > generation && generation > 0) {
        owesGap = (disk.heads.get(DEEDS)?.serial ?? 0) > entries.length;
      }
      generation = now;
      for (const { op } of entries) {
        if (op === "g") owesGap = false;
        else if (owesGap) violated(`generation ${now} has deeds before the gap is told`);
      }
    },
    save: () => {
      const kept = { generation, owesGap };
      return () => {
        ({ generation, owesGap } = kept);
      };
    },
  };
};

/** Of I4: what is on the disk after a unit is what the rules say of the tables after a transaction. */
export const unitsAreTransactions: MakeChecker = (scene, violated) => ({
  durable: ({ unit }, set) => {
    if (unit === undefined || !scene.model.isWhole(unit.log)) return;
    for (const channel of stateChannels) {
      const found = textsAt(scene, channel);
      const due = rowsDue(scene, channel, set);
      if (due === undefined) violated(`log ${unit.log} stands at no transaction's end`);
      else if (!isSame(found, due)) {
        violated(`${channel} at log ${unit.log}: ${told(found)} instead of ${told([...due])}`);
      }
    }
  },
});

/** Of I8: no unit leaves a row in a channel to which the rules do not send it. */
export const leavesNoRows: MakeChecker = (scene, violated) => ({
  durable: ({ unit }, set) => {
    if (unit === undefined || !scene.model.isWhole(unit.log)) return;
    for (const channel of stateChannels) {
      const due = rowsDue(scene, channel, set);
      const stray = textsAt(scene, channel).find((text) => due?.has(text) === false);
      if (stray !== undefined) violated(`${channel} at log ${unit.log} still holds ${stray}`);
    }
  },
});

function textsAt({ model }: Scene, channel: string): string[] {
  return [...model.at(channel, model.log).rows.values()].map(({ text }) => text);
}

function rowsDue(
  { disk, shop }: Scene,
  channel: string,
  set: Parameters<Scene["shop"]["expected"]>[2],
): ReadonlySet<string> | undefined {
  const held = disk.positions.get(SOURCE);
  if (held === undefined) return undefined;
  return shop.expected(channel, { history: held.memo, position: held.position }, set);
}

function isSame(found: readonly string[], due: ReadonlySet<string>): boolean {
  return found.length === due.size && found.every((text) => due.has(text));
}

function deedsOf(append: MemoryAppend): number[] {
  const { entries } = contentsOf(append, DEEDS);
  return entries.filter(({ op }) => op !== "g").map(({ body }) => Number(Buffer.from(body)));
}

function told(value: unknown): string {
  return JSON.stringify(value);
}
