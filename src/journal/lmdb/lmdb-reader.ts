/**
 * Reads the derived file together with the overlay, in pages that each see one moment. A page is made in one
 * turn of the event loop: a fresh look at the file shows its watermark or a later one, and the overlay, from
 * which a unit goes only once the file holds it, has the rest.
 */
import { assert } from "../../base/assert.js";
import type { Clock } from "../../base/clock.js";
import { AppError } from "../../base/errors.js";
import { turnOfLoop } from "../../base/turn.js";
import type { DocumentKey } from "../../model/document.js";
import type { ChannelEntry } from "../../model/entry.js";
import type { Place } from "../../model/place.js";
import type { TableSchema } from "../../model/table.js";
import { HELD_MS_MAX } from "../journal.js";
import type {
  ChannelHead,
  CopyStatus,
  HeldView,
  HistoryPage,
  HistoryRequest,
  JournalReader,
  Lap,
  LapChannel,
  LiveRange,
  LogNumber,
  Notice,
  ReadRequest,
  ScannedDocument,
} from "../journal.js";
import { LapBudget } from "../lap-budget.js";
import type { Overlay } from "../overlay.js";
import type { ReleasedState } from "../released-state.js";
import { ChannelView } from "./channel-view.js";
import type { View } from "./channel-view.js";
import { MetaKey } from "./derived-file.js";
import type { DerivedFile } from "./derived-file.js";
import { parkedPage } from "./document-pages.js";
import type { Snapshot } from "./environment.js";

export interface LmdbReaderParts {
  readonly file: DerivedFile;
  readonly overlay: Overlay;
  readonly released: ReleasedState;
  readonly clock: Clock;
  /** What a held view may keep of the overlay. */
  readonly heldBytesMax: number;
}

export class LmdbReader implements JournalReader {
  readonly #file: DerivedFile;
  readonly #overlay: Overlay;
  readonly #released: ReleasedState;
  readonly #clock: Clock;
  readonly #heldBytesMax: number;

  constructor(parts: LmdbReaderParts) {
    this.#file = parts.file;
    this.#overlay = parts.overlay;
    this.#released = parts.released;
    this.#clock = parts.clock;
    this.#heldBytesMax = parts.heldBytesMax;
  }

  get notice(): Notice {
    return this.#released.notices.notice;
  }

  get copying(): readonly CopyStatus[] {
    return this.#released.notices.copying;
  }

  get parkedCount(): number {
    return this.#released.parked;
  }

  onNotice(listener: (notice: Notice) => void): () => void {
    return this.#released.notices.listen(listener);
  }

  async head(name: string): Promise<ChannelHead | undefined> {
    const { kind, epoch, serial, floor } = new ChannelView(name, this.#view());
    return serial === 0 ? undefined : { kind, epoch, serial, floor };
  }

  accepts(place: Place): boolean {
    return this.#released.accepts(place);
  }

  async schema(table: string, version: number): Promise<TableSchema> {
    return this.#released.schema(table, version);
  }

  async read(requests: readonly ReadRequest[], bytesMax: number): Promise<Lap> {
    return this.#read(requests, bytesMax, () => this.#view());
  }

  hold(): HeldView | undefined {
    if (!this.#overlay.canPin) return undefined;
    const { log } = this.#released;
    const snapshot = this.#file.environment.snapshot();
    const view: View = { ...this.#view(), snapshot };
    let isOpen = true;
    const release = (): void => {
      if (!isOpen) return;
      isOpen = false;
      cancel();
      snapshot.done();
      this.#overlay.unpin();
    };
    const cancel = this.#clock.after(HELD_MS_MAX, release);
    this.#overlay.pin({ end: release, bytesMax: this.#heldBytesMax });
    return {
      log,
      read: async (requests, bytesMax) =>
        this.#read(requests, bytesMax, () => {
          if (isOpen) return view;
          throw new AppError("JOURNAL_VIEW_ENDED", `reading a held view of log ${log}: it ended`);
        }),
      release,
    };
  }

  async history(request: HistoryRequest): Promise<HistoryPage> {
    const { channel: name, before, after, limit, bytesMax } = request;
    assert((before === undefined) !== (after === undefined), "history goes one way");
    const channel = new ChannelView(name, this.#view());
    const { kind, epoch, floor, serial: head } = channel;
    if (head === 0) return { epoch, floor, head, entries: [], more: false };
    assert(kind === "events", () => `history of ${name}, which is of kind ${kind}`);
    const budget = new LapBudget(bytesMax, this.#clock);
    const due =
      before === undefined
        ? channel.events((after ?? 0) + 1, head, "up")
        : channel.events(1, Math.min(before - 1, head), "down");
    const entries: ChannelEntry[] = [];
    let more = false;
    for (const entry of due) {
      more = entries.length === limit || !budget.takes(entry.body.length);
      if (more) break;
      entries.push(entry);
    }
    if (before !== undefined) entries.reverse();
    return { epoch, floor, head, entries, more };
  }

  live(after: LogNumber): LiveRange | undefined {
    return this.#released.live.live(after);
  }

  async parked(after: DocumentKey | undefined, limit: number): Promise<readonly ScannedDocument[]> {
    const { log } = this.#released;
    return parkedPage(this.#file, this.#overlay, { after, limit, log });
  }

  /** Ends a held view: the file is about to be closed. */
  close(): void {
    this.#overlay.endPin();
  }

  /**
   * A page that shows nothing although something is due, since all its time went into rows that are not
   * shown, goes on in the next turn, where it got to.
   */
  async #read(requests: readonly ReadRequest[], bytesMax: number, view: () => View): Promise<Lap> {
    let wanted = requests;
    for (;;) {
      const budget = new LapBudget(bytesMax, this.#clock);
      const lap = readLap(wanted, budget, view());
      const isDue = lap.channels.some(({ atHead, belowFloor }) => !atHead && !belowFloor);
      if (!budget.isOver || !budget.isEmpty || !isDue) return lap;
      wanted = wanted.map((request, at) => goOn(request, lap.channels[at]));
      await turnOfLoop();
    }
  }

  #view(): View {
    this.#file.environment.fresh();
    const snapshot: Snapshot | undefined = undefined;
    const { log, hiding } = this.#released;
    return { log, file: this.#file, snapshot, overlay: this.#overlay, hiding };
  }
}

/** The request where it got to. What began at 0 passes serials below the floor that it found. */
function goOn(request: ReadRequest, part: LapChannel | undefined): ReadRequest {
  const { channel, after } = request;
  const floor = request.floor ?? (after === 0 ? part?.floor : undefined);
  const reached = { channel, after: part?.reached ?? after };
  return floor === undefined ? reached : { ...reached, floor };
}

function readLap(requests: readonly ReadRequest[], budget: LapBudget, view: View): Lap {
  const channels = requests.map((request) => {
    return new ChannelView(request.channel, view).lap(request, budget);
  });
  const isMerging = view.file.number(MetaKey.merging, view.snapshot) > 0;
  const complete = !isMerging && channels.every(({ atHead, belowFloor }) => atHead && !belowFloor);
  return { log: view.log, complete, channels };
}
