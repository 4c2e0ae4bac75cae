/** The thread of a DerivedThread: opens both files beside the thread that appends, and does what it is asked. */
import { parentPort, workerData } from "node:worker_threads";
import { must } from "../../base/assert.js";
import { AppError, errorText } from "../../base/errors.js";
import { BlocksFile } from "./blocks-file.js";
import { DerivedFile } from "./derived-file.js";
import type { ThreadFile, ThreadFiles, ThreadReply, ThreadRequest } from "./derived-thread.js";
import { BlockWriter } from "./derived-writer.js";
import type { JournalFile } from "./journal-file.js";

const port = must(parentPort, "the port of a thread");
const files = workerData as ThreadFiles;
const blocks = opened(files.blocks, (options) => new BlocksFile(options));
const derived = opened(files.derived, (options) => new DerivedFile(options));
const writer = new BlockWriter(blocks, derived, files.slicePages);

let tail: Promise<void> = Promise.resolve();
port.on("message", (request: ThreadRequest) => {
  tail = tail.then(() => answer(request));
});
reply({});

async function answer(request: ThreadRequest): Promise<void> {
  try {
    await carryOut(request);
    reply({});
  } catch (error) {
    const code = error instanceof AppError ? error.code : "";
    reply({ failed: { code, message: errorText(error) } });
  }
}

async function carryOut(request: ThreadRequest): Promise<void> {
  switch (request.kind) {
    case "units":
      return writer.units(request.from, request.to);
    case "merge":
      return writer.merge(request.log);
    case "close":
      await derived.environment.close();
      await blocks.environment.close();
  }
}

function reply(told: ThreadReply): void {
  port.postMessage(told);
}

function opened<T extends JournalFile>(
  { path, mapBytes, term }: ThreadFile,
  open: (options: { path: string; mapBytes: number }) => T,
): T {
  const file = open({ path, mapBytes });
  file.environment.join(term);
  return file;
}
