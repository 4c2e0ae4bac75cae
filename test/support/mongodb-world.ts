/** Reads a MongoDB database through the connector, as the pipeline does, and breaks the server on purpose. */
import type { Document } from "mongodb";
import { connector } from "../../connectors/mongodb/connector.js";
import type { MongodbOptions } from "../../connectors/mongodb/options.js";
import { systemClock, systemRandom } from "../../src/base/clock.js";
import { silentLog } from "../../src/base/log.js";
import { guardConnector } from "../../src/connector/guard.js";
import type { SourcePosition } from "../../src/model/position.js";
import type { MongodbDatabase, MongodbServer } from "./mongodb-server.js";
import { Reading } from "./stream-world.js";

/** A document with a key of any kind; a filter, too. */
export const id = (key: unknown, more: object = {}): Document => ({ _id: key, ...more });

export interface GetMoreFailure {
  readonly errorCode?: number;
  readonly errorLabels?: readonly string[];
  readonly closeConnection?: boolean;
  readonly times?: number;
}

/** The next answers to the connector's stream are failures. */
export async function failGetMores(
  { client }: Pick<MongodbServer, "client">,
  { times = 1, ...data }: GetMoreFailure,
): Promise<void> {
  await client.db("admin").command({
    ...{ configureFailPoint: "failCommand", mode: { times } },
    data: { failCommands: ["getMore"], appName: "changecast shop", ...data },
  });
}

export async function stopFailing({ client }: Pick<MongodbServer, "client">): Promise<void> {
  await client.db("admin").command({ configureFailPoint: "failCommand", mode: "off" });
}

/** Opens and reads; what comes is gathered. Closes all of them at the end. */
export class MongodbWorld {
  readonly #database: MongodbDatabase;
  readonly #readings: Reading[] = [];

  constructor(database: MongodbDatabase) {
    this.#database = database;
  }

  /** Collections by their own names; options on top of the address. */
  async open(
    asked: {
      readonly from?: readonly string[];
      readonly fields?: readonly string[];
      readonly options?: Readonly<Record<string, unknown>>;
    } = {},
    resume?: SourcePosition,
  ): Promise<Reading> {
    const { from = ["items"], fields = ["a", "b", "c"] } = asked;
    const life = new AbortController();
    const session = await guardConnector(connector).open({
      ...{ source: "shop", options: this.options(asked.options) },
      relations: from.map((name) => `${this.#database.name}.${name}`),
      ...{ resume, fields: () => fields, clock: systemClock, random: systemRandom },
      ...{ log: silentLog, signal: life.signal },
    });
    const reading = new Reading(session, life);
    this.#readings.push(reading);
    return reading;
  }

  options(more: Readonly<Record<string, unknown>> = {}): MongodbOptions {
    const parsed = connector.parseOptions({ url: this.#database.url, ...more });
    if ("problems" in parsed) throw new Error(JSON.stringify(parsed.problems));
    return parsed.options;
  }

  async close(): Promise<void> {
    for (const reading of this.#readings) await reading.close();
  }
}
