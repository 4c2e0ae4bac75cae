/**
 * The journal on disk: opens and checks the folder, takes the writer's lock, brings the derived file up to
 * the blocks, and begins a new run. The tables of the files are named in blocks-file.ts and derived-file.ts.
 */
import { platform } from "node:os";
import type { Clock, Random } from "../../base/clock.js";
import { AppError } from "../../base/errors.js";
import type { DocumentKey } from "../../model/document.js";
import { defaultJournalSettings } from "../journal-settings.js";
import type { JournalSettings } from "../journal-settings.js";
import { JournalDesk } from "../journal-desk.js";
import type { JournalWriter, ScannedDocument } from "../journal.js";
import { Overlay } from "../overlay.js";
import { ReleasedState } from "../released-state.js";
import { newRun } from "../run-id.js";
import { WriterFacts } from "../writer-facts.js";
import { BlockAppends, settling } from "./block-appends.js";
import { BlocksFile } from "./blocks-file.js";
import { DerivedFile, MetaKey } from "./derived-file.js";
import { DerivedQueue } from "./derived-queue.js";
import { DerivedThread } from "./derived-thread.js";
import { BlockWriter } from "./derived-writer.js";
import type { DerivedWriter } from "./derived-writer.js";
import { parkedPage } from "./document-pages.js";
import { findFolder, openFolder, syncFolder } from "./journal-folder.js";
import { LmdbKeep } from "./lmdb-keep.js";
import { LmdbReader } from "./lmdb-reader.js";
import { Retention } from "./retention.js";
import { takeWriterLock } from "./writer-lock.js";
import type { WriterLock } from "./writer-lock.js";

const GIB = 1024 ** 3;

export interface LmdbJournalOptions {
  readonly folder: string;
  readonly clock: Clock;
  readonly random: Random;
  /** Of this process: told to whoever finds the journal in use. */
  readonly pid: number;
  readonly settings?: Partial<JournalSettings>;
  /** How large each file may become: address space, not disk. */
  readonly mapGib?: number;
  /** `derived-worker.js` as built: the derived file is then written by a thread of its own, beside the appends. */
  readonly worker?: URL;
}

export interface LmdbJournal extends JournalWriter {
  /** Enforces the retention of `settings` now. */
  retain(): Promise<void>;
}

/** A new run. Throws JOURNAL_IN_USE, _FOREIGN, _NEWER, _DAMAGED, _UNREADABLE. */
export async function openLmdbJournal(options: LmdbJournalOptions): Promise<LmdbJournal> {
  const { folder, mapGib = 64 } = options;
  const paths = openFolder(folder);
  const lock = await takeWriterLock(folder, options.pid, platform());
  const opened: (() => Promise<void>)[] = [() => lock.release()];
  try {
    const blocks = new BlocksFile({ path: paths.blocks, mapBytes: mapGib * GIB });
    opened.push(() => blocks.environment.close());
    const file = new DerivedFile({ path: paths.derived, mapBytes: mapGib * GIB });
    opened.push(() => file.environment.close());
    // Before anything is told to be durable in files that were made just now.
    syncFolder(folder);
    await blocks.environment.takeOver();
    await file.environment.takeOver();
    const appends = await BlockAppends.open(blocks, paths.wal);
    opened.push(() => appends.close());
    return await begin(options, { blocks, appends, file, lock });
  } catch (error) {
    for (const close of opened.toReversed()) await close();
    throw error;
  }
}

/** Parked documents of a journal that another process may be writing: as old as its write-back, which may be under way. */
export interface ParkedDocuments {
  readonly count: number;
  page(after: DocumentKey | undefined, limit: number): Promise<readonly ScannedDocument[]>;
  close(): Promise<void>;
}

/** Throws JOURNAL_MISSING, _NEWER, _DAMAGED, _UNREADABLE. */
export function readParked(folder: string, mapGib = 64): ParkedDocuments {
  const { derived } = findFolder(folder);
  const file = new DerivedFile({ path: derived, mapBytes: mapGib * GIB, readOnly: true });
  const overlay = new Overlay();
  return {
    count: file.number(MetaKey.parked),
    page: async (after, limit) => parkedPage(file, overlay, { after, limit, log: Infinity }),
    close: () => file.environment.close(),
  };
}

interface Files {
  readonly blocks: BlocksFile;
  readonly file: DerivedFile;
}

interface Opened extends Files {
  readonly appends: BlockAppends;
  readonly lock: WriterLock;
}

async function begin(
  { clock, random, ...options }: LmdbJournalOptions,
  { blocks, appends, file, lock }: Opened,
): Promise<LmdbJournal> {
  const settings = { ...defaultJournalSettings, ...options.settings };
  const overlay = new Overlay();
  // The next batch is gathered while one is written.
  const batchBytesMax = Math.ceil(settings.behindBytesMax / 2);
  const inLine = new BlockWriter(blocks, file, settings.slicePages);
  await recover({ blocks, file }, inLine, batchBytesMax);
  const { worker, mapGib = 64 } = options;
  const writer =
    worker === undefined
      ? inLine
      : await startThread({ blocks, file }, { worker, mapGib, settings });
  const settled = settling(appends, writer);
  const queue = new DerivedQueue({ writer: settled, file, overlay, clock, batchBytesMax });
  const log = blocks.last();
  const run = newRun(random);
  await blocks.addRun({ run, first: log + 1 });
  const parked = file.number(MetaKey.parked);
  const loaded = {
    ...{ positions: blocks.positions(), facts: blocks.facts() },
    ...{ schemas: blocks.schemas(), hiding: blocks.hiding() },
  };
  const facts = new WriterFacts(loaded);
  const start = { ...loaded, run, runs: blocks.runs(), log, parked, copying: blocks.copying() };
  const released = new ReleasedState(start, clock, settings.liveBytesMax);
  const { heldBytesMax } = settings;
  const reader = new LmdbReader({ file, overlay, released, clock, heldBytesMax });
  const retention = new Retention({ blocks, file, queue, settings, clock });
  const life = new AbortController();
  // A failure ends the journal's writing: the next append tells it.
  const retaining = retention.run(life.signal).catch((error: unknown) => {
    queue.fail(error);
  });
  const keep = new LmdbKeep({
    ...{ blocks, appends, file, overlay, queue, released, reader, settings },
    onBlock: (at, bytes) => {
      retention.wrote(at, bytes);
    },
    onClose: async () => {
      life.abort();
      await retaining;
      await lock.release();
    },
  });
  const desk = new JournalDesk(keep, { run, log, parked, facts, clock });
  return Object.assign(desk, { retain: () => retention.enforce() });
}

interface ThreadOptions {
  readonly worker: URL;
  readonly mapGib: number;
  readonly settings: JournalSettings;
}

function startThread(
  { blocks, file }: Files,
  { worker, mapGib, settings }: ThreadOptions,
): Promise<DerivedThread> {
  const mapBytes = mapGib * GIB;
  const told = ({ path, term }: BlocksFile["environment"]) => ({ path, term, mapBytes });
  return DerivedThread.start(worker, {
    blocks: told(blocks.environment),
    derived: told(file.environment),
    slicePages: settings.slicePages,
  });
}

/** The derived file gets the blocks that it lacks; parts of units that were never committed go. */
async function recover(
  { blocks, file }: Files,
  writer: DerivedWriter,
  batchBytesMax: number,
): Promise<void> {
  const watermark = file.watermark();
  const last = blocks.last();
  const trimmed = blocks.trimmed();
  const writing = file.number(MetaKey.writing);
  const newest = Math.max(watermark, writing);
  if (watermark < trimmed || newest > last) {
    const found = `it holds log numbers up to ${newest}, the blocks are those from ${trimmed + 1} to ${last}`;
    const { path } = file.environment;
    throw new AppError("JOURNAL_DAMAGED", `opening ${path}: ${found}`, { context: { path } });
  }
  for (let from = watermark + 1; from <= last; from = file.watermark() + 1) {
    if (blocks.isHuge(from)) {
      const { parts } = blocks.block(from);
      await writer.merge(from);
      if (parts !== undefined) await blocks.discardUnit(parts.id);
    } else await writer.units(from, blocks.runOf(from, last, batchBytesMax));
    file.environment.fresh();
  }
  for (const unit of blocks.units()) await blocks.discardUnit(unit);
}
