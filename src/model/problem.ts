/** One thing that is wrong with a configuration or a database, as `check` lists it. */
import type { ErrorCode } from "../base/error-catalogue.js";

export interface Problem {
  readonly code: ErrorCode;
  /** Errors stop a start; warnings are shown. */
  readonly level: "error" | "warning";
  /** What was found, and in which object. */
  readonly message: string;
  /** What to do about it, down to SQL to run or the line to write. */
  readonly cure: string;
  /** Path in the YAML, e.g. ["rules", 0, "channel"], for file and line. */
  readonly path?: readonly (string | number)[];
  /** Where in the text at `path` it stands, in characters from its start. */
  readonly at?: number;
}
