/**
 * One writer per journal, enforced by the operating system: the writer listens on a socket in the folder.
 * However it ends, the kernel closes the socket, so a socket that nobody answers on is left over and is
 * removed; this works between containers that share the folder, where process ids mean nothing. Whoever
 * connects is told the writer's process id. Two starts that find the same leftover in the same instant may
 * both go on; the fence of the files (environment.ts) then ends the earlier one at its next commit.
 */
import { createHash } from "node:crypto";
import { realpathSync, unlinkSync } from "node:fs";
import { connect, createServer } from "node:net";
import type { Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AppError, errorText } from "../../base/errors.js";

const SOCKET_NAME = "writer.sock";

/** Shortest limit of the systems we know (macOS 104, Linux 108), less the ending NUL. */
const SOCKET_PATH_BYTES_MAX = 103;

/** A writer answers within this, or is stuck; it is alive either way. */
const ANSWER_MS_MAX = 1_000;

export interface WriterLock {
  release(): Promise<void>;
}

/** Throws JOURNAL_IN_USE while another process, or this one, holds it. */
export async function takeWriterLock(
  folder: string,
  pid: number,
  platform: string,
): Promise<WriterLock> {
  const path = socketPath(folder, platform);
  // Twice: the second time after a leftover was removed.
  for (let attempt = 0; attempt < 2; attempt++) {
    const server = await listen(path, pid);
    if (server !== undefined) return { release: () => closed(server) };
    const holder = await askHolder(path);
    if (holder !== undefined) {
      throw new AppError(
        "JOURNAL_IN_USE",
        `opening the journal ${folder}: process ${holder} writes it`,
        { context: { folder, pid: holder } },
      );
    }
    removeLeftover(path);
  }
  throw new AppError(
    "JOURNAL_IN_USE",
    `opening the journal ${folder}: another process is just starting on it`,
  );
}

/** The process id of the folder's writer; undefined where nobody writes it. */
export function findWriter(folder: string, platform: string): Promise<string | undefined> {
  return askHolder(socketPath(folder, platform));
}

/** Undefined where something is there already. */
function listen(path: string, pid: number): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      socket.on("error", () => {
        socket.destroy();
      });
      socket.end(`${pid}\n`);
    });
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") resolve(undefined);
      else {
        const message = `opening the journal: listening on ${path}: ${errorText(error)}`;
        reject(new AppError("JOURNAL_UNREADABLE", message, { cause: error }));
      }
    });
    server.listen(path, () => {
      server.unref();
      resolve(server);
    });
  });
}

/** The process id of who answers, "?" where somebody is there and says nothing; undefined: nobody is. */
function askHolder(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    let answer = "";
    const socket = connect(path);
    socket.setTimeout(ANSWER_MS_MAX, () => {
      socket.destroy();
    });
    socket.on("data", (data) => {
      answer += data.toString("latin1");
    });
    socket.once("error", (error: NodeJS.ErrnoException) => {
      const isGone = error.code === "ECONNREFUSED" || error.code === "ENOENT";
      resolve(isGone ? undefined : "?");
    });
    socket.once("close", () => {
      resolve(/^\d+/.exec(answer)?.[0] ?? "?");
    });
  });
}

function removeLeftover(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    // Somebody else removed it first: then one of both listens next.
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => {
      resolve();
    });
  });
}

/** In the folder; by the folder's sum elsewhere, where its own path is too long for a socket. */
function socketPath(folder: string, platform: string): string {
  const sum = createHash("sha256").update(realpathSync(folder)).digest("hex").slice(0, 32);
  if (platform === "win32") return `\\\\.\\pipe\\changecast-${sum}`;
  const inside = join(folder, SOCKET_NAME);
  if (Buffer.byteLength(inside) <= SOCKET_PATH_BYTES_MAX) return inside;
  return join(tmpdir(), `changecast-${sum}.sock`);
}
