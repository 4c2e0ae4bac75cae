/**
 * Killed under load from a replica set that stays up, where the connector has a part in it: the way behind it is
 * the same for all sources (service.test.ts).
 */
import { startMongodb } from "../support/mongodb-server.js";
import { MongodbCrashBank } from "./crash-mongodb.js";
import { killedUnderLoad } from "./killed-under-load.js";

killedUnderLoad("MongoDB", {
  file: "mongodb.test.ts",
  start: () => startMongodb({ exclusive: true }),
  bank: (server, random) => MongodbCrashBank.create(server, random),
  programSteps: [
    ["ResumingStream.next", "after", 60],
    ["DocumentReads.byKeys", "after", 10],
    ["MongodbSession.memo", "before", 40],
    ["BlockAppends.append", "after", 40],
    ["SourceIntake.durable", "before", 40],
  ],
  hugeSteps: [
    [
      ["BlocksFile.writePart", "after", 8],
      ["store.stage", "before", 1],
    ],
    [
      ["DerivedQueue.merge", "after", 1],
      ["store.apply", "after", 2],
    ],
  ],
  committedMin: 50,
});
