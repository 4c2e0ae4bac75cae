/**
 * A folder of a test's servers and the guard that outlives the test: when the test's process is gone,
 * however it ended, the guard stops the servers and removes the folder.
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Waits for the end of its standard input, which is the end of the test's process. */
const guardScript = `
cat >/dev/null
folder=$1
signal=$2
shift 2
for file in "$@"; do
  pid=$(head -n 1 "$folder/$file" 2>/dev/null)
  if [ -n "$pid" ]; then
    kill "-$signal" "$pid" 2>/dev/null
    tries=0
    while kill -0 "$pid" 2>/dev/null && [ $tries -lt 100 ]; do sleep 0.05; tries=$((tries + 1)); done
  fi
done
rm -rf "$folder"
`;

export interface GuardedFolder {
  readonly path: string;
  /** Stops what runs there and removes it; may be called twice. */
  end(): Promise<void>;
}

export interface GuardOptions {
  /** The folder's name begins with it. */
  readonly prefix: string;
  /** How the servers are ended: `QUIT`, `KILL`. */
  readonly signal: string;
  /** Files, relative to the folder, whose first line is a server's process id. */
  readonly pidFiles: readonly string[];
}

export function guardedFolder({ prefix, signal, pidFiles }: GuardOptions): GuardedFolder {
  const path = mkdtempSync(join(tmpdir(), prefix));
  const guard = spawn("/bin/sh", ["-c", guardScript, "guard", path, signal, ...pidFiles], {
    cwd: "/",
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });
  guard.unref();
  (guard.stdin as Socket).unref();
  return { path, end: () => endGuard(guard) };
}

async function endGuard(guard: ChildProcess): Promise<void> {
  if (guard.exitCode !== null || guard.signalCode !== null) return;
  const ended = once(guard, "exit");
  guard.ref();
  guard.stdin?.end();
  await ended;
}
