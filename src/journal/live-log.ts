/**
 * What was released last, whole, for sessions at the head. Bounded by bytes and age: the oldest units go
 * first, and whoever needs them reads laps instead (I9). The newest unit always stays, unless it is huge.
 */
import type { Clock } from "../base/clock.js";
import type { ChannelEntry } from "../model/entry.js";
import type { LiveChannel, LiveRange, LogNumber } from "./journal.js";
import type { Unit, UnitChannel } from "./unit.js";

/** The hub takes a range within milliseconds, and keeps what sessions may lack of it itself. */
const AGE_MS_MAX = 5_000;

/** An entry's own size beside its body. */
const ENTRY_BYTES = 150;

interface LiveUnit {
  readonly log: LogNumber;
  readonly channels: ReadonlyMap<string, LiveChannel>;
  readonly bytes: number;
  readonly releasedAt: number;
}

export class LiveLog {
  readonly #clock: Clock;
  readonly #bytesMax: number;
  readonly #units: LiveUnit[] = [];
  #bytes = 0;
  #released: LogNumber;
  /** Everything above it is here. */
  #floor: LogNumber;

  constructor(clock: Clock, bytesMax: number, released: LogNumber) {
    this.#clock = clock;
    this.#bytesMax = bytesMax;
    this.#released = released;
    this.#floor = released;
  }

  /** `isHuge`: the unit's entries are not in memory. */
  release(unit: Unit, isHuge: boolean): void {
    const channels = new Map<string, LiveChannel>();
    let bytes = unit.block.length;
    for (const [name, channel] of unit.channels) {
      if (channel.to === channel.from) continue;
      channels.set(name, new LiveUnitChannel(channel, isHuge));
      bytes += ENTRY_BYTES * (1 + channel.to - channel.from);
    }
    this.#released = unit.log;
    this.#units.push({ log: unit.log, channels, bytes, releasedAt: this.#clock.monotonic() });
    this.#bytes += bytes;
    this.#trim();
  }

  live(after: LogNumber): LiveRange | undefined {
    const to = this.#released;
    if (after > to || after < this.#floor) return undefined;
    const units = this.#units.slice(after - this.#floor);
    const only = units[0];
    if (only !== undefined && units.length === 1) return { after, to, channels: only.channels };
    const channels = new Map<string, LiveChannel>();
    const own = new Map<string, ChannelEntry[]>();
    for (const unit of units) {
      for (const [name, next] of unit.channels) {
        const known = channels.get(name);
        if (known === undefined) {
          channels.set(name, next);
          continue;
        }
        let entries: ChannelEntry[] | undefined;
        if (known.entries !== undefined && next.entries !== undefined) {
          entries = own.get(name) ?? [...known.entries];
          own.set(name, entries);
          for (const entry of next.entries) entries.push(entry);
        }
        const { kind, epoch, from } = known;
        channels.set(name, { kind, epoch, from, to: next.to, entries });
      }
    }
    return { after, to, channels };
  }

  #trim(): void {
    const oldest = this.#clock.monotonic() - AGE_MS_MAX;
    let count = 0;
    let bytes = this.#bytes;
    for (const unit of this.#units) {
      const isLast = count === this.#units.length - 1;
      if (isLast || (bytes <= this.#bytesMax && unit.releasedAt >= oldest)) break;
      bytes -= unit.bytes;
      count += 1;
      this.#floor = unit.log;
    }
    if (count > 0) this.#units.splice(0, count);
    this.#bytes = bytes;
  }
}

/** Its entries are read from the unit when the first session wants them. */
class LiveUnitChannel implements LiveChannel {
  readonly kind: LiveChannel["kind"];
  readonly epoch: number;
  readonly from: number;
  readonly to: number;
  readonly #contents: UnitChannel["contents"];
  readonly #isHuge: boolean;

  constructor(unit: UnitChannel, isHuge: boolean) {
    this.kind = unit.kind;
    this.epoch = unit.epoch;
    this.from = unit.from;
    this.to = unit.to;
    this.#contents = unit.contents;
    this.#isHuge = isHuge;
  }

  get entries(): readonly ChannelEntry[] | undefined {
    return this.#isHuge ? undefined : this.#contents().entries;
  }
}
