/** One source of the Postgres connector as the service uses it: from YAML options, behind the guard. */
import { createPostgresConnector } from "../../connectors/postgres/connector.js";
import type { PostgresOptions } from "../../connectors/postgres/options.js";
import { silentLog } from "../../src/base/log.js";
import { systemClock, systemRandom } from "../../src/base/clock.js";
import type { Clock } from "../../src/base/clock.js";
import type {
  CheckReport,
  Connector,
  CopyChunk,
  CopyPower,
  CopyRow,
  OpenContext,
} from "../../src/connector/connector.js";
import { guardConnector } from "../../src/connector/guard.js";
import type { Relation } from "../../src/model/change.js";
import type { SourcePosition } from "../../src/model/position.js";
import type { PostgresDatabase } from "./postgres-server.js";
import { Reading } from "./stream-world.js";

/** As in the YAML, on top of the database's URL. */
export interface PostgresWorldOptions extends Readonly<Record<string, unknown>> {
  readonly relations?: readonly string[];
}

export interface ChunkBounds {
  readonly rowsMax?: number;
  readonly bytesMax?: number;
}

export class PostgresWorld {
  readonly options: PostgresOptions;
  readonly #connector: Connector<PostgresOptions> = guardConnector(createPostgresConnector());
  readonly #relations: readonly string[];
  readonly #readings: Reading[] = [];
  /** What opens from now on lives by it. */
  clock: Clock = systemClock;

  constructor(database: PostgresDatabase, options: PostgresWorldOptions = {}) {
    const { relations = ["public.*"], ...written } = options;
    this.#relations = relations;
    const { url } = database;
    const raw = { url: `${url}?sslmode=disable`, slot: database.database, ...written };
    const parsed = this.#connector.parseOptions(raw);
    if ("problems" in parsed) throw new Error(parsed.problems.map(({ message }) => message).join());
    this.options = parsed.options;
  }

  async open(resume?: SourcePosition): Promise<Reading> {
    const life = new AbortController();
    const session = await this.#connector.open(this.#context(resume, life.signal));
    const reading = new Reading(session, life);
    this.#readings.push(reading);
    return reading;
  }

  check(signal: AbortSignal = new AbortController().signal): Promise<CheckReport> {
    return this.#connector.check(this.#context(undefined, signal));
  }

  async close(): Promise<void> {
    for (const reading of this.#readings.splice(0)) await reading.close();
  }

  #context(resume: SourcePosition | undefined, signal: AbortSignal): OpenContext<PostgresOptions> {
    return {
      ...{ source: "shop", options: this.options, relations: this.#relations, resume },
      fields: () => [],
      ...{ clock: this.clock, random: systemRandom, log: silentLog, signal },
    };
  }
}

/** The relation of that name, as the session showed it. */
export function relationOf({ session }: Reading, name: string): Relation {
  const found = session.relations.find((relation) => relation.name === name);
  if (found === undefined) throw new Error(`there is no ${name}`);
  return found;
}

export function powerOf({ session }: Reading): CopyPower {
  if (session.copy === undefined) throw new Error("the session has no power to copy");
  return session.copy;
}

/** One chunk, asked for as the pipeline does. */
export function chunkOf(
  reading: Reading,
  relation: Relation,
  after?: string,
  { rowsMax = 1_000, bytesMax = 1024 * 1024 }: ChunkBounds = {},
): Promise<CopyChunk> {
  return powerOf(reading).chunk({ relation, after, rowsMax, bytesMax }, reading.signal);
}

/** All chunks of a table. */
export async function copyAll(
  reading: Reading,
  name: string,
  bounds: ChunkBounds = {},
): Promise<{ readonly rows: readonly CopyRow[]; readonly chunks: readonly CopyChunk[] }> {
  const relation = relationOf(reading, name);
  const chunks: CopyChunk[] = [];
  for (let after: string | undefined; chunks.length < 10_000;) {
    const chunk = await chunkOf(reading, relation, after, bounds);
    chunks.push(chunk);
    if (chunk.next === undefined) return { rows: chunks.flatMap(({ rows }) => rows), chunks };
    after = chunk.next;
  }
  throw new Error(`the copy of ${name} has no end`);
}
