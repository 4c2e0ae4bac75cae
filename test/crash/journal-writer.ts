/**
 * The process that the journal's crash test kills: opens the journal, appends unit after unit, and kills
 * itself with SIGKILL the n-th time that it is before, in or after a named call. Says "begun <n>",
 * "appended <n>" and "shown <n>", each as one write, so that nothing said is lost.
 */
import { writeSync } from "node:fs";
import { systemClock, systemRandom } from "../../src/base/clock.js";
import type { AppendFacts, JournalWriter } from "../../src/journal/journal.js";
import { BlockAppends } from "../../src/journal/lmdb/block-appends.js";
import { BlocksFile } from "../../src/journal/lmdb/blocks-file.js";
import { DerivedQueue } from "../../src/journal/lmdb/derived-queue.js";
import { Environment } from "../../src/journal/lmdb/environment.js";
import { openLmdbJournal } from "../../src/journal/lmdb/lmdb-journal.js";
import { LmdbKeep } from "../../src/journal/lmdb/lmdb-keep.js";
import { Retention } from "../../src/journal/lmdb/retention.js";
import { WalFile } from "../../src/journal/lmdb/wal-file.js";
import { WriteBack } from "../../src/journal/lmdb/write-back.js";
import { killAt, readKillPoint } from "../support/kill-point.js";
import { crashSettings, crashTime, positionOf } from "./journal-settings.js";
import {
  crashSteps,
  draftEvent,
  draftStep,
  happenedColumns,
  isHuge,
  stockColumns,
} from "./journal-units.js";

const [folder = "", kill = ""] = process.argv.slice(2);
const UNITS_MAX = 300;
const targets = {
  ...{ BlockAppends: BlockAppends.prototype, WalFile: WalFile.prototype, WalFiles: WalFile },
  ...{ BlocksFile: BlocksFile.prototype, DerivedQueue: DerivedQueue.prototype },
  ...{ Environment: Environment.prototype, LmdbKeep: LmdbKeep.prototype },
  ...{ Retention: Retention.prototype, WriteBack: WriteBack.prototype },
};

killAt(targets, readKillPoint(kill));
let unit = 0;
const journal = await openLmdbJournal({
  ...{ folder, random: systemRandom, pid: process.pid, mapGib: 1, settings: crashSettings },
  clock: { ...systemClock, now: () => crashTime(unit) },
});
const stock = journal.schemaVersion("stock", { kind: "state", columns: stockColumns, key: ["id"] });
const happened = journal.schemaVersion("happened", {
  ...{ kind: "events", columns: happenedColumns, key: [] },
});
journal.reader.onNotice(({ log }) => {
  say(`shown ${log}`);
});
unit = journal.reader.notice.log;
for (const last = unit + UNITS_MAX; unit < last;) {
  unit += 1;
  say(`begun ${unit}`);
  await journal.ready();
  if (isHuge(unit)) await appendParts(journal, unit);
  else await appendBlock(journal, unit);
  say(`appended ${unit}`);
}
await journal.close();

async function appendBlock(into: JournalWriter, number: number): Promise<void> {
  const draft = into.block();
  for (const step of crashSteps(number)) await draftStep(draft, step, stock);
  draftEvent(draft, number, happened);
  await into.append(draft, factsOf(number));
}

/** In four parts; now and then an attempt before it is given up half way. */
async function appendParts(into: JournalWriter, number: number): Promise<void> {
  const steps = crashSteps(number);
  if (number % 2 === 0) {
    const abandoned = into.parts("shop");
    for (const step of steps.slice(0, 10)) await draftStep(abandoned, step, stock);
    await abandoned.flush();
    await abandoned.discard();
  }
  const parts = into.parts("shop");
  for (const [at, step] of steps.entries()) {
    await draftStep(parts, step, stock);
    if (at % 10 === 9) await parts.flush();
  }
  draftEvent(parts, number, happened);
  await parts.commit(factsOf(number));
}

function factsOf(number: number): AppendFacts {
  const place = { generation: 1, position: positionOf(number), mark: "", memo: "" };
  return { positions: new Map([["shop", place]]), facts: new Map([["unit", String(number)]]) };
}

function say(line: string): void {
  writeSync(1, `${line}\n`);
}
