/** Postgres by logical replication with pgoutput. connectors/postgres/README.md is for its users. */
import type { Connector } from "../../src/connector/connector.js";
import { TableCatalog } from "./catalog.js";
import { checkPostgres } from "./check.js";
import { parsePostgresOptions, postgresOptionsSchema } from "./options.js";
import type { PostgresOptions } from "./options.js";
import { openSession } from "./session.js";
import { copyPower } from "./copy.js";
import { parsePosition } from "./wal-position.js";

export const connector: Connector<PostgresOptions> = createPostgresConnector();

export interface PostgresConnectorSettings {
  /** How often it looks for what the stream does not tell. */
  readonly reconcileMs?: number;
}

export function createPostgresConnector(
  settings: PostgresConnectorSettings = {},
): Connector<PostgresOptions> {
  /** Slots that could not be read: the next session replaces them. */
  const broken = new Set<string>();
  return {
    name: "postgres",
    optionsSchema: postgresOptionsSchema,
    parseOptions: parsePostgresOptions,
    open: (context) => {
      const { options: connecting, source, clock } = context;
      const catalog = new TableCatalog(connecting.publication);
      return openSession(context, {
        ...{ catalog, broken, ...settings },
        copy: (access) => copyPower({ connecting, catalog, source, clock, ...access }),
      });
    },
    check: checkPostgres,
    parsePosition,
  };
}
