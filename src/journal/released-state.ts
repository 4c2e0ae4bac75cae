/** What readers of one process share, whatever the journal is kept in: notices, live units, schemas, runs. */
import { AppError } from "../base/errors.js";
import type { Clock } from "../base/clock.js";
import type { Place } from "../model/place.js";
import type { SourcePosition } from "../model/position.js";
import type { TableSchema } from "../model/table.js";
import { Hiding } from "./hiding.js";
import type { HidingMark } from "./hiding.js";
import type { AppendFacts, CopyStatus, LogNumber } from "./journal.js";
import { LiveLog } from "./live-log.js";
import { Notices } from "./notices.js";
import { Runs } from "./runs.js";
import type { Run } from "./runs.js";
import { SchemaRegistry } from "./schema-registry.js";
import type { Unit } from "./unit.js";

export interface ReleasedStart {
  readonly run: string;
  readonly runs: readonly Run[];
  readonly log: LogNumber;
  readonly parked: number;
  readonly positions: ReadonlyMap<string, SourcePosition>;
  readonly schemas: Iterable<TableSchema>;
  readonly hiding: Iterable<readonly [string, HidingMark]>;
  readonly copying: readonly CopyStatus[];
}

export class ReleasedState {
  readonly notices: Notices;
  readonly hiding: Hiding;
  readonly #live: LiveLog;
  readonly #schemas: SchemaRegistry;
  readonly #runs: Runs;
  #parked: number;

  constructor(start: ReleasedStart, clock: Clock, liveBytesMax: number) {
    this.notices = new Notices(start.run, start);
    this.hiding = new Hiding(start.hiding);
    this.#live = new LiveLog(clock, liveBytesMax, start.log);
    this.#schemas = new SchemaRegistry(start.schemas);
    this.#runs = new Runs(start.runs);
    this.#parked = start.parked;
  }

  get log(): LogNumber {
    return this.notices.notice.log;
  }

  get live(): LiveLog {
    return this.#live;
  }

  get parked(): number {
    return this.#parked;
  }

  accepts(place: Place): boolean {
    return this.#runs.accepts(place, this.log);
  }

  schema(table: string, version: number): TableSchema {
    const found = this.#schemas.find(table, version);
    if (found !== undefined) return found;
    throw new AppError(
      "JOURNAL_SCHEMA_UNKNOWN",
      `reading a schema: table ${JSON.stringify(table)} has no version ${version}`,
    );
  }

  /** Everything of the append is shown, then told. `isHuge`: its entries are not in memory. */
  release(
    released: { readonly unit: Unit | undefined; readonly schemas: readonly TableSchema[] },
    after: AppendFacts,
    isHuge: boolean,
  ): void {
    const { unit, schemas } = released;
    for (const schema of schemas) this.#schemas.add(schema);
    const log = unit?.log ?? this.log;
    const from = unit?.log ?? log + 1;
    for (const [rule, version] of after.hiding ?? []) this.hiding.set(rule, { version, from });
    if (unit !== undefined) {
      this.#parked = unit.parked;
      this.#live.release(unit, isHuge);
    }
    this.notices.release(log, after);
  }
}
