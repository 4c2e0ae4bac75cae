/** A terminal in memory for tests of commands: what was written can be read back, and a stop can be asked for. */
import type { Io } from "../../src/cli/io.js";

export interface TestIo extends Io {
  readonly outLines: string[];
  readonly errLines: string[];
  /** As a SIGTERM. */
  stopNow(): void;
}

export function testIo(env: Readonly<Record<string, string | undefined>> = {}): TestIo {
  const stop = new AbortController();
  const outLines: string[] = [];
  const errLines: string[] = [];
  return {
    outLines,
    errLines,
    out: (line) => {
      outLines.push(...line.split("\n"));
    },
    err: (line) => {
      errLines.push(...line.split("\n"));
    },
    outIsTerminal: false,
    errIsTerminal: false,
    colour: false,
    env,
    stop: stop.signal,
    stopNow: () => {
      stop.abort(new Error("stopped by the test"));
    },
  };
}
