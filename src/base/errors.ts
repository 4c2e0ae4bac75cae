/**
 * The three kinds of failure, never mixed: an `AppError` (something outside went wrong; its code says
 * what and what to do), an `InvariantError` (we are wrong; the process must end) and a cancellation
 * (the reason of an AbortSignal; never wrapped, never logged as an error).
 */
import type { ErrorCode } from "./error-catalogue.js";

export interface AppErrorDetail {
  /** Facts that are safe to log: never a password, a token or a row. */
  readonly context?: Readonly<Record<string, string | number | boolean | undefined>>;
  /** What to do now, when it is more exact than the catalogue's cure (SQL, a line of pg_hba.conf …). */
  readonly cure?: string | undefined;
  readonly cause?: unknown;
}

export class AppError extends Error {
  override readonly name = "AppError";
  readonly code: ErrorCode;
  readonly context: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly cure: string | undefined;

  /** `message` says what was being done, to which object and what was found. */
  constructor(code: ErrorCode, message: string, detail: AppErrorDetail = {}) {
    super(message, detail);
    this.code = code;
    this.context = detail.context ?? {};
    this.cure = detail.cure;
  }
}

export class InvariantError extends Error {
  override readonly name = "InvariantError";
}

/** The text of anything thrown, for messages that quote a cause. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** By its name, as the browser's own errors are told apart. */
export function isNamed(error: unknown, name: string): boolean {
  return (error as { readonly name?: unknown } | null)?.name === name;
}
