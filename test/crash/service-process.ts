/** The program with a failpoint in it: arguments are the kill point and the configuration's file. */
import { ChangeStream } from "../../connectors/postgres/change-stream.js";
import { BlocksFile } from "../../src/journal/lmdb/blocks-file.js";
import { DerivedQueue } from "../../src/journal/lmdb/derived-queue.js";
import { Environment } from "../../src/journal/lmdb/environment.js";
import { LmdbKeep } from "../../src/journal/lmdb/lmdb-keep.js";
import { WriteBack } from "../../src/journal/lmdb/write-back.js";
import { Notices } from "../../src/journal/notices.js";
import { RowWriter } from "../../src/pipeline/row-writer.js";
import { SourceIntake } from "../../src/pipeline/source-intake.js";
import { killAt, readKillPoint } from "../support/kill-point.js";

const [kill = "", configFile = ""] = process.argv.slice(2);
killAt(
  {
    ChangeStream: ChangeStream.prototype,
    RowWriter: RowWriter.prototype,
    BlocksFile: BlocksFile.prototype,
    Environment: Environment.prototype,
    LmdbKeep: LmdbKeep.prototype,
    Notices: Notices.prototype,
    SourceIntake: SourceIntake.prototype,
    WriteBack: WriteBack.prototype,
    DerivedQueue: DerivedQueue.prototype,
  },
  readKillPoint(kill),
);
process.argv.splice(2, Infinity, "run", "-c", configFile);
await import("../../src/main.js");
