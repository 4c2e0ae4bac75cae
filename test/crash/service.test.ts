/** Killed under load, from the socket to Postgres to the acknowledgement, and in the durable work behind it. */
import { startPostgres } from "../support/postgres-server.js";
import { PostgresCrashBank } from "./crash-postgres.js";
import { killedUnderLoad } from "./killed-under-load.js";

killedUnderLoad("Postgres", {
  file: "service.test.ts",
  start: () =>
    startPostgres({
      ...{ version: 18, exclusive: true },
      settings: { max_prepared_transactions: "20" },
    }),
  bank: (server, random) => PostgresCrashBank.create(server, random),
  programSteps: [
    ["ChangeStream.next", "after", 60],
    ["RowWriter.apply", "in", 40],
    ["RowWriter.apply", "after", 40],
    ["BlockAppends.append", "before", 40],
    ["WalFile.write", "in", 40],
    ["WalFile.write", "after", 40],
    ["BlockAppends.append", "after", 40],
    ["BlockAppends.settle", "in", 8],
    ["BlockAppends.settle", "after", 8],
    ["LmdbKeep.release", "before", 40],
    ["Notices.release", "before", 40],
    ["Notices.release", "in", 40],
    ["SourceIntake.durable", "before", 40],
    ["ChangeStream.acknowledge", "in", 40],
    ["BlockWriter.units", "before", 8],
    ["WriteBack.units", "before", 8],
    ["WriteBack.units", "after", 8],
  ],
  hugeSteps: [
    [
      ["BlocksFile.writePart", "after", 20],
      ["store.stage", "before", 1],
    ],
    [
      ["DerivedQueue.merge", "in", 1],
      ["store.stage", "after", 1],
    ],
    [
      ["WriteBack.part", "after", 4],
      ["store.stage", "after", 1],
    ],
    [
      ["DerivedQueue.merge", "after", 1],
      ["store.apply", "after", 2],
    ],
  ],
  committedMin: 100,
});
