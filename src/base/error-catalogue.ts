/**
 * Every error code, once: what causes it, what cures it, and what its receiver should do. src/ERRORS.md
 * shows the same table to users; test/tidy.test.ts proves that both agree and that each code is used.
 *
 * Dispositions: `retry` (a passing fault), `resync` (history was lost; copy again), `reject` (the caller
 * asked for something wrong; others go on), `fatal` (the process must stop).
 */
import { clientErrors } from "./error-codes-client.js";
import { inputErrors } from "./error-codes-input.js";
import { serviceErrors } from "./error-codes-service.js";
import { sourceErrors } from "./error-codes-source.js";
import type { Disposition, ErrorEntry } from "./error-entry.js";

export type { Disposition, ErrorEntry } from "./error-entry.js";

export const errorCatalogue = {
  ...inputErrors,
  ...sourceErrors,
  ...serviceErrors,
  ...clientErrors,
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof errorCatalogue;

export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorCatalogue, code);
}

export function dispositionOf(code: ErrorCode): Disposition {
  return errorCatalogue[code].disposition;
}
