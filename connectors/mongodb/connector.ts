/** MongoDB by change streams. connectors/mongodb/README.md is for its users. */
import type { Connector } from "../../src/connector/connector.js";
import { checkMongodb } from "./check.js";
import { mongodbOptionsSchema, parseMongodbOptions } from "./options.js";
import type { MongodbOptions } from "./options.js";
import { openSession } from "./session.js";
import { parsePosition } from "./stream-position.js";

export const connector: Connector<MongodbOptions> = {
  name: "mongodb",
  isOpen: true,
  optionsSchema: mongodbOptionsSchema,
  parseOptions: parseMongodbOptions,
  open: openSession,
  check: checkMongodb,
  parsePosition,
};
