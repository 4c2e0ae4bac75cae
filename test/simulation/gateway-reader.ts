/** Reads a disk that another process writes: shows what it was told of, and survives that writer's end. */
import type { Clock } from "../../src/base/clock.js";
import type {
  ChannelHead,
  CopyStatus,
  HeldView,
  HistoryPage,
  HistoryRequest,
  JournalReader,
  Lap,
  LiveRange,
  LogNumber,
  Notice,
  ReadRequest,
  ScannedDocument,
} from "../../src/journal/journal.js";
import type { MemoryDisk } from "../../src/journal/memory/memory-disk.js";
import { startOf } from "../../src/journal/memory/memory-journal.js";
import type { MemoryAppend } from "../../src/journal/memory/memory-journal.js";
import { MemoryReader } from "../../src/journal/memory/memory-reader.js";
import { ReleasedState } from "../../src/journal/released-state.js";
import type { DocumentKey } from "../../src/model/document.js";
import type { Place } from "../../src/model/place.js";
import type { TableSchema } from "../../src/model/table.js";
import type { Life } from "./life.js";
import { journalSettings } from "./writer.js";

export class GatewayReader implements JournalReader {
  readonly #disk: MemoryDisk;
  readonly #life: Life;
  readonly #clock: Clock;
  readonly #isGullible: boolean;
  readonly #listeners = new Set<(notice: Notice) => void>();
  #released: ReleasedState;
  #reader: MemoryReader;

  constructor(disk: MemoryDisk, life: Life, isGullible: boolean) {
    this.#isGullible = isGullible;
    this.#disk = disk;
    this.#life = life;
    this.#clock = life;
    this.#released = this.#start(disk.runs.at(-1)?.run ?? "");
    this.#reader = new MemoryReader(disk, this.#released, life);
  }

  /** Another writer goes on where the disk ends. */
  begin(run: string): void {
    this.#released = this.#start(run);
    this.#reader = new MemoryReader(this.#disk, this.#released, this.#clock);
    this.#tell(this.notice);
  }

  release({ unit, after, schemas, isHuge }: MemoryAppend): void {
    // It may have begun from a disk that held the append already.
    if (unit !== undefined && unit.log <= this.#released.log) return;
    this.#released.release({ unit, schemas }, after, isHuge);
  }

  get notice(): Notice {
    return this.#reader.notice;
  }

  get copying(): readonly CopyStatus[] {
    return this.#reader.copying;
  }

  get parkedCount(): number {
    return this.#reader.parkedCount;
  }

  onNotice(listener: (notice: Notice) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async head(channel: string): Promise<ChannelHead | undefined> {
    await this.#life.passes();
    return this.#reader.head(channel);
  }

  accepts(place: Place): boolean {
    return this.#isGullible || this.#reader.accepts(place);
  }

  schema(table: string, version: number): Promise<TableSchema> {
    return this.#reader.schema(table, version);
  }

  async read(requests: readonly ReadRequest[], bytesMax: number): Promise<Lap> {
    await this.#life.passes();
    const lap = await this.#reader.read(requests, bytesMax);
    await this.#life.passes();
    return lap;
  }

  hold(): HeldView | undefined {
    return this.#reader.hold();
  }

  history(request: HistoryRequest): Promise<HistoryPage> {
    return this.#reader.history(request);
  }

  live(after: LogNumber): LiveRange | undefined {
    return this.#reader.live(after);
  }

  parked(after: DocumentKey | undefined, limit: number): Promise<readonly ScannedDocument[]> {
    return this.#reader.parked(after, limit);
  }

  #start(run: string): ReleasedState {
    const start = startOf(this.#disk, run);
    const released = new ReleasedState(start, this.#clock, journalSettings.liveBytesMax);
    released.notices.listen((notice) => {
      if (released === this.#released) this.#tell(notice);
    });
    return released;
  }

  #tell(notice: Notice): void {
    for (const listener of [...this.#listeners]) listener(notice);
  }
}
