/** One of the journal's two files: whoever reads bytes of it that are not what was written is told of what, and where. */
import { AppError } from "../../base/errors.js";
import { DamagedBytes } from "../byte-io.js";
import { Environment } from "./environment.js";
import type { EnvironmentOptions } from "./environment.js";

export class JournalFile {
  readonly environment: Environment;

  constructor(options: EnvironmentOptions) {
    this.environment = new Environment(options);
  }

  /** Names what was read when its bytes are not what was written. */
  reading<T>(what: string | (() => string), read: () => T): T {
    try {
      return read();
    } catch (error) {
      throw this.readFailure(what, error);
    }
  }

  /** The same of a reading that failed, where a function for each row would be too dear. Our own bugs stay what they are. */
  readFailure(what: string | (() => string), error: unknown): unknown {
    if (!(error instanceof DamagedBytes)) return error;
    return this.damaged(typeof what === "string" ? what : what(), error.message, error);
  }

  damaged(what: string, found: string, cause?: unknown): AppError {
    const detail = cause === undefined ? {} : { cause };
    const message = `reading ${what} in ${this.environment.path}: ${found}`;
    return new AppError("JOURNAL_DAMAGED", message, detail);
  }
}
