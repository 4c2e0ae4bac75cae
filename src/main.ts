#!/usr/bin/env node
/**
 * The program: makes the real terminal, turns signals into a stop, and sets the exit code. Nothing else
 * here or anywhere writes to the process. A second signal ends it at once: the journal survives that.
 */
import { constants } from "node:os";
import { runProgram } from "./cli/program.js";
import type { Io } from "./cli/io.js";

const stop = new AbortController();

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    if (stop.signal.aborted) process.exit(128 + constants.signals[signal]);
    stop.abort(new Error(`stopped by ${signal}`));
  });
}

// A reader that went away (`changecast tail … | head`) is an end, not a failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(0);
});

const io: Io = {
  out: (line) => {
    process.stdout.write(`${line}\n`);
  },
  err: (line) => {
    process.stderr.write(`${line}\n`);
  },
  outIsTerminal: process.stdout.isTTY,
  errIsTerminal: process.stderr.isTTY,
  colour: process.stdout.isTTY && process.env["NO_COLOR"] === undefined,
  env: process.env,
  stop: stop.signal,
};

const exitCode = await runProgram(process.argv.slice(2), io);
// Whatever did not end in time (SERVICE_STOP_LATE) must not hold the process; what was written goes first.
process.stdout.write("", () => process.exit(exitCode));
