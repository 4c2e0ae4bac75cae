/** What a store fails with, and what to do about it, which a status shows. */
import { AppError } from "../../base/errors.js";

const CURES = {
  CLIENT_STORE_BLOCKED: "Close or reload the other tabs of the app.",
  CLIENT_STORE_FAILED: "Read the message: disk full, or locked by a transaction of the app.",
  CLIENT_STORE_FULL: "Detach channels, or free room on the device.",
  CLIENT_STORE_NEWER: "Update the client package, or begin with a new store.",
  CLIENT_STORE_TAKEN: "Another instance has the store now; let it go on, or open this one again.",
} as const;

/** `message` says what was being done and what was found. */
export function storeError(
  code: keyof typeof CURES,
  message: string,
  detail: { readonly cause?: unknown } = {},
): AppError {
  return new AppError(code, message, { ...detail, cure: CURES[code] });
}
