/** Imported before the program: puts the failpoint of the environment into whichever of its threads passes there. */
import { isMainThread } from "node:worker_threads";
import { DocumentReads } from "../../connectors/mongodb/document-reads.js";
import { MongodbSession } from "../../connectors/mongodb/mongodb-session.js";
import { ResumingStream } from "../../connectors/mongodb/resuming-stream.js";
import { ChangeStream } from "../../connectors/postgres/change-stream.js";
import { BlockAppends } from "../../src/journal/lmdb/block-appends.js";
import { BlocksFile } from "../../src/journal/lmdb/blocks-file.js";
import { DerivedQueue } from "../../src/journal/lmdb/derived-queue.js";
import { BlockWriter } from "../../src/journal/lmdb/derived-writer.js";
import { Environment } from "../../src/journal/lmdb/environment.js";
import { LmdbKeep } from "../../src/journal/lmdb/lmdb-keep.js";
import { WalFile } from "../../src/journal/lmdb/wal-file.js";
import { WriteBack } from "../../src/journal/lmdb/write-back.js";
import { Notices } from "../../src/journal/notices.js";
import { RowWriter } from "../../src/pipeline/row-writer.js";
import { SourceIntake } from "../../src/pipeline/source-intake.js";
import { killAt, readKillPoint } from "../support/kill-point.js";

const ofMainThread = {
  ...{ ResumingStream: ResumingStream.prototype, DocumentReads: DocumentReads.prototype },
  MongodbSession: MongodbSession.prototype,
  ...{ ChangeStream: ChangeStream.prototype, RowWriter: RowWriter.prototype },
  ...{ BlockAppends: BlockAppends.prototype, WalFile: WalFile.prototype },
  ...{ BlocksFile: BlocksFile.prototype, Environment: Environment.prototype },
  ...{ LmdbKeep: LmdbKeep.prototype, Notices: Notices.prototype },
  ...{ SourceIntake: SourceIntake.prototype, DerivedQueue: DerivedQueue.prototype },
};
const ofWriteBack = { BlockWriter: BlockWriter.prototype, WriteBack: WriteBack.prototype };

const kill = readKillPoint(process.env["CHANGECAST_FAILPOINT"] ?? "");
const targets = isMainThread ? ofMainThread : ofWriteBack;
if (kill !== undefined && Object.hasOwn(targets, kill.point.split(".")[0] ?? "")) {
  killAt(targets, kill);
}
