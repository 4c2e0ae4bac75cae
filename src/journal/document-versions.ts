/**
 * By document the units that changed it, the newest first, while they are in memory: a hash table over the keys
 * that the units hold themselves.
 */
import { must } from "../base/assert.js";
import { documentAt, NO_DOCUMENT } from "./block-encoder.js";
import { PackedDocument } from "./document-codec.js";
import type { DocId } from "./document-key.js";
import type { LogNumber } from "./journal.js";
import { grown } from "./key-table.js";
import type { RowKey } from "./row-key.js";
import type { Unit } from "./unit.js";

const FIRST_VERSIONS = 1_024;
const NONE = -1;

/** What one unit says of a document. */
export interface DocumentVersion {
  readonly log: LogNumber;
  /** Null: gone. */
  readonly document: PackedDocument | null;
}

export class DocumentVersions {
  /** By place in the table: a document's newest version and 1, or 0. */
  #places = new Int32Array(2 * FIRST_VERSIONS);
  #documents = 0;
  // By version: its unit's slot, its number there, and the version before it of the same document; the versions
  // that are free are chained the same way.
  #slots = new Int32Array(FIRST_VERSIONS);
  #numbers = new Int32Array(FIRST_VERSIONS);
  #before = new Int32Array(FIRST_VERSIONS);
  #versions = 0;
  #free = NONE;
  readonly #units: (Unit | undefined)[] = [];
  readonly #freeSlots: number[] = [];

  add(unit: Unit): void {
    const slot = this.#freeSlots.pop() ?? this.#units.length;
    this.#units[slot] = unit;
    const { documents } = unit;
    for (let number = 0; number < documents.size; number += 1) {
      if (documents.isThere(number)) this.#add(unit, slot, number);
    }
  }

  /** The newest version of a view at `log`. */
  find(key: RowKey, log: LogNumber): DocumentVersion | undefined {
    // A lap asks for each of its rows, most often while all is written back.
    if (this.#documents === 0) return undefined;
    const places = this.#places;
    const mask = places.length - 1;
    for (let place = key.hash & mask; ; place = (place + 1) & mask) {
      let version = (places[place] ?? 0) - 1;
      if (version < 0) return undefined;
      if (!this.#unit(version).documents.is(this.#number(version), key)) continue;
      while (version !== NONE && this.#unit(version).log > log) version = this.#prior(version);
      return version === NONE ? undefined : this.#read(version);
    }
  }

  /** The unit, and what came before it, is not looked for here any more. */
  drop(unit: Unit): void {
    const { documents } = unit;
    for (let number = 0; number < documents.size; number += 1) {
      if (documents.isThere(number)) this.#drop(unit, number);
    }
    const slot = this.#units.indexOf(unit);
    this.#units[slot] = undefined;
    this.#freeSlots.push(slot);
  }

  *ids(): Generator<DocId> {
    for (const taken of this.#places) {
      const version = taken - 1;
      if (version >= 0) yield this.#unit(version).documents.id(this.#number(version));
    }
  }

  #add(unit: Unit, slot: number, number: number): void {
    if (2 * (this.#documents + 1) > this.#places.length) this.#grow();
    const place = this.#placeOf(unit, number);
    const known = (this.#places[place] ?? 0) - 1;
    if (known < 0) this.#documents += 1;
    const version = this.#take();
    this.#slots[version] = slot;
    this.#numbers[version] = number;
    this.#before[version] = known;
    this.#places[place] = version + 1;
  }

  #drop(unit: Unit, number: number): void {
    const place = this.#placeOf(unit, number);
    let version = (this.#places[place] ?? 0) - 1;
    if (version < 0) return;
    if (this.#unit(version).log <= unit.log) this.#remove(place);
    else {
      let newer = version;
      version = this.#prior(newer);
      while (version !== NONE && this.#unit(version).log > unit.log) {
        newer = version;
        version = this.#prior(newer);
      }
      this.#before[newer] = NONE;
    }
    while (version !== NONE) {
      const before = this.#prior(version);
      this.#before[version] = this.#free;
      this.#free = version;
      version = before;
    }
  }

  /** Where the document stands, or would stand. */
  #placeOf(unit: Unit, number: number): number {
    const places = this.#places;
    const mask = places.length - 1;
    const hash = unit.documents.hash(number);
    for (let place = hash & mask; ; place = (place + 1) & mask) {
      const version = (places[place] ?? 0) - 1;
      if (version < 0) return place;
      const other = this.#unit(version).documents;
      const at = this.#number(version);
      if (other.hash(at) === hash && other.isSame(at, unit.documents, number)) return place;
    }
  }

  /** What stands behind it moves up, so that nobody stops at the gap. */
  #remove(place: number): void {
    const places = this.#places;
    const mask = places.length - 1;
    let gap = place;
    for (let next = (gap + 1) & mask; places[next] !== 0; next = (next + 1) & mask) {
      const home = this.#hash((places[next] ?? 0) - 1) & mask;
      // It may stand anywhere from its home on, so in the gap unless its home lies behind that.
      if (((next - home) & mask) < ((next - gap) & mask)) continue;
      places[gap] = places[next] ?? 0;
      gap = next;
    }
    places[gap] = 0;
    this.#documents -= 1;
  }

  #grow(): void {
    const old = this.#places;
    this.#places = new Int32Array(2 * old.length);
    const mask = this.#places.length - 1;
    for (const taken of old) {
      if (taken === 0) continue;
      let place = this.#hash(taken - 1) & mask;
      while (this.#places[place] !== 0) place = (place + 1) & mask;
      this.#places[place] = taken;
    }
  }

  #take(): number {
    const free = this.#free;
    if (free !== NONE) {
      this.#free = this.#prior(free);
      return free;
    }
    if (this.#versions === this.#slots.length) {
      const length = 2 * this.#versions;
      this.#slots = grown(this.#slots, length);
      this.#numbers = grown(this.#numbers, length);
      this.#before = grown(this.#before, length);
    }
    this.#versions += 1;
    return this.#versions - 1;
  }

  #read(version: number): DocumentVersion {
    const { log, block, documents } = this.#unit(version);
    const place = documents.place(this.#number(version));
    if (place === NO_DOCUMENT) return { log, document: null };
    return { log, document: new PackedDocument(documentAt(block, place)) };
  }

  #unit(version: number): Unit {
    return must(this.#units[this.#slots[version] ?? NONE], "the unit of a version");
  }

  #number(version: number): number {
    return this.#numbers[version] ?? NONE;
  }

  #prior(version: number): number {
    return this.#before[version] ?? NONE;
  }

  #hash(version: number): number {
    return this.#unit(version).documents.hash(this.#number(version));
  }
}
