/** What a frame that is not allowed makes of itself: an AppError whose code says which kind of breach it is. */
import type { ErrorCode } from "../base/error-catalogue.js";
import { AppError } from "../base/errors.js";

export type ProtocolCode = Extract<ErrorCode, `PROTOCOL_${string}`>;

export type ProtocolError = AppError & { readonly code: ProtocolCode };

export function protocolError(code: ProtocolCode, message: string): ProtocolError {
  return new AppError(code, message) as ProtocolError;
}

export function isProtocolError(error: unknown): error is ProtocolError {
  return error instanceof AppError && error.code.startsWith("PROTOCOL_");
}
